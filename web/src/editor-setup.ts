/** What every editor of the room can do; nothing in it knows of the server. */
import { closeBrackets, closeBracketsKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, type Extension } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  dropCursor,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  type Command,
} from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

import { remoteCursors } from "./cursors";
import { errorLines } from "./error-lines";
import { t } from "./strings";
import { typeOver } from "./type-over";

/** How long after Escape the Tab key leaves the editor instead of indenting. */
const LEAVE_MS = 10_000;

const escapeThenTab: Command = (view) => {
  // After the editor's own handling of Escape, which allows two seconds: too short for some.
  queueMicrotask(() => view.setTabFocusMode(LEAVE_MS));
  return false;
};

/** The extensions; `nonce` lets the editor add its styles under the page's policy. */
export function editorSetup(nonce: string): Extension {
  return [
    EditorView.cspNonce.of(nonce),
    lineNumbers(),
    highlightActiveLineGutter(),
    highlightSpecialChars(),
    history(),
    drawSelection(),
    dropCursor(),
    EditorState.allowMultipleSelections.of(true),
    EditorState.tabSize.of(4),
    indentUnit.of("    "),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    typeOver(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: true }),
    python(),
    syntaxHighlighting(classHighlighter),
    keymap.of([
      { key: "Escape", run: escapeThenTab },
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      indentWithTab,
    ]),
    EditorState.phrases.of(phrases()),
    remoteCursors(),
    errorLines(),
  ];
}

/** The attributes of an editor's text area. */
export function labelled(label: string): Extension {
  return EditorView.contentAttributes.of({
    "aria-label": label,
    "aria-describedby": "editor-keys",
    tabindex: "0",
    "data-gramm": "false",
    spellcheck: "false",
  });
}

function phrases(): Record<string, string> {
  return {
    Find: t("Find"),
    Replace: t("Replace"),
    next: t("next"),
    previous: t("previous"),
    all: t("all"),
    "match case": t("match case"),
    regexp: t("regexp"),
    "by word": t("by word"),
    replace: t("replace"),
    "replace all": t("replace all"),
    close: t("close"),
    "current match": t("current match"),
    "on line": t("on line"),
    "Go to line": t("Go to line"),
    go: t("go"),
    "replaced match on line $": t("replaced match on line $"),
    "replaced $ matches": t("replaced $ matches"),
    "Control character": t("Control character"),
    "Selection deleted": t("Selection deleted"),
  };
}
