/** Typing over a selection, done by the editor and not by the browser. */
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";

/**
 * The browser would carry the colour of the replaced text over in a style attribute, which the
 * page's policy forbids: an error in the console for each key. What others do with typed text, such
 * as putting brackets around it, is asked first, as for any typing.
 */
export function typeOver(): Extension {
  return EditorView.domEventHandlers({ beforeinput: replaceSelected });
}

function replaceSelected(event: InputEvent, view: EditorView): boolean {
  const { state } = view;
  const { data } = event;
  const isPlain = event.inputType === "insertText" && event.cancelable && !view.composing;
  if (!isPlain || !data || state.readOnly || state.selection.main.empty) return false;
  event.preventDefault();
  const typed = { userEvent: "input.type", scrollIntoView: true };
  const insert = () => state.update(state.replaceSelection(data), typed);
  const { from, to } = state.selection.main;
  const handlers = state.facet(EditorView.inputHandler);
  if (!handlers.some((handler) => handler(view, from, to, data, insert))) view.dispatch(insert());
  return true;
}
