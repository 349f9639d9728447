/** The live room: connects what comes over the wire with the model and the editors. */
import { claimClient, forgetDraft, forgetRoom, keepDraft, newClient, type Draft, type Left } from "./drafts";
import { Connection, type Status } from "./connection";
import { Editors } from "./editors";
import { Flushed } from "./flushed";
import type { ClientFrame, EventFrame, ErrorFrame, Role, RoomState, ServerFrame, Welcome } from "./frames";
import { difference, missedEdits } from "./missed";
import { Model } from "./model";
import { handedOn, restored, wasSent, type Pending } from "./pending";
import { offerRecovered } from "./recovered";
import { isOutOfStep, refusalText } from "./refusals";
import type { Condition } from "./status";
import { t } from "./strings";

const KEEP_AFTER_MS = 50;
const TRY_AGAIN_MS = 1_000;

type Missed = Awaited<ReturnType<typeof missedEdits>>;

export interface Boot {
  room: string;
  role: Role;
  language: string;
  strings: Record<string, string>;
  nonce: string;
  /** What a tutor's page proves with that a request is its own; empty for others. */
  csrf: string;
}

export interface RoomHooks {
  /** The connection, or what is unsaved, changed. */
  onCondition(condition: Condition): void;
  /** Documents were opened; by whom, where it happened just now. */
  onDocuments(by: string | null): void;
  onRefusal(text: string): void;
}

export class LiveRoom {
  readonly model = new Model();
  readonly editors: Editors;
  readonly connection: Connection;
  private readonly url: string;
  /** What waits while missed edits are fetched; null while nothing does. */
  private held: ServerFrame[] | null = null;
  /** Why the next hello asks for the whole state, though one is known. */
  private anew: "no" | "by events" | "by text" = "no";
  private readonly refusedOnce = new Set<string | number>();
  private readonly flushed = new Flushed();
  /** What the server says of its writing, and what became of the last edit sent to it. */
  private saving = { server: true, edit: true };
  /** The edits that the server could not save yet. */
  private readonly toSendAgain = new Set<string | number>();
  /** The last of the missed events, while they come: what is in flight may be among them. */
  private missingUpTo: number | null = null;
  /** Counts the states that the server sent: only the latest is opened. */
  private states = 0;
  private keeping: number | undefined;
  private refs = 0;

