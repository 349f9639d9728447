/** Which own edits are on the server's disk, and not only accepted. */

export class Flushed {
  /** Everything up to this event is on the disk; null while the server does not tell. */
  private upTo: number | null = null;
  private waiting: { seq: number; steps: number }[] = [];

  /** A `welcome`, whose `saved` an older server leaves out. */
  welcome(saved: number | undefined): void {
    this.upTo = saved ?? null;
    this.settle();
  }

  /** A `saved` frame: they only ever grow while a connection lives. */
  saved(seq: number): void {
    this.upTo = Math.max(this.upTo ?? 0, seq);
    this.settle();
  }

  /** An own edit of so many editing steps came back as event `seq`: that is all where `saved` never comes. */
  accepted(seq: number, steps: number): void {
    this.waiting.push({ seq, steps });
    this.settle();
  }

  /** Start anew: the server's state holds what it has. */
  clear(): void {
    this.waiting = [];
  }

  /** How many own editing steps were accepted and are not on the disk yet. */
  get steps(): number {
    return this.waiting.reduce((sum, edit) => sum + edit.steps, 0);
  }

  private settle(): void {
    const { upTo } = this;
    this.waiting = upTo === null ? [] : this.waiting.filter((edit) => edit.seq > upTo);
  }
}
