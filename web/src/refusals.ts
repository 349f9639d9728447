/** What the server refused, in the page's language. */
import type { ErrorFrame } from "./frames";
import { t } from "./strings";

/** The words for an `error` frame: by its code, else as the server said it. */
export function refusalText(frame: ErrorFrame): string {
  return BY_CODE[frame.code]?.(frame) ?? t(frame.message);
}

/** Edits refused so were made on a text that is not the server's. */
export function isOutOfStep(code: string): boolean {
  return ["bad_changes", "wrong_length", "future_version", "unknown_document"].includes(code);
}

const BY_CODE: Readonly<Record<string, (frame: ErrorFrame) => string>> = {
  forbidden: () => t("Your role in this room does not include that."),
  ended: () => t("The interview has ended; nothing in it can be changed."),
  locked: () => t("The tutor has locked the editor for a moment."),
  client_taken: () => t("This tab is known to the server as somebody else's. Reload the page."),
  run_under_way: () => t("A program is running. Stop it first, or wait until it is done."),
  too_many_runs: (frame) => t("This room has started 30 runs within a minute. Try again in {n} s.", { n: secondsIn(frame) }),
  revoked: () => t("Your access to this room was ended. Ask whoever invited you for a new link."),
  no_tests: () => t("The scratch pad has no tests. Run it as a program instead."),
  not_running: () => t("That program has already ended."),
  too_much_input: () => t("This run has had too much input. Stop it and start again."),
  sandbox_unavailable: () => t("Running is switched off just now. Editing goes on."),
  not_saved: () => t("The server could not save that just now. Nothing was changed; try again."),
  document_too_long: () => t("The document would become too long. The last change was taken back."),
  split_surrogate: () => t("A character was cut in half. The last change was taken back."),
  clock_not_started: () => t("The clock has not been started yet."),
  clock_started: () => t("The clock is already running."),
  last_phase: () => t("This is the last phase. Extend it, or end the interview."),
  too_many_notes: () => t("This room has as many notes as it can keep."),
  room_full: () => t("This room is full."),
  internal: () => t("Something went wrong on the server. Nothing was changed; try again."),
};

/** The wait that the server's words name: its last number. */
function secondsIn(frame: ErrorFrame): string {
  return /(\d+)\D*$/.exec(frame.message)?.[1] ?? "60";
}
