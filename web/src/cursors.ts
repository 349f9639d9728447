/** The others' cursors and selections in an editor, with name and colour. */
import { StateEffect, StateField, Transaction, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";

export interface RemoteCursor {
  by: string;
  name: string;
  /** 0 to 7; a class of the page's own styles. */
  palette: number;
  anchor: number;
  head: number;
}

/** Show a cursor, in the place of an earlier one of the same participant. */
export const placeCursor = StateEffect.define<RemoteCursor>();
/** Take away the cursors of everybody but those with these ids. */
export const keepCursors = StateEffect.define<ReadonlySet<string>>();
/** Whose edit a transaction brings: their own cursor goes with what they write. */
export const writtenBy = StateEffect.define<string>();

const PALETTE_SIZE = 8;

interface Shown extends RemoteCursor {
  /** Counts moves: the name shows up anew with each. */
  move: number;
}

const cursorField = StateField.define<readonly Shown[]>({
  create: () => [],
  update(cursors, transaction) {
    let next = transaction.docChanged ? follow(cursors, transaction) : cursors;
    for (const effect of transaction.effects) {
      if (effect.is(placeCursor)) next = place(next, effect.value, transaction.newDoc.length);
      if (effect.is(keepCursors)) next = next.filter((cursor) => effect.value.has(cursor.by));
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field, (cursors) => decorations(cursors)),
});

/** The extension that keeps and draws them. */
export function remoteCursors(): Extension {
  return cursorField;
}

function place(cursors: readonly Shown[], cursor: RemoteCursor, length: number): readonly Shown[] {
  const before = cursors.find((one) => one.by === cursor.by);
  const anchor = Math.min(cursor.anchor, length);
  const head = Math.min(cursor.head, length);
  if (before?.anchor === anchor && before.head === head) return cursors;
  const shown = { ...cursor, anchor, head, move: (before?.move ?? 0) + 1 };
  return [...cursors.filter((one) => one.by !== cursor.by), shown];
}

function follow(cursors: readonly Shown[], transaction: Transaction): readonly Shown[] {
  const author = transaction.effects.find((effect) => effect.is(writtenBy))?.value as string | undefined;
  return cursors.map((cursor) => {
    const side = cursor.by === author ? 1 : -1;
    const anchor = transaction.changes.mapPos(cursor.anchor, side);
    const head = transaction.changes.mapPos(cursor.head, side);
    return { ...cursor, anchor, head };
  });
}

function decorations(cursors: readonly Shown[]): DecorationSet {
  return Decoration.set(cursors.flatMap(ranges), true);
}

function ranges(cursor: Shown): Range<Decoration>[] {
  const palette = `palette-${cursor.palette % PALETTE_SIZE}`;
  const from = Math.min(cursor.anchor, cursor.head);
  const to = Math.max(cursor.anchor, cursor.head);
  const caret = Decoration.widget({ widget: new Caret(cursor, palette), side: 1 }).range(cursor.head);
  if (from === to) return [caret];
  return [Decoration.mark({ class: `remote-selection ${palette}` }).range(from, to), caret];
}

class Caret extends WidgetType {
  constructor(
    private readonly cursor: Shown,
    private readonly palette: string,
  ) {
    super();
  }

  override eq(other: Caret): boolean {
    const { by, name, move } = this.cursor;
    return other.cursor.by === by && other.cursor.name === name && other.cursor.move === move;
  }

  toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = `remote-caret ${this.palette}`;
    caret.dataset["by"] = this.cursor.by;
    const label = document.createElement("span");
    label.className = "remote-name";
    label.textContent = this.cursor.name.split(/\s+/)[0] ?? "";
    caret.append(label);
    return caret;
  }

  override ignoreEvent(): boolean {
    return false;
  }
}
