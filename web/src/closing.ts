/** The end of an interview, as each role sees it. */
import { byId } from "./dom";
import type { RoomState } from "./frames";

let dismissed = false;

/** Let the closing words make way for the room, read-only. */
export function closingButton(): void {
  byId("see-code").addEventListener("click", () => {
    dismissed = true;
    byId("closing").hidden = true;
    byId("workspace").hidden = false;
    byId("closed-note").hidden = false;
  });
}

/** Show the closing words once the interview has ended; tutors stay in the read-only room. */
export function showClosing(state: RoomState): void {
  if (!state.ended || dismissed) return;
  const isTutor = state.tutor !== undefined;
  byId("closed-note").hidden = !isTutor;
  if (isTutor || !byId("closing").hidden) return;
  byId("closing").hidden = false;
  byId("workspace").hidden = true;
  byId("closing-title").focus();
}
