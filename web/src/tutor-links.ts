/** Who can come in: ending a role's access, and making a new link for it. */
import { announce } from "./announce";
import { copyText } from "./copy";
import { byId, setText } from "./dom";
import type { Revokable, RoomState, TutorState } from "./frames";
import type { Boot, LiveRoom } from "./room";
import { showNotice } from "./status";
import { t, timeOfDay } from "./strings";

const ROLES: readonly Revokable[] = ["candidate", "observer"];

export class Links {
  private readonly dialog = byId<HTMLDialogElement>("revoke-dialog");
  private asked: Revokable = "candidate";

  constructor(
    private readonly room: LiveRoom,
    private readonly boot: Boot,
  ) {
    for (const role of ROLES) this.buttons(role);
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "revoke") this.revoke(this.asked);
      this.dialog.returnValue = "";
    });
  }

  update(state: RoomState, tutor: TutorState): void {
    for (const role of ROLES) {
      const here = state.participants.filter((one) => one.role === role && one.present).length;
      const ended = tutor.revoked[role];
      const since = ended === undefined ? "" : t("Access ended at {time}.", { time: timeOfDay(ended) });
      setText(part(role, "state"), `${here > 0 ? t("{n} here now.", { n: here }) : t("Nobody is here now.")} ${since}`.trim());
      part<HTMLButtonElement>(role, "make").disabled = state.ended;
    }
  }

  private buttons(role: Revokable): void {
    part(role, "make").addEventListener("click", () => void this.make(role));
    part(role, "revoke").addEventListener("click", () => this.ask(role));
    const copy = part<HTMLButtonElement>(role, "copy");
    copy.addEventListener("click", () => void copyText(copy, field(role).value));
    field(role).addEventListener("focus", () => field(role).select());
  }

  private ask(role: Revokable): void {
    this.asked = role;
    const titles = { candidate: t("End the candidate's access?"), observer: t("End the observers' access?") };
    setText(byId("revoke-title"), titles[role]);
    this.dialog.showModal();
  }

  private revoke(role: Revokable): void {
    const sent = this.room.send({ type: "revoke", role, ref: this.room.nextRef() });
    if (!sent) return showNotice(t("The server is not there just now. Try again once this page is connected."));
    // A link that was made before works no more, so it is not to be copied any more either.
    field(role).value = "";
    part(role, "new").hidden = true;
  }

  private async make(role: Revokable): Promise<void> {
    const make = part<HTMLButtonElement>(role, "make");
    make.disabled = true;
    const link = await this.newLink(role);
    make.disabled = false;
    if (link === null) return;
    field(role).value = link;
    part(role, "new").hidden = false;
    field(role).focus();
    announce(t("New link, shown this once"));
  }

  /** A fresh link; null where there is none to be had, which is told then. */
  private async newLink(role: Revokable): Promise<string | null> {
    const answer = await fetch(`/rooms/${encodeURIComponent(this.boot.room)}/links`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ role, csrf: this.boot.csrf }),
    }).catch(() => null);
    if (answer === null) {
      showNotice(t("The server is not there just now. Try again once this page is connected."));
      return null;
    }
    const told = (await answer.json()) as { link?: string; detail?: string };
    if (!answer.ok) showNotice(t(told.detail ?? ""));
    return told.link ?? null;
  }
}

function part<T extends HTMLElement = HTMLElement>(role: Revokable, name: string): T {
  const found = byId(`access-${role}`).querySelector<T>(`.access-${name}`);
  if (!found) throw new Error(`The page has no .access-${name} for ${role}`);
  return found;
}

function field(role: Revokable): HTMLInputElement {
  return byId<HTMLInputElement>(`access-${role}-link`);
}
