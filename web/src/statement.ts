/** What the candidate is asked to do. */
import { byId, reachIfScrolling, setText } from "./dom";
import type { RoomState } from "./frames";
import { t } from "./strings";

let shown = "";

/** Show the statement of the problem that is open. */
export function showStatement(state: RoomState): void {
  const { statement } = state;
  const html = statement?.html ?? "";
  setText(byId("statement-title"), statement?.title ?? t("No task is open yet"));
  if (html === shown) return;
  shown = html;
  const body = byId("statement-body");
  // The server renders Markdown and lets only safe elements through; scripts are barred by policy too.
  body.innerHTML = html;
  reachIfScrolling(body.querySelectorAll<HTMLElement>("pre, table"));
  body.scrollTop = 0;
}
