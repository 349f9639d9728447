/** What an editor holds beyond the server's text: for storing it, and for placing others' cursors. */
import { ChangeSet, type EditorState, type Extension, EditorState as State } from "@codemirror/state";

import { outgoing, receive, refused, resend, sync, syncedVersion, unsavedSteps, type Edited } from "./sync";

/** Own changes that the server has not confirmed, and the text and version that they start from. */
export interface Pending {
  version: number;
  base: string;
  /** The change set under way, which may have arrived. */
  inFlight: { ref: string | number; changes: unknown } | null;
  /** What was typed after it. */
  unsent: unknown[];
}

/** What `state` of this page's `client` has pending; null where all of it is saved. */
export function pendingOf(state: EditorState, client: string): Pending | null {
  if (unsavedSteps(state) === 0) return null;
  const inFlight = resend(state);
  return {
    version: syncedVersion(state),
    base: baseText(state),
    inFlight: inFlight && { ref: inFlight.ref, changes: inFlight.changes },
    unsent: unsentChanges(state, client),
  };
}

/** At the end of the label of an edit that holds the first part only of what there was to send. */
export const PART = "+";

/**
 * How much of `pending` was sent after it was stored, by the edits that came since.
 *
 * An edit that is sent takes along all there is, and the next one waits for it to come back. So an
 * edit of this client's other than the one in flight holds whatever was unsent, and comes after it.
 */
export function wasSent(pending: Pending, missed: readonly Edited[], client: string): "no" | "all" | "in part" {
  const later = missed.filter((edit) => edit.client === client && edit.ref !== pending.inFlight?.ref);
  const last = later.at(-1);
  if (!last) return "no";
  return String(last.ref).endsWith(PART) ? "in part" : "all";
}

/** What is left of `pending` of `client` after `missed`, as changes that another client may send. */
export function handedOn(pending: Pending, missed: readonly Edited[], client: string): Pending | null {
  const state = restored(pending, client, []);
  const left = pendingOf(state.update(receive(state, missed)).state, client);
  if (!left?.inFlight) return left;
  return { ...left, inFlight: null, unsent: [left.inFlight.changes, ...left.unsent] };
}

/** An editor's state with `pending` in it as it was when it was stored. */
export function restored(pending: Pending, client: string, extensions: Extension): EditorState {
  const own = sync(client, pending.version);
  let state = State.create({ doc: pending.base, extensions: [own, extensions] });
  if (pending.inFlight) {
    state = state.update({ changes: ChangeSet.fromJSON(pending.inFlight.changes) }).state;
    const sent = outgoing(state, pending.inFlight.ref)?.sent;
    if (sent) state = state.update(sent).state;
  }
  for (const changes of pending.unsent) {
    state = state.update({ changes: ChangeSet.fromJSON(changes) }).state;
  }
  return state;
}

/** Where a position of the server's text at this editor's version stands on the screen. */
export function onScreen(state: EditorState, client: string, position: number): number {
  const inFlight = resend(state);
  const own = [...(inFlight ? [inFlight.changes] : []), ...unsentChanges(state, client)];
  const moved = own.reduce<number>((at, changes) => {
    const set = ChangeSet.fromJSON(changes);
    return set.mapPos(Math.min(at, set.length), 1);
  }, position);
  return Math.min(moved, state.doc.length);
}

/** The server's text: what is left once all own changes are taken back. */
function baseText(state: EditorState): string {
  let current = state;
  const inFlight = resend(current);
  if (inFlight) current = current.update(refused(current, inFlight.ref)).state;
  for (;;) {
    const next = outgoing(current, TRIAL);
    if (!next) return current.doc.toString();
    const sent = current.update(next.sent).state;
    current = sent.update(refused(sent, TRIAL)).state;
  }
}

/** The changes behind the one in flight, each made on the result of the one before. */
function unsentChanges(state: EditorState, client: string): unknown[] {
  const found: unknown[] = [];
  let current = state;
  for (;;) {
    const inFlight = resend(current);
    if (inFlight) {
      const accepted = { ...inFlight, version: inFlight.version + 1, client };
      current = current.update(receive(current, [accepted])).state;
    }
    const next = outgoing(current, TRIAL);
    if (!next) return found;
    found.push(next.frame.changes);
    current = current.update(next.sent).state;
  }
}

/** The label of edits that are only tried on a state that is thrown away. */
const TRIAL = "trial";
