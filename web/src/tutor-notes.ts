/** The tutor's private notes. */
import { byId, el, fillWith } from "./dom";
import type { RoomState, TutorState } from "./frames";
import { nameOf } from "./model";
import type { LiveRoom } from "./room";
import { timeOfDay } from "./strings";

export class Notes {
  private readonly text = byId<HTMLTextAreaElement>("note-text");
  private shown = -1;

  constructor(private readonly room: LiveRoom) {
    const form = byId<HTMLFormElement>("note-form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.take();
    });
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      this.take();
    });
  }

  update(state: RoomState, tutor: TutorState): void {
    if (tutor.notes.length === this.shown) return;
    this.shown = tutor.notes.length;
    const rows = tutor.notes.map((note) =>
      el(
        "li",
        { class: "note" },
        el("p", {}, note.text),
        el("p", { class: "muted" }, `${timeOfDay(note.at)} · ${nameOf(state, note.by)}`),
      ),
    );
    fillWith(byId("notes"), ...rows.reverse());
  }

  private take(): void {
    const text = this.text.value.trim();
    if (text === "") return;
    if (this.room.send({ type: "note", text, ref: this.room.nextRef() })) this.text.value = "";
  }
}
