/** Verdicts in words and icons: never by colour alone. */
import { el, icon } from "./dom";
import type { Verdict } from "./frames";
import { t } from "./strings";

/** A verdict in words. */
export function verdictText(verdict: Verdict): string {
  const words: Record<Verdict, string> = {
    accepted: t("accepted"),
    wrong_answer: t("wrong answer"),
    time_limit: t("time limit"),
    memory_limit: t("memory limit"),
    output_limit: t("too much output"),
    runtime_error: t("runtime error"),
    judge_error: t("platform error"),
    stopped: t("stopped"),
  };
  return words[verdict] ?? verdict;
}

/** Which of the page's colours and icons a verdict has. */
export function verdictTone(verdict: Verdict): "pass" | "fail" | "warn" {
  if (verdict === "accepted") return "pass";
  return verdict === "stopped" || verdict === "judge_error" ? "warn" : "fail";
}

/** A verdict as a chip: icon and words; `label` in place of the words. */
export function verdictChip(verdict: Verdict, label?: string): HTMLElement {
  const tone = verdictTone(verdict);
  return el("span", { class: `verdict ${tone}`, "data-verdict": verdict }, icon(tone), label ?? verdictText(verdict));
}
