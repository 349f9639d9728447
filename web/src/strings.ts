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

/** A place in a row, from 1, as the page's language writes it: 1st, 2nd; 1er, 2e. */
export function ordinal(n: number): string {
  switch (new Intl.PluralRules(locale, { type: "ordinal" }).select(n)) {
    case "one":
      return t("{n}st", { n });
    case "two":
      return t("{n}nd", { n });
    case "few":
      return t("{n}rd", { n });
    default:
      return t("{n}th", { n });
  }
}

/** The time of day of `at` (ms since the epoch). */
export function timeOfDay(at: number): string {
  return new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(at);
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
