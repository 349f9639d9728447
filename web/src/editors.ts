/** The room's documents: one editor on the page, one state per document, each in step by itself. */
import { Compartment, EditorState, type StateEffect, type TransactionSpec } from "@codemirror/state";
import { EditorView, type ViewUpdate } from "@codemirror/view";

import { keepCursors, placeCursor, writtenBy } from "./cursors";
import { editorSetup, labelled } from "./editor-setup";
import { markErrorLines, type ErrorLine } from "./error-lines";
import type { ClientFrame, CursorFrame, EventFrame } from "./frames";
import { PART, onScreen, pendingOf, restored, type Pending } from "./pending";
import { t } from "./strings";
import {
  outgoing,
  receive,
  refused,
  resend,
  sync,
  syncedVersion,
  unsavedSteps,
  type Edited,
} from "./sync";

/** A cursor may move with every key; the others see it at most this often. */
const CURSOR_EVERY_MS = 50;
/** Somebody whose last key is no older than this is in the middle of a word. */
const TYPING_MS = 2_000;

export interface EditorHooks {
  nonce: string;
  /** Observers look on unseen: their cursor would only distract. */
  showsCursor: boolean;
  /** Send a frame; false where nobody is there to take it. */
  send(frame: ClientFrame): boolean;
  /** Something was typed, sent or confirmed. */
  onPendingChange(): void;
  /** The documents can't be brought in step by events any more. */
  onOutOfStep(): void;
}

export class Editors {
  /** The document on the page. */
  current = "";
  private client = "";
  private readonly states = new Map<string, EditorState>();
  private readonly view: EditorView;
  private readonly policy = new Compartment();
  private readOnly = true;
  private cursorTimer: number | undefined;
  private refs = 0;
  private lastKeyAt = 0;
  /** The documents that were on the page, each with a cursor of its own since then. */
  private readonly visited = new Set<string>();

  constructor(
    parent: HTMLElement,
    private readonly hooks: EditorHooks,
  ) {
    const placeholder = EditorState.create({ extensions: [editorSetup(hooks.nonce), READ_ONLY] });
    this.view = new EditorView({ parent, state: placeholder });
    const onKey = () => (this.lastKeyAt = Date.now());
    parent.addEventListener("keydown", onKey, { capture: true });
    parent.addEventListener("beforeinput", onKey, { capture: true });
    window.addEventListener("resize", () => this.view.requestMeasure());
  }

  /** Begin anew for `client`: no documents. */
  reset(client: string): void {
    this.client = client;
    this.states.clear();
    this.visited.clear();
    this.current = "";
  }

  /** A document as the server has it. */
  open(doc: string, text: string, version: number): void {
    if (this.stateOf(doc)) return;
    const extensions = [sync(this.client, version), this.extensions(doc)];
    this.states.set(doc, EditorState.create({ doc: text, extensions }));
  }

  /** A document with changes in it that were pending when the page went away, and what came since. */
  restore(doc: string, pending: Pending, missed: readonly Edited[]): void {
    const state = restored(pending, this.client, this.extensions(doc));
    this.states.set(doc, state.update(receive(state, missed)).state);
  }

  /** Put a document on the page. */
  show(doc: string): void {
    const next = this.states.get(doc);
    if (!next || doc === this.current) return;
    if (this.current) this.states.set(this.current, this.view.state);
    this.current = doc;
    this.view.setState(next);
    if (!this.visited.has(doc)) this.view.dispatch({ selection: { anchor: next.doc.length } });
    this.visited.add(doc);
    this.moveCursor();
  }

  /** Whether somebody is typing here just now: another document must not come under their keys. */
  isTyping(): boolean {
    return this.view.hasFocus && Date.now() - this.lastKeyAt < TYPING_MS;
  }

  focus(): void {
    this.view.focus();
  }

  /** Whether a document may be changed here. */
  setReadOnly(readOnly: boolean): void {
    if (readOnly === this.readOnly) return;
    this.readOnly = readOnly;
    const effects = this.policy.reconfigure(readOnly ? READ_ONLY : []);
    this.names().forEach((doc) => this.dispatch(doc, { effects }));
  }

  text(doc: string): string {
    return this.stateOf(doc)?.doc.toString() ?? "";
  }

  /** The server's version of a document that is taken in here. */
  version(doc: string): number {
    const state = this.stateOf(doc);
    return state ? syncedVersion(state) : 0;
  }

  /** How many own editing steps are not saved. */
  unsaved(): number {
    return this.names().reduce((sum, doc) => sum + this.unsavedIn(doc), 0);
  }

  unsavedIn(doc: string): number {
    const state = this.stateOf(doc);
    return state ? unsavedSteps(state) : 0;
  }

  /** What is not saved, by document. */
  pending(): Record<string, Pending> {
    const found: Record<string, Pending> = {};
    for (const doc of this.names()) {
      const state = this.stateOf(doc);
      const pending = state && pendingOf(state, this.client);
      if (pending) found[doc] = pending;
    }
    return found;
  }

