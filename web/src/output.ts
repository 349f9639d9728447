/** What the latest run of a document printed, as it comes. */
import { byId, el } from "./dom";
import type { OutputWritten, RunState } from "./frames";
import { InertText, inert } from "./inert";
import { t } from "./strings";

const MAX_UNITS = 1024 * 1024;
/** One text node holds so much at most: long ones are slow to add to. */
const NODE_UNITS = 32 * 1024;

export class OutputView {
  private readonly root = byId("output");
  private run = "";
  private taken = 0;
  private units = 0;
  private streams: Record<string, InertText> = {};
  private last: { key: string; node: Text } | null = null;
  private test: string | null = null;
  private isProgram = false;
  private follows = false;

  constructor() {
    const pane = byId("run-body");
    // The line for typing takes some of the pane's height: what it asks must not go below the fold.
    new ResizeObserver(() => {
      if (this.follows) this.scrollToEnd();
    }).observe(pane);
    pane.addEventListener("scroll", () => (this.follows = this.isProgram && this.isAtEnd()));
  }

  /** Show what `run` printed; null for a document that has not been run. */
  update(run: RunState | null): void {
    if (run?.run !== this.run) this.clear(run?.run ?? "");
    this.isProgram = run?.what === "program";
    const pinned = this.follows || this.isAtEnd();
    for (const event of run?.events.slice(this.taken) ?? []) {
      if (event.kind === "output") this.write(event);
      if (event.kind === "stdin_written" && event.text) this.append("typed", inert(event.text));
      this.taken += 1;
    }
    this.root.parentElement?.toggleAttribute("hidden", this.units === 0);
    this.follows = pinned && this.isProgram;
    if (this.follows) this.scrollToEnd();
  }

  private clear(run: string): void {
    this.run = run;
    this.taken = 0;
    this.units = 0;
    this.streams = {};
    this.last = null;
    this.test = null;
    this.root.replaceChildren();
  }

  private write(event: OutputWritten): void {
    const key = `${event.test ?? ""} ${event.stream}`;
    const stream = (this.streams[key] ??= new InertText());
    if (event.test !== null && event.test !== this.test) this.startTest(event);
    this.append(event.stream, stream.next(event.text));
    if (event.cut) this.say(t("Output is cut here: a run shows 64 KiB of each test."));
  }

  private startTest(event: OutputWritten): void {
    this.test = event.test;
    if (event.test === "program") return;
    const label = el("span", { class: "output-test" }, t("Printed by {test}", { test: event.test ?? "" }));
    if (!event.visible) label.append(el("span", { class: "tag" }, t("hidden from the candidate")));
    this.root.append(label);
    this.last = null;
  }

  private append(key: string, text: string): void {
    const room = MAX_UNITS - this.units;
    if (text === "" || room <= 0) return;
    this.units += text.length;
    this.nodeFor(key).appendData(text.slice(0, room));
    if (text.length <= room) return;
    this.say(t("The rest of the output is not shown."));
  }

  /** A line of the page's own among what the program wrote. */
  private say(text: string): void {
    this.root.append(el("span", { class: "output-cut" }, text));
    this.last = null;
  }

  private nodeFor(key: string): Text {
    if (this.last?.key === key && this.last.node.length < NODE_UNITS) return this.last.node;
    const node = document.createTextNode("");
    this.root.append(el("span", { class: `output-${key}` }, node));
    this.last = { key, node };
    return node;
  }

  private isAtEnd(): boolean {
    const pane = byId("run-body");
    return pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 24;
  }

  private scrollToEnd(): void {
    const pane = byId("run-body");
    if (this.last && pane.scrollHeight > pane.clientHeight) pane.scrollTop = pane.scrollHeight;
  }
}
