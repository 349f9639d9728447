/** Copying to the clipboard, said on the button that did it. */
import { announce } from "./announce";
import { t } from "./strings";

const SHOWN_MS = 2_000;

/** Copy `text`; `source` shows for a moment whether it worked. */
export async function copyText(source: HTMLButtonElement, text: string): Promise<void> {
  const label = source.textContent ?? "";
  const done = await write(text);
  const said = done ? t("Copied") : t("Select it and press Ctrl+C");
  source.textContent = said;
  announce(said);
  window.setTimeout(() => (source.textContent = label), SHOWN_MS);
}

/** The clipboard needs https or localhost, and may be refused. */
async function write(text: string): Promise<boolean> {
  if (!("clipboard" in navigator)) return false;
  return navigator.clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
