/** The live room: connects what comes over the wire with the model and the editors. */
import { claimClient, forgetDraft, keepDraft, newClient, type Draft } from "./drafts";
import { Connection, type Status } from "./connection";
import { Editors } from "./editors";
import type { ClientFrame, EventFrame, ErrorFrame, Role, ServerFrame, Welcome } from "./frames";
import { difference, missedEdits } from "./missed";
import { Model } from "./model";
import { restored, type Pending } from "./pending";
import { offerRecovered } from "./recovered";
import { isOutOfStep, refusalText } from "./refusals";
import { t } from "./strings";

const KEEP_AFTER_MS = 50;
const TRY_AGAIN_MS = 1_000;

type Missed = Awaited<ReturnType<typeof missedEdits>>;

export interface Boot {
  room: string;
  role: Role;
  language: string;
  strings: Record<string, string>;
  nonce: string;
  /** What a tutor's page proves with that a request is its own; empty for others. */
  csrf: string;
}

export interface RoomHooks {
  onStatus(status: Status): void;
  /** The number of unsaved changes, or whether the server can't save. */
  onSaved(unsaved: number, cannotSave: boolean): void;
  /** Documents were opened; by whom, where it happened just now. */
  onDocuments(by: string | null): void;
  onRefusal(text: string): void;
}

export class LiveRoom {
  readonly model = new Model();
  readonly editors: Editors;
  readonly connection: Connection;
  private readonly url: string;
  /** What waits while missed edits are fetched; null while nothing does. */
  private held: ServerFrame[] | null = null;
  /** Why the next hello asks for the whole state, though one is known. */
  private anew: "no" | "by events" | "by text" = "no";
  private readonly refusedOnce = new Set<string | number>();
  private cannotSave = false;
  private keeping: number | undefined;
  private refs = 0;

