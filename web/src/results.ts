/** The latest run of a document in figures: a summary, a table of tests, counts of hidden ones. */
import { announce } from "./announce";
import { button, byId, el, fillWith, icon } from "./dom";
import type { GroupResult, RoomState, RunFinished, RunState, TestJudged } from "./frames";
import { nameOf } from "./model";
import { number, t, timeOfDay } from "./strings";
import { documentName } from "./tabs";
import { detailRows } from "./test-details";
import { verdictChip, verdictText } from "./verdicts";
import { WaitingTold, waitingChip } from "./waiting";

const MIB = 1024 * 1024;

export class ResultsView {
  private readonly root = byId("results");

  /** `goTo` puts another document on the page. */
  constructor(private readonly goTo: (doc: string) => void) {}

  private shown: string | null = null;
  private announced = new Set<string>();
  private readonly waiting = new WaitingTold();
  /** Tests whose details somebody opened or closed, and which of the two. */
  private opened = new Map<string, boolean>();
  private first = true;

  /** Show the latest run of `doc`; `version` is the document's, to tell whether it changed since. */
  update(state: RoomState, doc: string, version: number, you: string): void {
    const run = state.runs[doc] ?? null;
    const elsewhere = newerElsewhere(state, doc);
    const stale = run !== null && version > run.version;
    const key = JSON.stringify([doc, stamp(run), stamp(elsewhere), stale]);
    if (key === this.shown) return;
    this.shown = key;
    const isNews = elsewhere !== null && elsewhere.by !== you;
    fillWith(this.root, isNews && this.pointer(state, elsewhere));
    if (run) this.show(state, run, stale, you);
    else this.root.append(emptyText());
    this.waiting.update(elsewhere ?? run, you, !this.first);
    this.tell(elsewhere ?? run);
  }

  /** Somebody runs another document: say so, and offer the way there. */
  private pointer(state: RoomState, run: RunState): HTMLElement {
    const name = nameOf(state, run.by);
    const text = t("{name} ran “{doc}” more recently.", { name, doc: documentName(state, run.doc) });
    const go = button(t("Go there"), { class: "button small" }, () => this.goTo(run.doc));
    return el("p", { class: "elsewhere" }, text, go);
  }

  private show(state: RoomState, run: RunState, stale: boolean, you: string): void {
    const judged = run.events.filter((event) => event.kind === "test_judged");
    const finished = run.events.find((event) => event.kind === "run_finished") ?? null;
    const chip = finished ? endChip(run, finished) : underWayChip(run, judged, you);
    this.root.append(summary(state, run, finished, chip, stale));
    const parts =
      run.what === "program"
        ? [programDetail(judged)]
        : [judged.some(hasDetails) ? this.table(run, judged) : null, hiddenGroups(judged, finished)];
    // The counts go above a table that holds every hidden test, below one of a few examples.
    if (judged.some((test) => !test.visible && hasDetails(test))) parts.reverse();
    this.root.append(...parts.filter((part) => part !== null));
  }

  private table(run: RunState, judged: TestJudged[]): HTMLElement {
    const rows = judged.filter(hasDetails).sort((one, other) => rank(one) - rank(other));
    const firstFailed = rows.find((test) => test.verdict !== "accepted");
    const body = rows.map((test) => {
      const key = `${run.run} ${test.test}`;
      const open = this.opened.get(key) ?? test === firstFailed;
      return testRows(test, open, (now) => this.opened.set(key, now));
    });
    return el("table", { class: "tests" }, tableHead(), ...body);
  }

  /** Say how a run ended, once; not for those that had ended when the page was opened. */
  private tell(run: RunState | null): void {
    const finished = run?.events.find((event) => event.kind === "run_finished");
    const isNews = run && finished && !this.announced.has(run.run);
    if (run && finished) this.announced.add(run.run);
    if (isNews && !this.first) announce(headline(run, finished));
    this.first = false;
  }
}

/** Visible tests come first, and among them those that failed: what there is to look at. */
function rank(test: TestJudged): number {
  return (test.visible ? 0 : 2) + (test.verdict === "accepted" ? 1 : 0);
}

/** The latest run of another document, where it is later than that of `doc`. */
function newerElsewhere(state: RoomState, doc: string): RunState | null {
  const own = state.runs[doc]?.at ?? 0;
  const others = Object.values(state.runs).filter((run) => run.doc !== doc && run.at > own);
  return others.sort((one, other) => other.at - one.at)[0] ?? null;
}

function stamp(run: RunState | null): string {
  return run ? `${run.run} ${run.events.length} ${run.place}` : "";
}

/** A hidden test, for a candidate, is a verdict alone. */
function hasDetails(test: TestJudged): boolean {
  return test.visible || test.name !== undefined;
}

function emptyText(): HTMLElement {
  return el(
    "div",
    { class: "empty" },
    el("p", {}, t("Nothing has been run yet.")),
    el("p", {}, t("Run starts your program as it stands. Run examples checks it against the examples of the task. Submit runs all tests; you may submit as often as you like.")),
    el("p", {}, t("It is Python 3.13; besides its own library, numpy, pytest and sortedcontainers can be imported.")),
  );
}

