/**
 * Keeps one editor in step with the server's copy of its document.
 *
 * The server orders all edits. What the editor shows is always
 *
 *     base (the server's text at `version`) + the edit in flight + the edits not sent yet
 *
 * At most one edit is in flight; what is typed meanwhile is composed into the next one. Edits of
 * others are taken in **one at a time**, each moved over the two own stretches while those are moved
 * over it. The server moves the edit in flight over the very same edits, one at a time and in the
 * same order, so that both sides always hold the same text. Composing several edits of others first
 * and moving over the whole would be quicker, but gives another result where one of them deletes
 * and the next writes at the same place; this is why `@codemirror/collab` is not used here.
 */
import {
  Annotation,
  ChangeSet,
  EditorState,
  StateField,
  Transaction,
  type ChangeSpec,
  type Extension,
  type Text,
  type TransactionSpec,
} from "@codemirror/state";

/** An own edit as an `edit` frame carries it; `doc` is the caller's to add. */
export interface EditFrame {
  ref: string | number;
  version: number;
  changes: unknown;
}

/** An accepted edit as an `edited` event carries it. */
export interface Edited {
  /** The version that this edit produced. */
  version: number;
  changes: unknown;
  client: string;
  ref: string | number | null;
}

/** Own changes that the server has not accepted yet, and how many editing steps they hold. */
interface Stretch {
  changes: ChangeSet;
  steps: number;
}

interface SyncState {
  client: string;
  version: number;
  base: Text;
  inFlight: (Stretch & { ref: string | number }) | null;
  unsent: Stretch | null;
}

/** Bytes of changes sent in one frame; the server closes on frames over 64 KiB. */
const FRAME_BYTES = 48 * 1024;
/** The most bytes that one UTF-16 code unit takes in JSON: a control character, as \u0001. */
const BYTES_PER_UNIT = 6;
/** Room for the numbers and brackets of one change. */
const BYTES_PER_CHANGE = 32;

const synced = Annotation.define<SyncState>();

const syncField = StateField.define<SyncState>({
  create: (state) => initial(state, "", 0),
  update(sync, transaction) {
    const replaced = transaction.annotation(synced);
    if (replaced) return replaced;
    if (!transaction.docChanged) return sync;
    return { ...sync, unsent: append(sync.unsent, transaction.changes) };
  },
});

/**
 * The extension for one document whose text is the server's at `version`.
 *
 * `client` stays the same over reconnects and no `ref` is used twice with it: by the two an own
 * edit is known again.
 */
export function sync(client: string, version: number): Extension {
  return [syncField.init((state) => initial(state, client, version)), wholeCharacters];
}

/** The version of the server's text that this editor has taken in. */
export function syncedVersion(state: EditorState): number {
  return state.field(syncField).version;
}

/** How many own editing steps the server has not accepted yet; 0 means saved. */
export function unsavedSteps(state: EditorState): number {
  const { inFlight, unsent } = state.field(syncField);
  return (inFlight?.steps ?? 0) + (unsent?.steps ?? 0);
}

/**
 * The next edit to send, labelled `ref`, or null while one is in flight or there is none.
 *
 * Dispatch `sent`, then send `frame`. What is too long for one frame `isPart`: the rest comes next.
 */
export function outgoing(
  state: EditorState,
  ref: string | number,
): { frame: EditFrame; sent: TransactionSpec; isPart: boolean } | null {
  const current = state.field(syncField);
  if (current.inFlight || !current.unsent) return null;
  const { changes, steps } = current.unsent;
  const [head, tail] = split(changes, FRAME_BYTES);
  const next: SyncState = {
    ...current,
    inFlight: { ref, changes: head, steps: tail ? 0 : steps },
    unsent: tail && { changes: tail, steps },
  };
  return {
    frame: { ref, version: current.version, changes: head.toJSON() },
    sent: { annotations: synced.of(next) },
    isPart: tail !== null,
  };
}

/**
 * The edit in flight as it must be sent again after a reconnect, or null.
 *
 * Only after the missed events were received: it may be among them. It keeps its `ref`, by which
 * the server knows it again should the first copy still arrive.
 */
export function resend(state: EditorState): EditFrame | null {
  const { version, inFlight } = state.field(syncField);
  return inFlight && { ref: inFlight.ref, version, changes: inFlight.changes.toJSON() };
}

/**
 * Take in accepted edits, in order, own ones among them; known ones are passed over.
 *
 * Throws a RangeError when one is missing: then the document must be opened anew.
 */
export function receive(state: EditorState, updates: readonly Edited[]): TransactionSpec {
  let current = state.field(syncField);
  let visible = ChangeSet.empty(state.doc.length);
  for (const update of updates) {
    if (update.version <= current.version) continue;
    const [next, shown] = step(current, update);
    current = next;
    if (shown) visible = visible.compose(shown);
  }
  return remote(visible, current);
}

/** Take the edit in flight back, for the server refused it and holds the text without it. */
export function refused(state: EditorState, ref: string | number): TransactionSpec {
  const current = state.field(syncField);
  const { base, inFlight } = current;
  if (!inFlight || inFlight.ref !== ref) return {};
  const [unsent, visible] = cross(current.unsent, inFlight.changes.invert(base));
  return remote(visible, { ...current, inFlight: null, unsent: unlessEmpty(unsent) });
}

function initial(state: EditorState, client: string, version: number): SyncState {
  return { client, version, base: state.doc, inFlight: null, unsent: null };
}