  /** An edit that the server accepted, one's own among them. */
  receive(event: EventFrame & { kind: "edited" }): void {
    const state = this.stateOf(event.doc);
    if (!state) return;
    const spec = this.trying(() => receive(state, [event]));
    if (!spec) return;
    this.dispatch(event.doc, { ...spec, effects: writtenBy.of(event.by) });
    this.hooks.onPendingChange();
    this.flush(event.doc);
  }

  /** A live connection: send again what may not have arrived, and what was typed meanwhile. */
  resume(): void {
    for (const doc of this.names()) {
      const state = this.stateOf(doc);
      const again = state && resend(state);
      if (again) this.hooks.send({ type: "edit", doc, ...again });
      else this.flush(doc);
    }
    this.moveCursor();
  }

  /** Send an edit again that the server could not take, if it is still in flight. */
  sendAgain(ref: string | number): void {
    const doc = this.documentOf(ref);
    const state = doc === null ? undefined : this.stateOf(doc);
    const again = state && resend(state);
    if (doc !== null && again) this.hooks.send({ type: "edit", doc, ...again });
  }

  /** The document whose edit in flight has this label, if any. */
  documentOf(ref: string | number): string | null {
    const has = (doc: string) => {
      const state = this.stateOf(doc);
      return state ? resend(state)?.ref === ref : false;
    };
    return this.names().find(has) ?? null;
  }

  /** Take back an edit that the server refused. */
  refuse(doc: string, ref: string | number): void {
    const state = this.stateOf(doc);
    if (!state) return;
    this.dispatch(doc, refused(state, ref));
    this.hooks.onPendingChange();
    this.flush(doc);
  }

  placeCursor(frame: CursorFrame): void {
    for (const doc of this.names()) {
      const state = this.stateOf(doc);
      if (!state) continue;
      this.dispatch(doc, { effects: doc === frame.doc ? this.placed(state, frame) : this.without(frame.by) });
    }
  }

  /** Forget the cursors of those who have left. */
  keepCursors(present: ReadonlySet<string>): void {
    this.present = present;
    this.names().forEach((doc) => this.dispatch(doc, { effects: keepCursors.of(present) }));
  }

  markErrors(doc: string, lines: readonly ErrorLine[]): void {
    this.dispatch(doc, { effects: markErrorLines.of(lines) });
  }

  names(): string[] {
    return [...this.states.keys()];
  }

  private present: ReadonlySet<string> = new Set();

  private placed(state: EditorState, frame: CursorFrame): StateEffect<unknown> {
    const at = (position: number) => onScreen(state, this.client, position);
    return placeCursor.of({ ...frame, anchor: at(frame.anchor), head: at(frame.head) });
  }

  private without(by: string): StateEffect<unknown> {
    return keepCursors.of(new Set([...this.present].filter((id) => id !== by)));
  }

  private extensions(doc: string) {
    const label = doc === "scratch" ? t("Scratch pad") : t("Code");
    return [
      editorSetup(this.hooks.nonce),
      labelled(label),
      this.policy.of(this.readOnly ? READ_ONLY : []),
      EditorView.updateListener.of((update) => this.onUpdate(update)),
    ];
  }

  private onUpdate(update: ViewUpdate): void {
    if (update.docChanged) {
      const doc = this.current;
      queueMicrotask(() => {
        this.flush(doc);
        this.hooks.onPendingChange();
      });
    }
    if (update.selectionSet || update.docChanged || update.focusChanged) this.moveCursor();
  }

  private flush(doc: string): void {
    const state = this.stateOf(doc);
    if (!state) return;
    const ref = this.nextRef();
    const whole = outgoing(state, ref);
    const next = whole?.isPart ? outgoing(state, `${ref}${PART}`) : whole;
    if (!next || !this.hooks.send({ type: "edit", doc, ...next.frame })) return;
    this.dispatch(doc, next.sent);
  }

  /** Never used twice by a client, over page loads too: a client id outlives its page. */
  private nextRef(): string {
    this.refs += 1;
    return `${Date.now().toString(36)}-${this.refs}`;
  }

  private moveCursor(): void {
    this.cursorTimer ??= window.setTimeout(() => {
      this.cursorTimer = undefined;
      this.sendCursor();
    }, CURSOR_EVERY_MS);
  }

  /** Positions are the server's: while something is unsaved, the edits themselves move the cursor. */
  private sendCursor(): void {
    const state = this.stateOf(this.current);
    if (!this.hooks.showsCursor || !state || unsavedSteps(state) > 0) return;
    const { anchor, head } = state.selection.main;
    this.hooks.send({ type: "cursor", doc: this.current, version: syncedVersion(state), anchor, head });
  }

  private stateOf(doc: string): EditorState | undefined {
    return doc === this.current && doc !== "" ? this.view.state : this.states.get(doc);
  }

  private dispatch(doc: string, spec: TransactionSpec): void {
    if (doc === this.current) {
      this.view.dispatch(spec);
      return;
    }
    const state = this.states.get(doc);
    if (state) this.states.set(doc, state.update(spec).state);
  }

  private trying<T>(work: () => T): T | null {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.hooks.onOutOfStep();
      return null;
    }
  }
}

const READ_ONLY = [
  EditorState.readOnly.of(true),
  EditorView.contentAttributes.of({ "aria-readonly": "true" }),
];
