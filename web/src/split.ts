/** The border between the code and its results: dragged, moved by arrow keys, or set by a click. */
import { byId } from "./dom";
import { load, store } from "./storage";

const KEY = "viva:run-share";
const STEPS = [25, 40, 60];
const MIN = 20;
const MAX = 75;

/** Let the separator share the height; the share stays in this browser. */
export function splitter(): void {
  const handle = byId("split");
  const workspace = byId("workspace");
  let share = clamp(Number(load(KEY)) || 40);
  let moved = false;
  const set = (percent: number) => {
    share = clamp(percent);
    workspace.style.setProperty("--run-share", `${share}%`);
    handle.setAttribute("aria-valuenow", String(Math.round(share)));
    store(KEY, String(share));
  };
  handle.addEventListener("pointerdown", (event) => {
    moved = false;
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    moved = true;
    const { bottom, height } = workspace.getBoundingClientRect();
    set(((bottom - event.clientY) / height) * 100);
  });
  // A click without dragging goes on to the next of three sizes.
  handle.addEventListener("click", () => {
    if (!moved) set(STEPS.find((step) => step > share + 1) ?? STEPS[0] ?? MIN);
  });
  handle.addEventListener("keydown", (event) => {
    const steps: Record<string, number> = { ArrowUp: share + 4, ArrowDown: share - 4, Home: MIN, End: MAX };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    set(next);
  });
  set(share);
}

function clamp(percent: number): number {
  return Math.min(MAX, Math.max(MIN, percent));
}
