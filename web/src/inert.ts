/**
 * Program output as inert text.
 *
 * Escape sequences (colours, titles, links, clipboard) are dropped; other control characters and
 * those that turn the direction of writing become visible, so that what is shown is what there is.
 */

const ESC = "\u001b";
/** CSI, OSC (ended by BEL or ST), other string sequences, and two-character ones. */
const SEQUENCE =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[PX^_][^\u001b]*\u001b\\|[ -/]*[0-Z\\^-~])/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
/** A sequence that has gone on for so long is none. */
const MAX_SEQUENCE = 256;

/** One stream of output, whose pieces may be cut anywhere. */
export class InertText {
  private rest = "";

  /** The next piece, as it may be shown. */
  next(piece: string): string {
    const text = this.rest + piece;
    const cut = openEnd(text);
    this.rest = text.slice(cut);
    return inert(text.slice(0, cut));
  }
}

/** A whole text, as it may be shown. */
export function inert(text: string): string {
  return text
    .replace(SEQUENCE, "")
    .replace(/\r\n/g, "\n")
    .replace(CONTROL, picture)
    .replace(DIRECTION, codePoint);
}

/** Where a sequence, or a CR that may belong to a line end, is still open at the end of `text`. */
function openEnd(text: string): number {
  if (text.endsWith("\r")) return text.length - 1;
  const start = text.lastIndexOf(ESC);
  if (start < 0 || text.length - start > MAX_SEQUENCE) return text.length;
  const tail = text.slice(start).replace(SEQUENCE, "");
  return tail.startsWith(ESC) ? start : text.length;
}

/** ␀ to ␡ for the controls that have a picture. */
function picture(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : codePoint(character);
}

function codePoint(character: string): string {
  return `<U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}>`;
}
