/** The room's page: draws what the live room knows, and passes on what people do. */
import { announce } from "../announce";
import { ClockView } from "../clock";
import { closingButton, showClosing } from "../closing";
import type { ErrorLine } from "../error-lines";
import { byId, setText } from "../dom";
import type { RoomState, RunState } from "../frames";
import { inert } from "../inert";
import { nameOf } from "../model";
import { OutputView } from "../output";
import { showParticipants } from "../participants";
import { ResultsView } from "../results";
import { LiveRoom, type Boot } from "../room";
import { RunBar } from "../run";
import { splitter } from "../split";
import { showStatement } from "../statement";
import { StatusView, hideNotice, showNotice } from "../status";
import { t, useStrings } from "../strings";
import { DocumentTabs, documentName } from "../tabs";
import { themeButton } from "../theme";
import { TutorGuide, labelTutorControls } from "../tutor";
import { verdictText } from "../verdicts";

/** How much of an error's message a line of code has room for, in characters. */
const NOTE_LENGTH = 90;

class RoomPage {
  private room: LiveRoom | null = null;
  /** The task's document when it was last put on the page. */
  private followed: string | null = null;
  /** The document on the page: it stays there over a fresh start. */
  private onPage: string | null = null;
  /** How much of each document's latest run was looked through for error lines. */
  private readonly marked = new Map<string, string>();
  private readonly draws: ((state: RoomState, room: LiveRoom) => void)[] = [];

  private readonly status: StatusView;

  constructor(private readonly boot: Boot) {
    this.status = new StatusView(boot.role);
  }

  async start(): Promise<void> {
    const { role } = this.boot;
    const room = await LiveRoom.join(this.boot, byId("editor"), {
      onCondition: (condition) => {
        this.status.update(condition);
        this.room?.model.changed();
      },
      onDocuments: (by) => this.followTask(by),
      onRefusal: (text) => showNotice(text),
    });
    this.room = room;
    this.parts(room);
    if (role === "tutor") {
      const guide = new TutorGuide(room, this.boot);
      labelTutorControls();
      this.draws.push((state) => guide.update(state));
    }
    room.model.subscribe((state) => this.draws.forEach((draw) => draw(state, room)));
  }

  private parts(room: LiveRoom): void {
    const clock = new ClockView(() => room.now());
    const tabs = new DocumentTabs((doc) => this.show(doc));
    const runBar = new RunBar(room, this.boot.role !== "observer");
    const results = new ResultsView((doc) => this.show(doc));
    const output = new OutputView();
    closingButton();
    taskButton();
    splitter();
    this.draws.push(
      (state) => clock.update(state),
      (state) => showParticipants(state, room.model.you?.id ?? ""),
      showStatement,
      (state) => this.policy(state, room),
      (state) => tabs.update(state, room.editors.current),
      (state) => runBar.update(state, room.editors.current),
      (state) => {
        const doc = room.editors.current;
        results.update(state, doc, room.editors.version(doc), room.model.you?.id ?? "");
        output.update(state.runs[doc] ?? null);
      },
      (state) => this.markErrors(state, room),
      showClosing,
    );
  }

  /** The task's document comes to the front when another is opened, but never under somebody's keys. */
  private followTask(by: string | null): void {
    const room = this.room;
    const state = room?.model.state;
    if (!room || !state) return;
    const doc = state.doc ?? "scratch";
    const isOther = this.followed !== null && doc !== this.followed;
    this.followed = doc;
    if (room.editors.current === "") {
      const before = this.onPage !== null && room.editors.names().includes(this.onPage);
      this.show(before && !isOther ? (this.onPage ?? doc) : doc);
    } else if (isOther) {
      this.bringForward(state, room, doc, by);
    }
    room.model.changed();
  }

  private bringForward(state: RoomState, room: LiveRoom, doc: string, by: string | null): void {
    const name = nameOf(state, by ?? "");
    const text = t("{name} opened “{title}”", { name, title: documentName(state, doc) });
    if (by !== room.model.you?.id) announce(text);
    if (by === room.model.you?.id || !room.editors.isTyping()) this.show(doc);
    else showNotice(text, { label: t("Go there"), onClick: () => this.goTo(doc) });
  }

