/** Says things to those who listen to the page: one polite live region, never a stolen focus. */
import { byId } from "./dom";

/** Have `text` read out; the same text twice is read twice. */
export function announce(text: string): void {
  const region = byId("announcer");
  // A no-break space at the end makes a repeated text another one.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}
