/** The tutor's guide: the clock's controls, problems, hints and talk questions, the editor's lock. */
import { button, byId, el, fillWith, icon, setText } from "./dom";
import type { GuideProblem, PhaseAction, RoomState, TutorState } from "./frames";
import type { Boot, LiveRoom } from "./room";
import { Links } from "./tutor-links";
import { Notes } from "./tutor-notes";
import { Scores } from "./tutor-scores";
import { t } from "./strings";
import { moveByKeys } from "./tabs";

const EXTENSION_MINUTES = 5;

export class TutorGuide {
  private shown = "";
  private readonly notes: Notes;
  private readonly scores: Scores;
  private readonly links: Links;
  private paused = false;
  private locked = false;

  constructor(private readonly room: LiveRoom, boot: Boot) {
    this.notes = new Notes(room);
    this.scores = new Scores(room);
    this.links = new Links(room, boot);
    this.clockButtons();
    byId("lock").addEventListener("click", () =>
      room.send({ type: "lock", locked: !this.locked, ref: room.nextRef() }),
    );
    this.endButton();
    guideTabs();
  }

  update(state: RoomState): void {
    const { tutor } = state;
    if (!tutor) return;
    this.controls(state);
    this.notes.update(state, tutor);
    this.scores.update(state, tutor);
    this.links.update(state, tutor);
    const key = JSON.stringify([tutor.problems, tutor.hints_opened, state.doc, state.ended]);
    if (key === this.shown) return;
    this.shown = key;
    fillWith(byId("problem-list"), ...tutor.problems.map((problem) => this.problem(problem, state)));
    const open = tutor.problems.find((problem) => problem.id === state.problem);
    fillWith(byId("hints"), ...this.hints(open, tutor, state.ended));
    fillWith(byId("talk"), ...talk(open));
  }

  private clockButtons(): void {
    const onClick = (id: string, action: () => PhaseAction) =>
      byId(id).addEventListener("click", () => this.phase(action()));
    onClick("clock-start", () => "start");
    onClick("clock-pause", () => (this.paused ? "resume" : "pause"));
    onClick("clock-next", () => "next");
    onClick("clock-extend", () => "extend");
  }

  private phase(action: PhaseAction): void {
    const minutes = action === "extend" ? { minutes: EXTENSION_MINUTES } : {};
    this.room.send({ type: "phase", action, ref: this.room.nextRef(), ...minutes });
  }

  private controls(state: RoomState): void {
    const { clock, interview, ended, locked } = state;
    const started = clock.phase !== null;
    this.paused = clock.paused;
    this.locked = locked;
    const phases = interview.phases.map((phase) => phase.name);
    const isLast = clock.phase === phases.at(-1);
    show("clock-start", !started && !ended);
    show("clock-pause", started && !ended);
    show("clock-next", started && !isLast && !ended);
    show("clock-extend", started && !ended);
    label("clock-pause", clock.paused ? "play" : "pause", clock.paused ? t("Resume") : t("Pause"));
    label("lock", locked ? "lock" : "unlock", locked ? t("Unlock editor") : t("Lock editor"));
    byId("lock").setAttribute("aria-pressed", String(locked));
    show("lock", !ended);
    show("end-interview", !ended);
    show("report-link", ended);
  }

  private endButton(): void {
    const dialog = byId<HTMLDialogElement>("end-dialog");
    byId("end-interview").addEventListener("click", () => dialog.showModal());
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "end") this.room.send({ type: "end", ref: this.room.nextRef() });
      dialog.returnValue = "";
    });
  }

  private problem(problem: GuideProblem, state: RoomState): HTMLElement {
    const parts = problem.parts.map((part) => {
      const isOpen = state.doc === `${problem.id}/${part.id}`;
      const choose = button(
        el("span", { class: "part-title" }, part.title),
        {
          class: "part",
          "data-problem": problem.id,
          "data-part": part.id,
          "aria-current": isOpen ? "true" : undefined,
          disabled: state.ended,
        },
        () => this.open(problem.id, part.id),
      );
      const mark = isOpen ? t("open now") : part.opened ? t("seen") : t("{n} min", { n: part.minutes });
      choose.append(el("span", { class: "part-mark" }, mark));
      return el("li", {}, choose);
    });
    return el("li", { class: "problem" }, el("ul", { class: "parts" }, ...parts));
  }

  private open(problem: string, part: string): void {
    this.room.send({ type: "open", problem, part, ref: this.room.nextRef() });
  }

  private hints(open: GuideProblem | undefined, tutor: TutorState, ended: boolean): HTMLElement[] {
    if (!open || open.hints.length === 0) return [nothing(t("No hints for this task."))];
    return open.hints.map((text, hint) => {
      const given = tutor.hints_opened.some((one) => one.problem === open.id && one.hint === hint);
      const give = button(given ? t("Given") : t("Mark as given"), { class: "button small", disabled: given || ended }, () =>
        this.room.send({ type: "hint", hint, ref: this.room.nextRef() }),
      );
      if (given) give.prepend(icon("pass"));
      return el("li", { class: "hint", "data-hint": String(hint) }, el("p", {}, text), give);
    });
  }
}

function talk(open: GuideProblem | undefined): HTMLElement[] {
  if (!open || open.talk.length === 0) return [nothing(t("No questions for this task."))];
  return open.talk.map(({ ask, listen_for }) => {
    const list = listen_for.map((point) => el("li", {}, point));
    const points = list.length > 0 && el("ul", { class: "listen-for", "aria-label": t("Listen for") }, ...list);
    return el("li", {}, el("p", { class: "ask" }, ask), points);
  });
}

function nothing(text: string): HTMLElement {
  return el("li", { class: "muted" }, text);
}

function show(id: string, visible: boolean): void {
  byId(id).hidden = !visible;
}

function label(id: string, iconName: string, text: string): void {
  const element = byId(id);
  if (element.textContent === text) return;
  fillWith(element, icon(iconName), el("span", {}, text));
}

/** The guide's sections, one at a time. */
function guideTabs(): void {
  const list = byId("guide-tabs");
  const tabs = [...list.querySelectorAll<HTMLElement>('[role="tab"]')];
  const choose = (chosen: HTMLElement) => {
    for (const tab of tabs) {
      const selected = tab === chosen;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      byId(tab.getAttribute("aria-controls") ?? "").hidden = !selected;
    }
  };
  tabs.forEach((tab) => tab.addEventListener("click", () => choose(tab)));
  moveByKeys(list);
}

/** Set the words of those controls that are drawn once. */
export function labelTutorControls(): void {
  setText(byId("clock-extend"), t("+{n} min", { n: EXTENSION_MINUTES }));
}
