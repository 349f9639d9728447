/** Marks the lines on which tests failed, until the next run. */
import { StateEffect, StateField, type EditorState, type Extension, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, type DecorationSet } from "@codemirror/view";

export interface ErrorLine {
  /** From 1. */
  line: number;
  text: string;
}

/** Mark these lines and no others. */
export const markErrorLines = StateEffect.define<readonly ErrorLine[]>();

const errorField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(markErrorLines)) next = decorations(transaction.state, effect.value);
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

export function errorLines(): Extension {
  return errorField;
}

function decorations(state: EditorState, lines: readonly ErrorLine[]): DecorationSet {
  const known = lines.filter(({ line }) => line >= 1 && line <= state.doc.lines);
  return Decoration.set(known.flatMap((mark) => ranges(state, mark)), true);
}

function ranges(state: EditorState, { line, text }: ErrorLine): Range<Decoration>[] {
  const { from, to } = state.doc.line(line);
  return [
    Decoration.line({ class: "error-line" }).range(from),
    Decoration.widget({ widget: new Note(text), side: 2 }).range(to),
  ];
}

class Note extends WidgetType {
  constructor(private readonly text: string) {
    super();
  }

  override eq(other: Note): boolean {
    return other.text === this.text;
  }

  toDOM(): HTMLElement {
    const note = document.createElement("span");
    note.className = "error-note";
    // Drawn by the styles, so that it is no part of the text of the code.
    note.dataset["text"] = `▲ ${this.text}`;
    return note;
  }
}
