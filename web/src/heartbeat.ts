/**
 * Whether a connection still lives, as far as a page can tell that feels its pulse every `BEAT_MS`.
 *
 * Only an unanswered question counts as silence: the timers of a page in the background may come
 * once a minute, and that alone says nothing of the peer. On a page in view, a beat that comes much
 * too late means that the computer slept, and so did the connection.
 */

export const BEAT_MS = 250;
/** After so long without a word the peer is asked for one. */
const ASK_AFTER_MS = 1_250;
/** How long an answer may take. With the two above it is known within 5 s, and shown. */
const PATIENCE_MS = 2_500;
/** On a network so slow that connecting took longer than that, as long as it took, up to this. */
const MOST_PATIENCE_MS = 10_000;
/** How much too late a beat is when the computer slept. */
const SLEPT_MS = 3_000;

/** Times are ms since the epoch by this computer's clock. */
export interface Pulse {
  /** The beat before this one. */
  beatAt: number;
  /** The last frame. */
  heardAt: number;
  /** The first question since that frame, if any. */
  askedAt: number | null;
  /** How long the connection took to open, in ms. */
  handshakeMs: number;
}

/** `ask`: send a ping; `dead`: nobody answers; `slept`: connect anew at once. */
export type Finding = "fine" | "ask" | "dead" | "slept";

/** What to make of `pulse` at `now`. */
export function feel(pulse: Pulse, now: number, isInView: boolean): Finding {
  const late = now - pulse.beatAt - BEAT_MS;
  // A clock that was set back tells nothing of what came before.
  if (late < -BEAT_MS || (late > SLEPT_MS && isInView)) return "slept";
  if (pulse.askedAt !== null) return now - pulse.askedAt > patienceMs(pulse) ? "dead" : "fine";
  return now - pulse.heardAt > ASK_AFTER_MS ? "ask" : "fine";
}

function patienceMs({ handshakeMs }: Pulse): number {
  return Math.min(Math.max(PATIENCE_MS, handshakeMs), MOST_PATIENCE_MS);
}
