/** The button between light and dark; until somebody chooses, the page is as the system prefers. */
import { load, store } from "./storage";

/** Read by `pages/theme.ts` too. */
const KEY = "viva:theme";
type Theme = "light" | "dark";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** Let `element` switch the theme; the choice stays in this browser. */
export function themeButton(element: HTMLElement): void {
  const show = () => element.setAttribute("aria-pressed", String(current() === "dark"));
  element.addEventListener("click", () => {
    const next: Theme = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    store(KEY, next);
    show();
  });
  prefersDark.addEventListener("change", show);
  show();
}

function current(): Theme {
  const chosen = document.documentElement.dataset["theme"] ?? load(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return prefersDark.matches ? "dark" : "light";
}
