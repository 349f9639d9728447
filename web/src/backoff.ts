/**
 * How long to wait before the next attempt to connect: full jitter.
 *
 * Any time up to a cap, which grows with each failure: whoever lost a server together comes back
 * spread out, and nobody waits for long. See "Exponential Backoff And Jitter", AWS Architecture Blog.
 */

const FIRST_CAP_MS = 200;
const GROWTH = 1.7;
/** A server that restarts is back in seconds; one that stays away is asked less often. */
const MAX_CAP_MS = 1_000;
const LONG_AWAY_MS = 120_000;
const LONG_AWAY_CAP_MS = 3_000;

/** The longest wait after `failures` failures in a row, `awayMs` after the connection was lost. */
export function capMs(failures: number, awayMs: number): number {
  if (awayMs >= LONG_AWAY_MS) return LONG_AWAY_CAP_MS;
  return Math.min(FIRST_CAP_MS * GROWTH ** failures, MAX_CAP_MS);
}

/** The wait itself, by a `chance` from 0 to 1. */
export function delayMs(failures: number, awayMs: number, chance: number): number {
  return capMs(failures, awayMs) * chance;
}
