/** Who is here. */
import { byId, el, fillWith } from "./dom";
import type { Participant, Role, RoomState } from "./frames";
import { t } from "./strings";

const PALETTE_SIZE = 8;
let shown = "";

/** Show those who are here, and those who were. */
export function showParticipants(state: RoomState, you: string): void {
  const key = JSON.stringify([state.participants, you]);
  if (key === shown) return;
  shown = key;
  const seen = state.participants.filter((person) => person.present || (person.role !== "observer" && !person.shut_out));
  fillWith(byId("participants"), ...seen.map((person) => row(person, person.id === you)));
}

/** A role, for people. */
export function roleName(role: Role): string {
  const names: Record<Role, string> = {
    tutor: t("Interviewer"),
    candidate: t("Candidate"),
    observer: t("Observer"),
  };
  return names[role];
}

function row(person: Participant, isYou: boolean): HTMLElement {
  const presence = person.present ? t("here") : t("away");
  const role = isYou ? t("{role}, you", { role: roleName(person.role) }) : roleName(person.role);
  return el(
    "li",
    {
      class: `person palette-${person.palette % PALETTE_SIZE}`,
      "data-present": String(person.present),
      title: `${person.name} · ${role} · ${presence}`,
    },
    el("span", { class: "avatar", "aria-hidden": "true" }, initials(person.name)),
    el(
      "span",
      { class: "person-text" },
      el("span", { class: "person-name" }, person.name),
      el("span", { class: "person-role" }, person.present ? role : `${role} · ${presence}`),
    ),
  );
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return letters.map((word) => [...(word ?? "")][0] ?? "").join("").toUpperCase();
}
