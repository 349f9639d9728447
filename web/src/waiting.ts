/** A run's place in the line for a sandbox, in words. */
import { announce } from "./announce";
import { el, icon } from "./dom";
import type { RunState } from "./frames";
import { ordinal, t } from "./strings";

/** What stands in place of "running" while the run waits; `you` is the reader's id. */
export function waitingChip(run: RunState, you: string): HTMLElement {
  const place = el("span", { class: "waiting-place" }, `· ${placeText(run, you)}`);
  const label = el("span", {}, t("Waiting for a sandbox"), " ", place);
  return el("span", { class: "verdict waiting" }, icon("wait"), label);
}

function placeText(run: RunState, you: string): string {
  if (run.place === 1 && run.by === you) return t("you are next");
  return t("{nth} in line", { nth: ordinal(run.place) });
}

/** Reads out that a run waits, and that it is next; not each place on the way. */
export class WaitingTold {
  private readonly told = new Set<string>();

  /** `aloud` is false for what the page was opened on. */
  update(run: RunState | null, you: string, aloud: boolean): void {
    if (!run || run.place === 0) return;
    const next = `${run.run} next`;
    const key = run.place === 1 ? next : run.run;
    const isNews = !this.told.has(key) && !this.told.has(next);
    this.told.add(key);
    if (aloud && isNews) announce(`${t("Waiting for a sandbox")}, ${placeText(run, you)}`);
  }
}
