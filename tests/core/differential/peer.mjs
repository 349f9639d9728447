// The browser's side of the differential tests: @codemirror/state, @codemirror/collab and our own
// web/src/sync.ts, driven by JSON lines on standard input: a list of
// requests a line, answered by a line for the last of them.
import { createInterface } from "node:readline";
import { ChangeSet, EditorState, Text } from "@codemirror/state";
import { collab, getSyncedVersion, rebaseUpdates, receiveUpdates, sendableUpdates } from "@codemirror/collab";
import { history, redo, undo } from "@codemirror/commands";
import * as sync from "../../../web/src/sync.ts";

const lines = (text) => Text.of(text.split("\n"));

/** An editor as the product has it: sync.ts. */
class SyncEditor {
  constructor(id, text, version) {
    const extensions = [sync.sync(id, version), history({ newGroupDelay: 0 })];
    this.state = EditorState.create({ doc: lines(text), extensions });
    this.frames = 0;
  }
  edit(spec) {
    this.state = this.state.update(spec).state;
  }
  send() {
    const next = sync.outgoing(this.state, this.frames);
    if (!next) return null;
    this.frames++;
    this.edit(next.sent);
    return next.frame;
  }
  resend() {
    return sync.resend(this.state);
  }
  receive(updates) {
    this.edit(sync.receive(this.state, updates));
  }
  refused(ref) {
    this.edit(sync.refused(this.state, ref));
  }
  get version() {
    return sync.syncedVersion(this.state);
  }
  get unsaved() {
    return sync.unsavedSteps(this.state);
  }
}

/** An editor with the stock collab plugin, sending its updates singly, taking others' singly. */
class CollabEditor {
  constructor(id, text, version) {
    const plugin = collab({ clientID: id, startVersion: version });
    this.state = EditorState.create({ doc: lines(text), extensions: [plugin, history({ newGroupDelay: 0 })] });
    this.id = id;
    this.frames = 0;
    this.inFlight = false;
  }
  edit(spec) {
    this.state = this.state.update(spec).state;
  }
  send() {
    if (this.inFlight || !this.unsaved) return null;
    this.inFlight = true;
    this.frames++;
    return this.resend();
  }
  resend() {
    if (!this.inFlight) return null;
    const [update] = sendableUpdates(this.state);
    return { ref: this.frames, version: this.version, changes: update.changes.toJSON() };
  }
  receive(updates) {
    for (const { version, changes, client } of updates) {
      if (version <= this.version) continue;
      if (client === this.id) this.inFlight = false;
      const update = { changes: ChangeSet.fromJSON(changes), clientID: client };
      this.state = receiveUpdates(this.state, [update]).state;
    }
  }
  get version() {
    return getSyncedVersion(this.state);
  }
  get unsaved() {
    return sendableUpdates(this.state).length;
  }
}

let editors = [];

/** Moves a position off the middle of a surrogate pair; sync.ts must do so by itself. */
function whole(editor, position) {
  if (editor instanceof SyncEditor) return position;
  const around = editor.state.sliceDoc(position - 1, position + 1);
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(around) ? position - 1 : position;
}

/** Edits whose places are fractions of the document, since the test does not know its length. */
function place(editor, { at, span, insert }) {
  const { length } = editor.state.doc;
  const from = whole(editor, Math.floor(at * (length + 1)));
  const to = whole(editor, Math.min(length, from + span));
  return { from, to: Math.max(from, to), insert };
}

function looks({ state, version, unsaved }) {
  return { text: state.doc.toString(), version, unsaved };
}

const answers = {
  open: ({ text, version, ids, stock }) => {
    editors = ids.map((id, i) => new (stock[i] ? CollabEditor : SyncEditor)(id, text, version));
    return null;
  },
  edit: ({ editor, changes }) => {
    const target = editors[editor];
    target.edit({ changes: changes.map((change) => place(target, change)) });
    return null;
  },
  write: ({ editor, changes }) => {
    editors[editor].edit({ changes });
    return null;
  },
  undo: ({ editor, again }) => {
    const target = editors[editor];
    (again ? redo : undo)({ state: target.state, dispatch: (transaction) => (target.state = transaction.state) });
    return null;
  },
  send: ({ editor }) => editors[editor].send(),
  resend: ({ editor }) => editors[editor].resend(),
  receive: ({ editor, updates }) => {
    editors[editor].receive(updates);
    return null;
  },
  refused: ({ editor, ref }) => {
    editors[editor].refused(ref);
    return null;
  },
  look: ({ editor }) => looks(editors[editor]),

  /** The library's own authority, taking the accepted edits one at a time. */
  rebase: ({ changes, over }) => {
    let updates = [{ changes: ChangeSet.fromJSON(changes), clientID: "late" }];
    for (const accepted of over) {
      updates = rebaseUpdates(updates, [{ changes: ChangeSet.fromJSON(accepted), clientID: "other" }]);
    }
    return updates[0].changes.toJSON();
  },
  /** The same, taking them all at once. */
  rebaseAtOnce: ({ changes, over }) => {
    const late = { changes: ChangeSet.fromJSON(changes), clientID: "late" };
    const accepted = over.map((json) => ({ changes: ChangeSet.fromJSON(json), clientID: "other" }));
    return rebaseUpdates([late], accepted)[0].changes.toJSON();
  },
  /** Every operation on two edits of one document and a third that follows the first. */
  operations: ({ text, raw, a, b, next }) => {
    const doc = lines(text);
    const [first, second, third] = [a, b, next].map((json) => ChangeSet.fromJSON(json));
    const places = Array.from({ length: doc.length + 1 }, (_, position) => position);
    return {
      applyRaw: ChangeSet.fromJSON(raw).apply(doc).toString(),
      apply: first.apply(doc).toString(),
      invert: first.invert(doc).toJSON(),
      compose: first.compose(third).toJSON(),
      map: first.map(second).toJSON(),
      mapBefore: first.map(second, true).toJSON(),
      mapPosition: [-1, 1].map((assoc) => places.map((position) => first.mapPos(position, assoc))),
    };
  },
  /** Change sets as they come out of the library's own operations, one after the other. */
  mapChain: ({ a, b }) => {
    const [first, second] = [a, b].map((json) => ChangeSet.fromJSON(json));
    const moved = second.map(first);
    const both = first.compose(moved);
    const later = first.map(second, true);
    return [moved, both, later, second.compose(later), both.map(second), first.map(both)].map((c) => c.toJSON());
  },
};

function answer(requests) {
  try {
    return { value: requests.map((request) => answers[request.ask](request)).at(-1) };
  } catch (error) {
    return { error: String(error.stack) };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
