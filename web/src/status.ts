/** The state of the connection, and whether what was typed is saved. */
import { announce } from "./announce";
import type { End, Status } from "./connection";
import { button, byId, el, fillWith, icon, setText } from "./dom";
import type { Role } from "./frames";
import { t } from "./strings";

/** How long a notice stays. */
const NOTICE_MS = 8_000;
/** A connection that is back sooner than this needs no banner: the page does not jump for it. */
const BANNER_AFTER_MS = 300;
let noticeTimer: number | undefined;

/** All that decides what the head and the banner say. */
export interface Condition {
  role: Role;
  status: Status;
  end: End | null;
  /** The room was shown at least once. */
  isOpen: boolean;
  /** Own changes that are not on the server's disk, as far as this page knows. */
  unsaved: number;
  canSave: boolean;
}

type Tone = "warn" | "grave" | "calm";

/** Shows the condition in the head, and in a banner what people should know of it. */
export class StatusView {
  private now: Condition;
  private timer: number | undefined;
  /** What was said in the banner, until it is over and the end was told. */
  private worry: "connection" | "saving" | null = null;

  constructor(role: Role) {
    this.now = { role, status: "connecting", end: null, isOpen: false, unsaved: 0, canSave: true };
    this.update(this.now);
  }

  update(now: Condition): void {
    const before = this.now;
    this.now = now;
    showConnection(now);
    showSaved(now);
    if (now.status === "away" && before.status !== "away") {
      this.timer = window.setTimeout(() => this.showBanner(), BANNER_AFTER_MS);
    } else if (now.status !== "away" || this.timer === undefined) {
      this.showBanner();
    }
  }

  private showBanner(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const banner = byId("banner");
    const [text, tone] = bannerOf(this.now);
    banner.dataset["tone"] = tone;
    if (text && text !== banner.textContent) announce(text);
    setText(banner, text);
    banner.hidden = text === "";
    this.tellEnd();
  }

  /** Once all is well again, those who listen are told so, one time. */
  private tellEnd(): void {
    const { status, canSave, unsaved } = this.now;
    if (status === "away") this.worry = "connection";
    else if (status === "live" && !canSave) this.worry = "saving";
    else if (status === "live" && unsaved === 0 && this.worry) {
      announce(this.worry === "connection" ? t("Connected again. Everything is saved.") : t("Everything is saved again."));
      this.worry = null;
    }
  }
}

function showConnection({ status, end }: Condition): void {
  const chip = byId("connection");
  const text = status === "closed" ? endWord(end) : statusWord(status);
  if (chip.dataset["state"] === status && chip.textContent === text) return;
  chip.dataset["state"] = status;
  if (end) chip.dataset["end"] = end;
  fillWith(chip, icon(status === "live" ? "link" : "unlink"), el("span", {}, text));
}

function statusWord(status: Exclude<Status, "closed">): string {
  if (status === "connecting") return t("Connecting…");
  return status === "live" ? t("Connected") : t("Reconnecting…");
}

function endWord(end: End | null): string {
  if (end === "revoked") return t("Access withdrawn");
  if (end === "erased") return t("Erased");
  return end === "ended" ? t("Interview over") : t("Disconnected");
}

/** Words, and how much they weigh. */
function bannerOf({ role, status, end, isOpen, canSave }: Condition): [string, Tone] {
  if (status === "away") return [awayText(role), "warn"];
  if (status === "closed") return endText(end, isOpen);
  if (canSave) return ["", "calm"];
  return [
    role === "observer"
      ? t("Not saved: the server can't write just now. What the others type is kept on their pages.")
      : t("Not saved: the server can't write just now. Keep this page open: what you type is kept here."),
    "grave",
  ];
}

function awayText(role: Role): string {
  if (role === "observer") return t("The connection is away. This page catches up by itself as soon as it is back.");
  return t("The connection is away. Keep typing: everything is kept in this browser and sent as soon as it is back.");
}

function endText(end: End | null, isOpen: boolean): [string, Tone] {
  switch (end) {
    case "revoked":
      return [t("Your access to this room was withdrawn. Nothing is sent from here any more; you can still copy what you see. If this was a mistake, ask whoever sent you the link for a new one."), "grave"];
    case "erased":
      return [t("This interview was erased, with everything in it. There is nothing left to come back to: you may close this page."), "grave"];
    case "ended":
      return [isOpen ? "" : t("The interview has ended. You may close this page."), "calm"];
    default:
      return [t("You are no longer connected to this room. Open your invitation link again to come back."), "warn"];
  }
}

/** Show how much of what was typed here is not on the server's disk yet. */
function showSaved(now: Condition): void {
  const chip = byId("saved");
  const [state, text] = savedWords(now);
  if (chip.dataset["state"] === state && chip.textContent === text) return;
  chip.dataset["state"] = state;
  fillWith(chip, icon(SAVED_ICONS[state]), el("span", {}, text));
}

type SavedState = "saved" | "unsaved" | "kept" | "failing";

const SAVED_ICONS: Readonly<Record<SavedState, string>> = { saved: "pass", unsaved: "dot", kept: "dot", failing: "warn" };

function savedWords({ status, unsaved, canSave }: Condition): [SavedState, string] {
  if (status === "closed" && unsaved > 0) {
    return ["failing", unsaved === 1 ? t("1 change not sent") : t("{n} changes not sent", { n: unsaved })];
  }
  if (status === "live" && !canSave) {
    if (unsaved === 0) return ["failing", t("Saving is interrupted")];
    return ["failing", unsaved === 1 ? t("1 change not saved") : t("{n} changes not saved", { n: unsaved })];
  }
  if (unsaved === 0) return ["saved", t("Saved")];
  if (status === "live") return ["unsaved", t("Saving…")];
  return ["kept", unsaved === 1 ? t("1 change kept here") : t("{n} changes kept here", { n: unsaved })];
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