  private constructor(
    private readonly boot: Boot,
    private client: string,
    /** What an earlier page left, until it is put back. */
    private left: Left | null,
    parent: HTMLElement,
    private readonly hooks: RoomHooks,
  ) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.url = `${scheme}//${location.host}/rooms/${encodeURIComponent(boot.room)}/ws`;
    this.editors = new Editors(parent, {
      nonce: boot.nonce,
      showsCursor: boot.role !== "observer",
      send: (frame) => this.held === null && this.missingUpTo === null && this.connection.send(frame),
      onPendingChange: () => this.pendingChanged(),
      onOutOfStep: () => this.openAnew("by events"),
    });
    this.connection = new Connection(this.url, {
      hello: () => ({ after: this.anew === "no" ? this.model.seq : 0, client: this.client }),
      onFrame: (frame) => this.take(frame),
      onStatus: (status) => this.statusChanged(status),
    });
    window.addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => this.keep());
  }

  /** Join the room with a client id of this page's own, and with what an earlier page left. */
  static async join(boot: Boot, parent: HTMLElement, hooks: RoomHooks): Promise<LiveRoom> {
    const { client, left } = await claimClient(boot.room, boot.role);
    return new LiveRoom(boot, client, left, parent, hooks);
  }

  /** Send a command; false where the connection is away, which whoever gave it is told. */
  send(frame: ClientFrame): boolean {
    if (this.connection.send(frame)) return true;
    const isOver = this.connection.status === "closed";
    this.hooks.onRefusal(isOver ? t("This page is disconnected: nothing was sent.") : t("Nothing was sent: the connection is away. Please try again when it is back."));
    return false;
  }

  /** A label for a command. */
  nextRef(): string {
    this.refs += 1;
    return `c${this.refs}`;
  }

  /** The server's time, ms since the epoch. */
  now(): number {
    return Date.now() + this.connection.serverAheadMs;
  }

  private take(frame: ServerFrame): void {
    if (frame.type === "welcome") void this.welcome(frame);
    else if (this.held) this.held.push(frame);
    else this.handle(frame);
    if (frame.type !== "welcome") this.resumeAfter(frame);
  }

  /** The missed events come right after the welcome, in one go: then what is still unsaved is sent. */
  private resumeAfter(frame: ServerFrame): void {
    if (this.missingUpTo === null || this.held) return;
    if (frame.type === "event" && frame.seq < this.missingUpTo) return;
    this.resume();
  }

  private resume(): void {
    this.missingUpTo = null;
    this.editors.resume();
    this.pendingChanged();
  }

  private handle(frame: Exclude<ServerFrame, Welcome> | ServerFrame): void {
    switch (frame.type) {
      case "event":
        this.event(frame);
        break;
      case "presence":
        this.model.presence(frame.participants);
        this.editors.keepCursors(
          new Set(frame.participants.filter((one) => one.present).map((one) => one.id)),
        );
        break;
      case "cursor":
        if (frame.by !== this.model.you?.id) this.editors.placeCursor(frame);
        break;
      case "sandbox":
        this.model.sandbox(frame.status);
        break;
      case "saved":
        this.flushed.saved(frame.seq);
        this.tell();
        break;
      case "saving":
        this.savingChanged(frame.ok);
        break;
      case "error":
        this.refusal(frame);
        break;
      default:
    }
  }

  private event(frame: EventFrame): void {
    this.model.apply(frame);
    if (frame.kind === "document_opened") {
      this.editors.open(frame.doc, frame.text, 0);
      this.hooks.onDocuments(null);
    }
    if (frame.kind === "problem_opened") this.hooks.onDocuments(frame.by);
    if (frame.kind === "edited") this.edited(frame);
    if (frame.kind === "journal_damaged") {
      this.hooks.onRefusal(t("The server could not read the latest part of this interview: {n} entries are missing. Please check that your code is as you left it.", { n: frame.lost }));
    }
  }

  private edited(frame: EventFrame & { kind: "edited" }): void {
    const before = this.editors.unsavedIn(frame.doc);
    this.editors.receive(frame);
    if (frame.client !== this.client) return;
    this.flushed.accepted(frame.seq, before - this.editors.unsavedIn(frame.doc));
    this.pendingChanged();
  }

  private async welcome(frame: Welcome): Promise<void> {
    this.saving = { server: frame.saving !== false, edit: true };
    this.toSendAgain.clear();
    this.missingUpTo = null;
    this.flushed.welcome(frame.saved);
    const left = frame.state ? this.unsaved(frame) : null;
    if (frame.state && frame.seq < this.model.seq) this.offerLost(frame.state.documents);
    this.model.welcome(frame);
    if (frame.state) {
      this.flushed.clear();
      if (left && left.draft.by !== frame.you.id) return this.startAsAnother(left, frame.you.id);
      if (!(await this.openDocuments(left))) return;
    }
    // A state that is still being opened comes first, and goes on from there.
    if (this.held) return;
    if (!frame.state && frame.seq > this.model.seq) this.missingUpTo = frame.seq;
    else this.resume();
    this.tell();
  }

  /** The server knows less than it had told: what it lost may only be on this page. */
  private offerLost(documents: RoomState["documents"]): void {
    for (const doc of this.editors.names()) {
      const text = this.editors.text(doc);
      if (text === documents[doc]?.text || this.editors.unsavedIn(doc) > 0) continue;
      offerRecovered(doc, text, t("The server lost its last moments. This is how it was here."));
    }
  }

  /** What was unsaved before this fresh start, on this page or on one before it. */
  private unsaved(frame: Welcome): Left | null {
    if (this.left) return this.left;
    const documents = this.editors.pending();
    if (Object.keys(documents).length === 0) return null;
    return { client: this.client, draft: this.draftOf(documents, frame.you.id) };
  }

  /** Every document as the server has it, and what was unsaved on top of it; false where another state came. */
  private async openDocuments(left: Left | null): Promise<boolean> {
    const number = (this.states += 1);
    this.held = [];
    const asks = left && this.anew !== "by text";
    const isLatest = () => number === this.states && this.connection.status !== "closed";
    const missed = asks ? await missedEdits(this.url, left.draft.seq, isLatest) : null;
    if (!isLatest()) return false;
    const unsaved = { ...left?.draft.documents, ...this.editors.pending() };
    const author = left?.client ?? this.client;
    this.anew = "no";
    this.left = null;
    this.editors.reset(this.client);
    const documents = this.model.state?.documents ?? {};
    for (const [doc, { text, version }] of Object.entries(documents)) {
      const pending = unsaved[doc];
      if (pending) this.restore(doc, pending, author, missed, { text, version });
      this.editors.open(doc, text, version);
    }
    this.hooks.onDocuments(null);
    this.held.forEach((frame) => this.handle(frame));
    this.held = null;
    this.keep();
    if (author !== this.client) forgetDraft(this.boot.room, author);
    return true;
  }

  private restore(
    doc: string,
    pending: Pending,
    author: string,
    missed: Missed,
    server: { text: string; version: number },
  ): void {
    const known = missed?.filter((edit) => edit.doc === doc);
    const sent = known ? wasSent(pending, known, author) : "no";
    if (sent === "in part") this.offer(doc, pending, t("Part of it may not have been sent. This is how it was."));
    if (sent !== "no") return;
    try {
      if (known && author !== this.client) {
        const left = handedOn(pending, known, author);
        if (left) this.editors.restore(doc, left, []);
      } else if (known) {
        this.editors.restore(doc, pending, known);
      } else {
        this.editors.restore(doc, { ...pending, version: server.version - 1 }, [
          { version: server.version, changes: difference(pending.base, server.text), client: "", ref: null },
        ]);
        if (pending.base !== server.text) this.offer(doc, pending, t("Much happened while you were away. Please check that your code is as you left it; this is how it was."));
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.offer(doc, pending, t("It no longer fits the document as it is now."));
    }
  }

  private offer(doc: string, pending: Pending, why: string): void {
    const text = restored(pending, this.client, []).doc.toString();
    offerRecovered(doc, text, why);
  }

  /** Whoever typed it joined again since, as after a crash: the client id that it has is not ours to use. */
  private async startAsAnother(left: Left, you: string): Promise<void> {
    this.left = { ...left, draft: { ...left.draft, by: you } };
    this.client = await newClient();
    this.openAnew("by events");
  }

  private refusal(frame: ErrorFrame): void {
    const ref = frame.ref ?? null;
    const doc = ref === null ? null : this.editors.documentOf(ref);
    if (frame.code === "already_applied") {
      this.settleLater(ref);
    } else if (doc === null || ref === null) {
      this.hooks.onRefusal(refusalText(frame));
    } else if (frame.code === "not_saved") {
      this.tryAgain(ref);
    } else if (isOutOfStep(frame.code) && !this.refusedOnce.has(ref)) {
      this.refusedOnce.add(ref);
      this.openAnew("by text");
    } else {
      this.takeBack(doc, ref, frame);
    }
  }

  /** The journal is away: the edit stays in flight, and is sent again until it is saved. */
  private tryAgain(ref: string | number): void {
    this.saving.edit = false;
    this.pendingChanged();
    this.toSendAgain.add(ref);
    window.setTimeout(() => this.sendAgain(), TRY_AGAIN_MS);
  }

  private sendAgain(): void {
    this.toSendAgain.forEach((ref) => this.editors.sendAgain(ref));
    this.toSendAgain.clear();
  }

  /** The server has this edit. Where its event does not come any more, the text here holds it already. */
  private settleLater(ref: string | number | null): void {
    window.setTimeout(() => {
      const doc = ref === null ? null : this.editors.documentOf(ref);
      if (doc !== null && ref !== null) this.editors.refuse(doc, ref);
    }, TRY_AGAIN_MS);
  }

  private savingChanged(ok: boolean): void {
    this.saving = { server: ok, edit: ok || this.saving.edit };
    if (ok) this.sendAgain();
    this.tell();
  }

  private statusChanged(status: Status): void {
    if (status === "closed") this.closed();
    this.tell();
  }

  /** The server wants nothing more from here. */
  private closed(): void {
    const { end } = this.connection;
    if (end === "erased") void forgetRoom(this.boot.room);
    if (end !== "ended") return;
    this.model.ended();
    for (const [doc, pending] of Object.entries(this.editors.pending())) {
      this.offer(doc, pending, t("The interview ended before all of it was sent. This is how it was."));
    }
  }

  private takeBack(doc: string, ref: string | number, frame: ErrorFrame): void {
    const before = this.editors.text(doc);
    this.editors.refuse(doc, ref);
    this.hooks.onRefusal(refusalText(frame));
    if (this.editors.text(doc) !== before) offerRecovered(doc, before, refusalText(frame));
  }

  /** Start again from the server's state; what is unsaved is put on top of it. */
  private openAnew(how: "by events" | "by text"): void {
    this.anew = how;
    this.connection.restart();
  }

  private pendingChanged(): void {
    this.tell();
    this.keeping ??= window.setTimeout(() => this.keep(), KEEP_AFTER_MS);
  }

  /** Say how the connection and the saving stand. */
  private tell(): void {
    const unsaved = this.editors.unsaved() + this.flushed.steps;
    if (unsaved === 0) this.saving.edit = true;
    this.hooks.onCondition({
      role: this.boot.role,
      status: this.connection.status,
      end: this.connection.end,
      isOpen: this.model.state !== null,
      unsaved,
      canSave: this.saving.server && this.saving.edit,
    });
  }

  private keep(): void {
    clearTimeout(this.keeping);
    this.keeping = undefined;
    if (this.connection.end === "erased") return;
    if (this.held || !this.model.you || this.left) return;
    const draft = this.draftOf(this.editors.pending(), this.model.you.id);
    keepDraft(this.boot.room, this.client, draft);
  }

  private draftOf(documents: Record<string, Pending>, by: string): Draft {
    return { role: this.boot.role, by, seq: this.model.seq, at: Date.now(), documents };
  }
}