function headline(run: RunState, finished: RunFinished): string {
  const verdict = verdictText(finished.verdict);
  if (run.what === "program" && finished.verdict === "accepted") return t("The program has finished");
  if (run.what === "program") return t("The program has ended: {verdict}", { verdict });
  const { passed, total } = finished;
  return t("{verdict}: {passed} of {total} tests passed", { verdict, passed, total });
}

function summary(
  state: RoomState,
  run: RunState,
  finished: RunFinished | null,
  chip: HTMLElement,
  stale: boolean,
): HTMLElement {
  const titles = { program: t("Program"), examples: t("Examples"), tests: t("All tests") };
  const who = t("{name}, {time}", { name: nameOf(state, run.by), time: timeOfDay(run.at) });
  return el(
    "div",
    { class: "summary" },
    el("strong", { class: "summary-what" }, titles[run.what]),
    chip,
    finished && run.what !== "program" && passedText(finished),
    finished && figures(finished),
    el("span", { class: "muted" }, who),
    stale && el("span", { class: "tag" }, t("the code has changed since")),
    finished?.message ? el("p", { class: "summary-message" }, t(finished.message)) : null,
  );
}

function endChip(run: RunState, finished: RunFinished): HTMLElement {
  const isPlain = run.what === "program" && finished.verdict === "accepted";
  return verdictChip(finished.verdict, isPlain ? t("finished") : undefined);
}

function underWayChip(run: RunState, judged: TestJudged[], you: string): HTMLElement {
  if (run.place > 0) return waitingChip(run, you);
  const label =
    run.what === "program" ? t("running…") : t("running… {n} judged", { n: judged.length });
  return el("span", { class: "verdict busy" }, icon("busy"), label);
}

function passedText(finished: RunFinished): HTMLElement {
  const { passed, total } = finished;
  return el("span", { class: "summary-passed" }, t("{passed} of {total} passed", { passed, total }));
}

function figures(finished: RunFinished): HTMLElement {
  const time = milliseconds(finished.time_ms);
  const memory = t("{n} MB", { n: number(finished.memory_bytes / MIB, 0) });
  const text = finished.memory_bytes > 0 ? `${time} · ${memory}` : time;
  return el("span", { class: "muted figures" }, text);
}

function milliseconds(time: number): string {
  return time < 1000 ? t("{n} ms", { n: number(time, 0) }) : t("{n} s", { n: number(time / 1000, 2) });
}

function tableHead(): HTMLElement {
  const cell = (text: string, kind = "") => el("th", { scope: "col", class: kind }, text);
  return el(
    "thead",
    {},
    el("tr", {}, cell(t("Verdict")), cell(t("Test")), cell(t("Time"), "figures")),
  );
}

function testRows(test: TestJudged, open: boolean, onToggle: (open: boolean) => void): HTMLElement {
  const details = detailRows(test);
  const toggle = el(
    "button",
    { type: "button", class: "test-name", "aria-expanded": String(open) },
    icon("chevron"),
    el("span", {}, test.name || test.test),
  );
  details.hidden = !open;
  toggle.addEventListener("click", () => {
    details.hidden = !details.hidden;
    toggle.setAttribute("aria-expanded", String(!details.hidden));
    onToggle(!details.hidden);
  });
  const tag = !test.visible && el("span", { class: "tag" }, t("hidden from the candidate"));
  const time = test.time_ms === undefined ? "" : milliseconds(test.time_ms);
  return el(
    "tbody",
    { "data-test": test.test },
    el(
      "tr",
      {},
      el("td", {}, verdictChip(test.verdict)),
      el("td", {}, toggle, tag),
      el("td", { class: "figures" }, time),
    ),
    details,
  );
}

/** How many of each hidden group passed: as they come, then as the server counts them. */
function hiddenGroups(judged: TestJudged[], finished: RunFinished | null): HTMLElement | null {
  const groups = finished
    ? finished.groups.filter((group) => !group.visible)
    : counted(judged.filter((test) => !test.visible));
  if (groups.length === 0) return null;
  return el(
    "section",
    { class: "hidden-groups" },
    el("h3", {}, t("Hidden tests")),
    el("ul", {}, ...groups.map(groupRow)),
  );
}

function counted(tests: TestJudged[]): GroupResult[] {
  const names = [...new Set(tests.map((test) => test.group))];
  return names.map((group) => {
    const own = tests.filter((test) => test.group === group);
    const passed = own.filter((test) => test.verdict === "accepted").length;
    return { group, visible: false, passed, total: own.length };
  });
}

function groupRow(group: GroupResult): HTMLElement {
  const { passed, total } = group;
  const all = passed === total;
  const meter = el("meter", {
    min: "0",
    max: String(Math.max(1, total)),
    value: String(passed),
    "aria-label": group.group,
  });
  const count = t("{passed} of {total} passed", { passed, total });
  return el(
    "li",
    { "data-group": group.group },
    el("span", { class: `verdict ${all ? "pass" : "fail"}` }, icon(all ? "pass" : "fail"), count),
    el("span", {}, group.group),
    meter,
  );
}

function programDetail(judged: TestJudged[]): HTMLElement | null {
  const detail = judged.find((test) => test.detail)?.detail;
  return detail ? el("pre", { class: "detail" }, detail) : null;
}