  private constructor(
    private readonly boot: Boot,
    private client: string,
    private draft: Draft | null,
    parent: HTMLElement,
    private readonly hooks: RoomHooks,
  ) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.url = `${scheme}//${location.host}/rooms/${encodeURIComponent(boot.room)}/ws`;
    this.editors = new Editors(parent, {
      nonce: boot.nonce,
      showsCursor: boot.role !== "observer",
      send: (frame) => this.held === null && this.connection.send(frame),
      onPendingChange: () => this.pendingChanged(),
      onOutOfStep: () => this.openAnew("by events"),
    });
    this.connection = new Connection(this.url, {
      hello: () => ({ after: this.anew === "no" ? this.model.seq : 0, client: this.client }),
      onFrame: (frame) => this.take(frame),
      onStatus: (status) => hooks.onStatus(status),
    });
    window.addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => this.keep());
  }

  /** Join the room with a client id of this page's own, and with what an earlier page left. */
  static async join(boot: Boot, parent: HTMLElement, hooks: RoomHooks): Promise<LiveRoom> {
    const { client, draft } = await claimClient(boot.room, boot.role);
    return new LiveRoom(boot, client, draft, parent, hooks);
  }

  /** Send a command; false where the connection is away. */
  send(frame: ClientFrame): boolean {
    return this.connection.send(frame);
  }

  /** A label for a command. */
  nextRef(): string {
    this.refs += 1;
    return `c${this.refs}`;
  }

  /** The server's time, ms since the epoch. */
  now(): number {
    return Date.now() + this.connection.serverAheadMs;
  }

  private take(frame: ServerFrame): void {
    if (frame.type === "welcome") void this.welcome(frame);
    else if (this.held) this.held.push(frame);
    else this.handle(frame);
  }

  private handle(frame: Exclude<ServerFrame, Welcome> | ServerFrame): void {
    switch (frame.type) {
      case "event":
        this.event(frame);
        break;
      case "presence":
        this.model.presence(frame.participants);
        this.editors.keepCursors(
          new Set(frame.participants.filter((one) => one.present).map((one) => one.id)),
        );
        break;
      case "cursor":
        if (frame.by !== this.model.you?.id) this.editors.placeCursor(frame);
        break;
      case "sandbox":
        this.model.sandbox(frame.status);
        break;
      case "error":
        this.refusal(frame);
        break;
      default:
    }
  }

  private event(frame: EventFrame): void {
    this.model.apply(frame);
    if (frame.kind === "document_opened") {
      this.editors.open(frame.doc, frame.text, 0);
      this.hooks.onDocuments(null);
    }
    if (frame.kind === "problem_opened") this.hooks.onDocuments(frame.by);
    if (frame.kind === "edited") this.editors.receive(frame);
  }

  private async welcome(frame: Welcome): Promise<void> {
    const draft = frame.state ? this.unsavedDraft(frame) : null;
    this.model.welcome(frame);
    if (frame.state) {
      if (draft && draft.by !== frame.you.id) return this.startAsAnother(draft);
      await this.openDocuments(draft);
    }
    this.editors.resume();
    this.pendingChanged();
  }

  /** What was unsaved before this fresh start, on this page or on one before it. */
  private unsavedDraft(frame: Welcome): Draft | null {
    const left = this.draft;
    this.draft = null;
    if (left) return left;
    const documents = this.editors.pending();
    if (Object.keys(documents).length === 0) return null;
    return this.draftOf(documents, frame.you.id);
  }

  /** Every document as the server has it, and what was unsaved on top of it. */
  private async openDocuments(draft: Draft | null): Promise<void> {
    this.held = [];
    const asks = draft && this.anew !== "by text";
    const missed = asks ? await missedEdits(this.url, draft.seq) : null;
    const unsaved = { ...draft?.documents, ...this.editors.pending() };
    this.anew = "no";
    this.editors.reset(this.client);
    const documents = this.model.state?.documents ?? {};
    for (const [doc, { text, version }] of Object.entries(documents)) {
      const pending = unsaved[doc];
      if (pending) this.restore(doc, pending, missed, { text, version });
      this.editors.open(doc, text, version);
    }
    const waiting = this.held;
    this.held = null;
    this.hooks.onDocuments(null);
    waiting.forEach((frame) => this.handle(frame));
  }

  private restore(
    doc: string,
    pending: Pending,
    missed: Missed,
    server: { text: string; version: number },
  ): void {
    const known = missed?.filter((edit) => edit.doc === doc);
    try {
      if (known) {
        this.editors.restore(doc, pending, known);
      } else {
        this.editors.restore(doc, { ...pending, version: server.version - 1 }, [
          { version: server.version, changes: difference(pending.base, server.text), client: "", ref: null },
        ]);
        if (pending.base !== server.text) this.offer(doc, pending, t("Much happened while you were away. Please check that your code is as you left it; this is how it was."));
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.offer(doc, pending, t("It no longer fits the document as it is now."));
    }
  }

  private offer(doc: string, pending: Pending, why: string): void {
    const text = restored(pending, this.client, []).doc.toString();
    offerRecovered(doc, text, why);
  }

  /** The draft is another participant's, who used this browser: its client id is not ours to use. */
  private async startAsAnother(draft: Draft): Promise<void> {
    for (const [doc, pending] of Object.entries(draft.documents)) {
      this.offer(doc, pending, t("It was typed in this browser before you joined again."));
    }
    forgetDraft(this.boot.room, this.client);
    this.client = await newClient();
    this.anew = "by events";
    this.connection.restart();
  }

  private refusal(frame: ErrorFrame): void {
    const ref = frame.ref ?? null;
    const doc = ref === null ? null : this.editors.documentOf(ref);
    if (frame.code === "already_applied") return;
    if (doc === null || ref === null) {
      this.hooks.onRefusal(refusalText(frame));
    } else if (frame.code === "not_saved") {
      this.tryAgain();
    } else if (isOutOfStep(frame.code) && !this.refusedOnce.has(ref)) {
      this.refusedOnce.add(ref);
      this.openAnew("by text");
    } else {
      this.takeBack(doc, ref, frame);
    }
  }

  /** The journal is away: the edit stays in flight, and is sent again until it is saved. */
  private tryAgain(): void {
    this.cannotSave = true;
    this.pendingChanged();
    window.setTimeout(() => this.editors.resume(), TRY_AGAIN_MS);
  }

  private takeBack(doc: string, ref: string | number, frame: ErrorFrame): void {
    const before = this.editors.text(doc);
    this.editors.refuse(doc, ref);
    this.hooks.onRefusal(refusalText(frame));
    if (this.editors.text(doc) !== before) offerRecovered(doc, before, refusalText(frame));
  }

  /** Start again from the server's state; what is unsaved is put on top of it. */
  private openAnew(how: "by events" | "by text"): void {
    this.anew = how;
    this.connection.restart();
  }

  private pendingChanged(): void {
    const unsaved = this.editors.unsaved();
    if (unsaved === 0) this.cannotSave = false;
    this.hooks.onSaved(unsaved, this.cannotSave);
    this.keeping ??= window.setTimeout(() => this.keep(), KEEP_AFTER_MS);
  }

  private keep(): void {
    clearTimeout(this.keeping);
    this.keeping = undefined;
    if (this.held || !this.model.you || this.draft) return;
    const draft = this.draftOf(this.editors.pending(), this.model.you.id);
    keepDraft(this.boot.room, this.client, draft);
  }

  private draftOf(documents: Record<string, Pending>, by: string): Draft {
    return { role: this.boot.role, by, seq: this.model.seq, at: Date.now(), documents };
  }
}
