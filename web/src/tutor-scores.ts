/** The rubric of the open problem: four levels for each criterion, with what each looks like. */
import { byId, el, fillWith } from "./dom";
import type { GuideProblem, RoomState, Score, TutorState } from "./frames";
import type { LiveRoom } from "./room";
import { t } from "./strings";

type Criterion = GuideProblem["rubric"][number];

const LEVELS = [1, 2, 3, 4];

export class Scores {
  private shown = "";

  constructor(private readonly room: LiveRoom) {}

  update(state: RoomState, tutor: TutorState): void {
    const open = tutor.problems.find((problem) => problem.id === state.problem);
    const scores = tutor.scores[open?.id ?? ""] ?? {};
    const key = JSON.stringify([open?.id, scores]);
    // Not while somebody writes a comment: their own score comes back as an event and redraws this.
    if (key === this.shown || byId("scores").contains(commentInUse())) return;
    this.shown = key;
    fillWith(byId("scores"), ...this.criteria(open, scores));
  }

  private criteria(
    open: GuideProblem | undefined,
    scores: Record<string, Score>,
  ): HTMLElement[] {
    if (!open || open.rubric.length === 0) {
      return [el("p", { class: "muted" }, t("This task has no rubric."))];
    }
    return open.rubric.map((criterion) => this.criterion(criterion, scores[criterion.id]));
  }

  private criterion(criterion: Criterion, score: Score | undefined): HTMLElement {
    const name = `score-${criterion.id}`;
    const comment = el("input", {
      type: "text",
      class: "score-comment",
      maxlength: "2000",
      value: score?.comment ?? "",
      placeholder: t("Why (optional)"),
      "aria-label": t("Comment on: {criterion}", { criterion: criterion.look_for }),
    });
    const levels = LEVELS.map((level) => {
      const input = el("input", {
        type: "radio",
        name,
        value: String(level),
        checked: score?.level === level,
        });
      input.addEventListener("change", () => this.send(criterion.id, level, comment.value));
      const meaning = criterion.scale[String(level)] ?? "";
      return el("label", { class: "level" }, input, el("span", { class: "level-number" }, String(level)), el("span", {}, meaning));
    });
    comment.addEventListener("change", () => {
      const chosen = score?.level ?? checkedLevel(name);
      if (chosen) this.send(criterion.id, chosen, comment.value);
    });
    return el("fieldset", { class: "criterion" }, el("legend", {}, criterion.look_for), ...levels, comment);
  }

  private send(criterion: string, level: number, comment: string): void {
    this.room.send({ type: "score", criterion, level, comment, ref: this.room.nextRef() });
  }
}

function checkedLevel(name: string): number | null {
  const chosen = document.querySelector<HTMLInputElement>(`input[name="${CSS.escape(name)}"]:checked`);
  return chosen ? Number(chosen.value) : null;
}

function commentInUse(): Element | null {
  const active = document.activeElement;
  return active?.classList.contains("score-comment") ? active : null;
}
