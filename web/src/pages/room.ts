/** The room's page: draws what the live room knows, and passes on what people do. */
import { ClockView } from "../clock";
import { closingButton, showClosing } from "../closing";
import type { ErrorLine } from "../error-lines";
import { byId, setText } from "../dom";
import type { RoomState, RunState } from "../frames";
import { OutputView } from "../output";
import { showParticipants } from "../participants";
import { ResultsView } from "../results";
import { LiveRoom, type Boot } from "../room";
import { RunBar } from "../run";
import { splitter } from "../split";
import { showStatement } from "../statement";
import { showConnection, showNotice, showSaved } from "../status";
import { t, useStrings } from "../strings";
import { DocumentTabs } from "../tabs";
import { themeButton } from "../theme";
import { TutorGuide, labelTutorControls } from "../tutor";
import { verdictText } from "../verdicts";

class RoomPage {
  private room: LiveRoom | null = null;
  /** The task's document when it was last put on the page. */
  private followed: string | null = null;
  private marked = "";
  private readonly draws: ((state: RoomState, room: LiveRoom) => void)[] = [];

  constructor(private readonly boot: Boot) {}

  async start(): Promise<void> {
    const { role } = this.boot;
    const room = await LiveRoom.join(this.boot, byId("editor"), {
      onStatus: (status) => {
        showConnection(status);
        this.room?.model.changed();
      },
      onSaved: (unsaved, cannotSave) => {
        showSaved(unsaved, cannotSave);
        this.room?.model.changed();
      },
      onDocuments: () => this.followTask(),
      onRefusal: showNotice,
    });
    this.room = room;
    this.parts(room);
    if (role === "tutor") {
      const guide = new TutorGuide(room);
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
        results.update(state, doc, room.editors.version(doc));
        output.update(state.runs[doc] ?? null);
      },
      (state) => this.markErrors(state, room),
      showClosing,
    );
  }

  /** The task's document comes to the front whenever another task is opened. */
  private followTask(): void {
    const room = this.room;
    const state = room?.model.state;
    if (!room || !state) return;
    const doc = state.doc ?? "scratch";
    if (doc !== this.followed || room.editors.current === "") {
      this.followed = doc;
      room.editors.show(doc);
    }
    room.model.changed();
  }

  private show(doc: string): void {
    this.room?.editors.show(doc);
    this.room?.model.changed();
  }

  private policy(state: RoomState, room: LiveRoom): void {
    const { role } = this.boot;
    const isLocked = state.locked && role === "candidate";
    room.editors.setReadOnly(role === "observer" || isLocked || state.ended);
    const note = byId("editor-note");
    setText(note, state.ended ? t("Read only: the interview has ended.") : lockText(state, role));
    note.hidden = note.textContent === "";
  }

  /** Mark the lines that the latest run of each document stumbled on. */
  private markErrors(state: RoomState, room: LiveRoom): void {
    const runs = Object.values(state.runs);
    const key = runs.map((run) => `${run.run} ${run.events.length}`).join();
    if (key === this.marked) return;
    this.marked = key;
    runs.forEach((run) => room.editors.markErrors(run.doc, errorLinesOf(run)));
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
    if (!event.line || texts.has(event.line)) continue;
    const what = event.kind === "test_judged" ? (event.name ?? event.test) : "";
    texts.set(event.line, [verdictText(event.verdict), what].filter(Boolean).join(" · "));
  }
  return [...texts].map(([line, text]) => ({ line, text }));
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
showConnection("connecting");
void new RoomPage(boot).start();
