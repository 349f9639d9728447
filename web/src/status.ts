/** The state of the connection, and whether what was typed is saved. */
import type { Status } from "./connection";
import { button, byId, el, fillWith, icon, setText } from "./dom";
import { t } from "./strings";

/** How long a notice stays. */
const NOTICE_MS = 8_000;
let noticeTimer: number | undefined;

/** Show the connection's state in the head, and a banner while it is away. */
export function showConnection(status: Status): void {
  const chip = byId("connection");
  chip.dataset["state"] = status;
  const words: Record<Status, string> = {
    connecting: t("Connecting…"),
    live: t("Connected"),
    away: t("Reconnecting…"),
    closed: t("Disconnected"),
  };
  fillWith(chip, icon(status === "live" ? "link" : "unlink"), el("span", {}, words[status]));
  const banner = byId("banner");
  setText(banner, bannerText(status));
  banner.hidden = banner.textContent === "";
}

function bannerText(status: Status): string {
  if (status === "away") {
    return t("The connection is away. Keep typing: everything is kept in this browser and sent as soon as it is back.");
  }
  if (status === "closed") {
    return t("You are no longer connected to this room. Open your invitation link again to come back.");
  }
  return "";
}

/** Show how much of what was typed here is not on the server's disk yet. */
export function showSaved(unsaved: number, cannotSave: boolean): void {
  const chip = byId("saved");
  const state = unsaved === 0 ? "saved" : cannotSave ? "failing" : "unsaved";
  const text = savedText(unsaved, cannotSave);
  if (chip.dataset["state"] === state && chip.textContent === text) return;
  chip.dataset["state"] = state;
  fillWith(chip, icon(state === "saved" ? "pass" : "dot"), el("span", {}, text));
}

function savedText(unsaved: number, cannotSave: boolean): string {
  if (unsaved === 0) return t("Saved");
  if (cannotSave) return t("Not saved: the server can't write just now");
  return unsaved === 1 ? t("1 unsaved change") : t("{n} unsaved changes", { n: unsaved });
}

/** Say something in passing; with something to do about it, it stays until another document is shown. */
export function showNotice(text: string, action?: { label: string; onClick(): void }): void {
  const notice = byId("notice");
  clearTimeout(noticeTimer);
  const act = action && button(action.label, { class: "button small" }, () => action.onClick());
  fillWith(notice, el("span", {}, text), act);
  notice.hidden = false;
  if (!action) noticeTimer = window.setTimeout(hideNotice, NOTICE_MS);
}

export function hideNotice(): void {
  byId("notice").hidden = true;
  fillWith(byId("notice"));
}
