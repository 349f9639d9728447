/** Run, Run examples, Submit, Stop, and what is typed into a running program. */
import { announce } from "./announce";
import { byId, setText } from "./dom";
import type { RoomState, RunState, What } from "./frames";
import { inert } from "./inert";
import { runUnderWay } from "./model";
import type { LiveRoom } from "./room";
import { t } from "./strings";

const BUTTONS: readonly [id: string, what: What][] = [
  ["run-program", "program"],
  ["run-examples", "examples"],
  ["submit", "tests"],
];

/** A program that ends sooner never shows the line for typing: nothing jumps. */
const LONG_MS = 1000;
const ASKED_UNITS = 200;

/** What keeps somebody from running, in words; null where nothing does. */
type Reason = string | null;

export class RunBar {
  private run: RunState | null = null;
  private timedRun = "";
  private longRun = "";
  private toldWaits = 0;
  /** The latest run was started by the button here, not from the editor or by somebody else. */
  private startedHere = false;
  private readonly stdin = byId<HTMLTextAreaElement>("stdin");
  private readonly line = byId<HTMLInputElement>("stdin-line");

  constructor(
    private readonly room: LiveRoom,
    private readonly mayRun: boolean,
  ) {
    byId("run-bar").hidden = !mayRun;
    for (const [id, what] of BUTTONS) {
      byId(id).addEventListener("click", () => {
        this.startedHere = document.activeElement === byId(id);
        this.start(what);
      });
    }
    byId("stop").addEventListener("click", () => this.stop());
    byId("stdin-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.typeLine();
    });
    byId("stdin-end").addEventListener("click", () => this.endInput());
    document.addEventListener("keydown", (event) => this.onKey(event), { capture: true });
  }

  update(state: RoomState, doc: string): void {
    this.run = runUnderWay(state);
    const reason = this.reason(state);
    const tests = doc === "scratch" ? t("The scratch pad has no tests.") : null;
    for (const [id, what] of BUTTONS) {
      disable(byId<HTMLButtonElement>(id), reason ?? (what === "program" ? null : tests));
    }
    byId<HTMLButtonElement>("stop").disabled = this.run === null;
    const shownReason = this.run && !state.ended ? "" : (reason ?? "");
    setText(byId("run-reason"), shownReason);
    byId("run-reason").hidden = shownReason === "";
    this.updateLine(doc);
  }

  /**
   * The line for typing comes when a program first waits for it, or has run for so long that it may
   * wait where the server does not see it; it stays until its end.
   */
  private updateLine(doc: string): void {
    const run = this.run?.doc === doc && this.run.place === 0 ? this.run : null;
    const takesInput = run?.what === "program" && typeof run.stdin !== "string";
    const runsLong = takesInput && this.runsLong(run);
    const typing = (run?.events ?? []).filter(
      (event) => event.kind === "input_awaited" || event.kind === "stdin_written",
    );
    const waits = typing.filter((event) => event.kind === "input_awaited").length;
    const ended = typing.some((event) => event.kind === "stdin_written" && event.eof);
    const show = (waits > 0 || runsLong) && !ended && this.mayRun;
    const form = byId("stdin-form");
    form.dataset["waits"] = String(typing.at(-1)?.kind === "input_awaited");
    this.tellOfWaits(run, waits);
    if (form.hidden === !show) return;
    const hadFocus = form.contains(document.activeElement);
    form.hidden = !show;
    if (show && this.startedHere && !isTypedInto(document.activeElement)) this.line.focus();
    if (!show && hadFocus) byId("run-program").focus();
  }

  /** Whose program waits hears it each time, with what the program asked. */
  private tellOfWaits(run: RunState | null, waits: number): void {
    if (run && run.by === this.room.model.you?.id && waits > this.toldWaits) {
      announce(`${lastPrinted(run)} ${t("The program waits for input.")}`.trim());
    }
    this.toldWaits = waits;
  }

  /** Whether a run has been seen under way for a while; if not yet, the page is updated then. */
  private runsLong(run: RunState): boolean {
    if (this.longRun === run.run) return true;
    if (this.timedRun !== run.run) {
      this.timedRun = run.run;
      window.setTimeout(() => {
        this.longRun = run.run;
        this.updateLine(this.room.editors.current);
      }, LONG_MS);
    }
    return false;
  }

  private start(what: What): void {
    const doc = this.room.editors.current;
    const ref = this.room.nextRef();
    const stdin = what === "program" && this.stdin.value ? this.stdin.value : null;
    this.room.send({ type: "run", doc, what, ref, ...(stdin === null ? {} : { stdin }) });
  }

  private stop(): void {
    if (this.run) this.room.send({ type: "stop", run: this.run.run, ref: this.room.nextRef() });
  }

  private typeLine(): void {
    if (!this.run) return;
    const text = `${this.line.value}\n`;
    const sent = this.room.send({ type: "stdin", run: this.run.run, text, ref: this.room.nextRef() });
    if (sent) this.line.value = "";
  }

  private endInput(): void {
    if (!this.run) return;
    this.room.send({ type: "stdin", run: this.run.run, eof: true, ref: this.room.nextRef() });
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !this.mayRun) return;
    const id = event.altKey ? "submit" : event.shiftKey ? "run-examples" : "run-program";
    event.preventDefault();
    event.stopPropagation();
    byId<HTMLButtonElement>(id).click();
  }

  private reason(state: RoomState): Reason {
    if (state.ended) return t("The interview has ended.");
    if (this.room.connection.status === "closed") return t("This page is disconnected.");
    if (state.sandbox === "unavailable") {
      return t("Running is switched off: the server has no sandbox to run programs in. Editing goes on.");
    }
    if (this.room.connection.status !== "live") return t("Running waits until the connection is back.");
    if (!this.run) return null;
    return this.run.place > 0 ? t("A program is waiting for a sandbox.") : t("A program is running.");
  }
}

function isTypedInto(element: Element | null): boolean {
  return element instanceof HTMLElement && (element.isContentEditable || element.matches("input, textarea"));
}

/** The last line that a program printed, which is most often what it asks for. */
function lastPrinted(run: RunState): string {
  const printed = run.events.map((event) => (event.kind === "output" ? event.text : "")).join("");
  return inert(printed.slice(-ASKED_UNITS)).split("\n").at(-1)?.trim() ?? "";
}

/** A disabled button says why, and can still be reached by keyboard. */
function disable(element: HTMLButtonElement, reason: Reason): void {
  element.disabled = reason !== null;
  element.title = reason ?? element.dataset["title"] ?? "";
}
