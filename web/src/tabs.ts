/** Tabs of two kinds: the room's documents, and the sections of the tutor's guide. */
import { byId, el, fillWith } from "./dom";
import type { RoomState } from "./frames";
import { t } from "./strings";

/** Arrow keys, Home and End move between the tabs of `list`, as tab lists do. */
export function moveByKeys(list: HTMLElement): void {
  list.addEventListener("keydown", (event) => {
    const tabs = [...list.querySelectorAll<HTMLElement>('[role="tab"]')];
    const at = tabs.indexOf(document.activeElement as HTMLElement);
    const steps: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    const to = steps[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = tabs.at(to % tabs.length);
    next?.click();
    list.querySelector<HTMLElement>('[role="tab"][aria-selected="true"]')?.focus();
  });
}

/** The documents, the open problem's first and the scratch pad last. */
export class DocumentTabs {
  private readonly list = byId("documents");
  private shown = "";

  constructor(private readonly onChoose: (doc: string) => void) {
    moveByKeys(this.list);
  }

  update(state: RoomState, current: string): void {
    const docs = Object.keys(state.documents).sort((one, other) => rank(state, one) - rank(state, other));
    const key = JSON.stringify([docs, current, state.doc]);
    if (key === this.shown) return;
    this.shown = key;
    const hadFocus = this.list.contains(document.activeElement);
    fillWith(this.list, ...docs.map((doc) => this.tab(state, doc, doc === current)));
    if (hadFocus) this.list.querySelector<HTMLElement>('[aria-selected="true"]')?.focus();
    byId("editor").setAttribute("aria-labelledby", "document-tab-current");
  }

  private tab(state: RoomState, doc: string, selected: boolean): HTMLElement {
    const tab = el(
      "button",
      {
        type: "button",
        role: "tab",
        class: "tab",
        id: selected ? "document-tab-current" : undefined,
        "data-doc": doc,
        "aria-selected": String(selected),
        "aria-controls": "editor",
        tabindex: selected ? "0" : "-1",
      },
      documentName(state, doc),
      doc === state.doc && el("span", { class: "tab-now" }, t("task")),
    );
    tab.addEventListener("click", () => this.onChoose(doc));
    return tab;
  }
}

function rank(state: RoomState, doc: string): number {
  if (doc === "scratch") return 2;
  return doc === state.doc ? 0 : 1;
}

/** A document's name for people. */
export function documentName(state: RoomState, doc: string): string {
  return state.titles[doc] || t("Scratch pad");
}
