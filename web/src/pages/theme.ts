/**
 * Puts the chosen theme on the page before its first paint; `theme.ts` has the button for it.
 *
 * A classic script of a page's head: it may import nothing, or it would come too late.
 */
{
  let chosen: string | null = null;
  try {
    chosen = localStorage.getItem("viva:theme");
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // storage is blocked: as the system prefers
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
}