function append(unsent: Stretch | null, changes: ChangeSet): Stretch | null {
  if (!unsent) return { changes, steps: 1 };
  return unlessEmpty({ changes: unsent.changes.compose(changes), steps: unsent.steps + 1 });
}

/** What was typed and taken back again, or deleted by both sides, need not be sent. */
function unlessEmpty(unsent: Stretch | null): Stretch | null {
  return unsent?.changes.empty ? null : unsent;
}

/** The state after one accepted edit, and what it changes on the screen (null for an own one). */
function step(current: SyncState, update: Edited): [SyncState, ChangeSet | null] {
  const version = current.version + 1;
  if (update.version !== version) {
    throw new RangeError(`Found edit ${update.version}, wanted ${version}: open the document anew`);
  }
  const changes = ChangeSet.fromJSON(update.changes);
  const base = changes.apply(current.base);
  const { inFlight, client } = current;
  if (inFlight && update.client === client && update.ref === inFlight.ref) {
    return [{ ...current, version, base, inFlight: null }, null];
  }
  const [movedInFlight, afterInFlight] = cross(inFlight, changes);
  const [unsent, shown] = cross(current.unsent, afterInFlight);
  return [{ ...current, version, base, inFlight: movedInFlight, unsent: unlessEmpty(unsent) }, shown];
}

/** Move an own stretch over `theirs`, which comes first, and `theirs` over the stretch. */
function cross<S extends Stretch>(own: S | null, theirs: ChangeSet): [S | null, ChangeSet] {
  if (!own) return [null, theirs];
  return [{ ...own, changes: own.changes.map(theirs) }, theirs.map(own.changes, true)];
}

function remote(changes: ChangeSet, next: SyncState): TransactionSpec {
  const marks = [Transaction.addToHistory.of(false), Transaction.remote.of(true)];
  return {
    ...(changes.empty ? {} : { changes }),
    annotations: [...marks, synced.of(next)],
    filter: false,
  };
}

interface Replacement {
  from: number;
  to: number;
  insert: Text;
}

/** Cut changes in two that follow each other, the first small enough to send. */
function split(changes: ChangeSet, maxBytes: number): [ChangeSet, ChangeSet | null] {
  const head: Replacement[] = [];
  const tail: Replacement[] = [];
  let room = maxBytes;
  let growth = 0; // of the text, through the head
  changes.iterChanges((from, to, _fromB, _toB, insert) => {
    const fits = tail.length > 0 ? -1 : fittingLength(insert, room);
    if (fits < 0) {
      tail.push({ from: from + growth, to: to + growth, insert });
      return;
    }
    head.push({ from, to, insert: insert.slice(0, fits) });
    growth += fits - (to - from);
    room -= bytesOf(insert.slice(0, fits)) + BYTES_PER_CHANGE;
    if (fits < insert.length) {
      tail.push({ from: to + growth, to: to + growth, insert: insert.slice(fits) });
    }
  }, true);
  if (tail.length === 0) return [changes, null];
  return [
    ChangeSet.of(head, changes.length),
    ChangeSet.of(tail, changes.length + growth),
  ];
}

/** How much of `text` fits into `room` bytes; -1 where not even its change does. */
function fittingLength(text: Text, room: number): number {
  const left = room - BYTES_PER_CHANGE;
  if (bytesOf(text) <= left) return text.length;
  const length = Math.floor(left / BYTES_PER_UNIT);
  if (length < 2) return -1;
  return splitsCharacter(text, length) ? length - 1 : length;
}

function bytesOf(text: Text): number {
  return new TextEncoder().encode(JSON.stringify(text.toJSON())).length;
}

/**
 * Widens local edits that begin or end between the halves of a surrogate pair.
 *
 * The view finds what was typed by comparing code units, so that one emoji written over another
 * may arrive as a change of its second half only, which the server refuses. The text stays the
 * same but for halves that stand alone, which become U+FFFD.
 */
const wholeCharacters = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged || !cutsCharacters(transaction)) return transaction;
  const before = transaction.startState.doc;
  const after = transaction.newDoc;
  const widened: { from: number; to: number; insert: string }[] = [];
  transaction.changes.iterChanges((from, to, newFrom, newTo) => {
    const early = splitsCharacter(before, from) ? 1 : 0;
    const late = splitsCharacter(before, to) ? 1 : 0;
    const insert = after.sliceString(newFrom - early, newTo + late);
    widened.push({ from: from - early, to: to + late, insert: insert.replace(HALVES, "\ufffd") });
  });
  return withChanges(transaction, widened);
});

/** Halves of surrogate pairs that stand alone. */
const HALVES = /\p{Surrogate}/gu;

function cutsCharacters({ startState, changes }: Transaction): boolean {
  let cuts = false;
  changes.iterChanges((from, to, _newFrom, _newTo, inserted) => {
    cuts ||= splitsCharacter(startState.doc, from) || splitsCharacter(startState.doc, to);
    cuts ||= inserted.toString().search(HALVES) >= 0;
  }, true);
  return cuts;
}

/** The same transaction as far as it can be made anew; the changes must be of one piece. */
function withChanges(transaction: Transaction, changes: ChangeSpec): TransactionSpec {
  const event = transaction.annotation(Transaction.userEvent);
  return {
    changes,
    ...(event ? { userEvent: event } : {}),
    selection: transaction.newSelection,
    effects: transaction.effects,
    scrollIntoView: transaction.scrollIntoView,
  };
}

function splitsCharacter(text: Text, position: number): boolean {
  if (position === 0 || position >= text.length) return false;
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.sliceString(position - 1, position + 1));
}
