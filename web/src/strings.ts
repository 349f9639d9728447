/** The page's words. The English text is the key; the server hands over the catalogue of the page. */

export type Values = Record<string, string | number>;

let catalogue: Readonly<Record<string, string>> = {};
let locale = "en";

/** Take the page's catalogue: English text to translated text; empty for English. */
export function useStrings(strings: Readonly<Record<string, string>>, language: string): void {
  catalogue = strings;
  locale = language;
}

/** `english` in the page's language, with `{name}` filled in from `values`. */
export function t(english: string, values: Values = {}): string {
  return fill(catalogue[english] || english, values);
}

/** A number as the page's language writes it, with `digits` decimals. */
export function number(value: number, digits = 0): string {
  const format = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(locale, format).format(value);
}

/** The time of day of `at` (ms since the epoch). */
export function timeOfDay(at: number): string {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(at);
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