  private goTo(doc: string): void {
    this.show(doc);
    this.room?.editors.focus();
  }

  private show(doc: string): void {
    this.onPage = doc;
    hideNotice();
    this.room?.editors.show(doc);
    this.room?.model.changed();
  }

  private policy(state: RoomState, room: LiveRoom): void {
    const { role } = this.boot;
    const isLocked = state.locked && role === "candidate";
    const isClosed = room.connection.status === "closed";
    room.editors.setReadOnly(role === "observer" || isLocked || state.ended || isClosed);
    document.querySelector(".guide-controls")?.toggleAttribute("inert", isClosed);
    const note = byId("editor-note");
    const closedText = isClosed ? t("Read only: this page is disconnected.") : "";
    setText(note, state.ended ? t("Read only: the interview has ended.") : closedText || lockText(state, role));
    note.hidden = note.textContent === "";
  }

  /** Mark the lines that the latest run of each document stumbled on. */
  private markErrors(state: RoomState, room: LiveRoom): void {
    for (const [doc, run] of Object.entries(state.runs)) {
      const stamp = `${run.run} ${run.events.length}`;
      const before = this.marked.get(doc);
      if (stamp === before || !room.editors.names().includes(doc)) continue;
      this.marked.set(doc, stamp);
      // A page that was opened after the text had changed can't tell where the lines went.
      const isOld = before === undefined && state.documents[doc]?.version !== run.version;
      room.editors.markErrors(doc, isOld ? [] : errorLinesOf(run));
    }
  }
}

function lockText(state: RoomState, role: string): string {
  if (role === "observer") return t("You are watching: you see everything and change nothing.");
  if (!state.locked) return "";
  return role === "candidate"
    ? t("The interviewer has locked the editor for a moment.")
    : t("The candidate's editor is locked.");
}

function errorLinesOf(run: RunState): ErrorLine[] {
  const texts = new Map<number, string>();
  for (const event of run.events) {
    if (event.kind !== "test_judged" && event.kind !== "run_finished") continue;
    // A test may have asked for the very exception that was raised.
    if (!event.line || event.verdict === "accepted" || texts.has(event.line)) continue;
    const said = event.kind === "test_judged" ? lastLine(event.detail ?? "") : "";
    texts.set(event.line, said || lastLine(errorOutput(run)) || verdictText(event.verdict));
  }
  return [...texts].map(([line, text]) => ({ line, text }));
}

/** What a free run wrote to its error stream; of a test, its own detail says it. */
function errorOutput(run: RunState): string {
  if (run.what !== "program") return "";
  const pieces = run.events.map((one) => (one.kind === "output" && one.stream === "stderr" ? one.text : ""));
  return pieces.join("");
}

/** The last line of `text` with something in it, as the note at an error line shows it. */
function lastLine(text: string): string {
  const line = inert(text).split("\n").map((one) => one.trim()).filter(Boolean).at(-1) ?? "";
  return line.length > NOTE_LENGTH ? `${line.slice(0, NOTE_LENGTH - 1)}…` : line;
}

/** Hides the task to give the code more room. */
function taskButton(): void {
  const toggle = byId("task-toggle");
  toggle.addEventListener("click", () => {
    const hide = toggle.getAttribute("aria-expanded") === "true";
    toggle.setAttribute("aria-expanded", String(!hide));
    byId("statement").hidden = hide;
    byId("workspace").classList.toggle("no-task", hide);
  });
}

const boot = JSON.parse(byId("boot").textContent ?? "") as Boot;
useStrings(boot.strings, boot.language);
for (const key of document.querySelectorAll(".mod-key")) {
  if (/Mac|iPhone|iPad/.test(navigator.userAgent)) key.textContent = "⌘";
}
themeButton(byId("theme"));
void new RoomPage(boot).start();
