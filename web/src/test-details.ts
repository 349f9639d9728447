/** One test in full: its input, what was expected, what came, and where the two part. */
import { el } from "./dom";
import type { TestJudged } from "./frames";
import { inert } from "./inert";
import { t } from "./strings";

/** A table row with what is known of a test. */
export function detailRows(test: TestJudged): HTMLTableRowElement {
  const failed = test.verdict !== "accepted";
  const [expected, got] = failed ? marked(test.expected ?? "", test.got ?? "") : [null, null];
  const list = el(
    "dl",
    {},
    ...entry(t("Input"), test.input ? shown(test.input) : null),
    ...entry(t("Expected"), test.expected ? (expected ?? shown(test.expected)) : null),
    ...entry(t("Got"), test.got ? (got ?? shown(test.got)) : null),
    ...entry(t("Reason"), test.detail ? shown(test.detail) : null),
  );
  const nothing = el("p", { class: "muted" }, t("There is no more to say about this test."));
  const body = list.children.length > 0 ? list : nothing;
  return el("tr", { class: "test-detail" }, el("td", { colspan: "3" }, body));
}

function entry(term: string, value: HTMLElement | null): HTMLElement[] {
  return value ? [el("dt", {}, term), el("dd", {}, value)] : [];
}

function shown(text: string): HTMLElement {
  return el("pre", {}, inert(text));
}

/** Both texts with what differs marked: all between their common beginning and end. */
function marked(expected: string, got: string): [HTMLElement, HTMLElement] {
  const [left, right] = [[...inert(expected)], [...inert(got)]];
  const shorter = Math.min(left.length, right.length);
  let start = 0;
  while (start < shorter && left[start] === right[start]) start += 1;
  let end = 0;
  while (end < shorter - start && left.at(-1 - end) === right.at(-1 - end)) end += 1;
  return [markedText(left, start, end), markedText(right, start, end)];
}

function markedText(characters: string[], start: number, end: number): HTMLElement {
  const until = characters.length - end;
  const middle = characters.slice(start, until).join("");
  return el(
    "pre",
    {},
    characters.slice(0, start).join(""),
    middle ? el("mark", {}, middle) : null,
    characters.slice(until).join(""),
  );
}
