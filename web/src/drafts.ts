/**
 * What was typed and not saved, kept in this browser over a refresh or a crash.
 *
 * A draft belongs to a client id, and a client id to one living page at a time: the page holds a
 * lock of that name. A draft whose lock is free is an orphan; the next page of the same room and
 * role takes over its client id too, so that the server knows an edit again which had arrived.
 */
import type { Role } from "./frames";
import type { Pending } from "./pending";
import { forget, keys, load, store } from "./storage";

export interface Draft {
  role: Role;
  /** The participant who typed it. */
  by: string;
  /** The last event that the page had seen. */
  seq: number;
  /** When it was kept, ms since the epoch by this computer's clock. */
  at: number;
  documents: Record<string, Pending>;
}

const PREFIX = "viva:draft:";
const MAX_AGE_MS = 30 * 24 * 3_600_000;
/** A page that is being reloaded lets go of its lock a moment after the new one has begun. */
const LOCK_WAIT_MS = 300;

/** A client id of this page's own, and the draft that it was left with, if any. */
export async function claimClient(
  room: string,
  role: Role,
): Promise<{ client: string; draft: Draft | null }> {
  dropOld();
  for (const { client, draft } of draftsOf(room, role)) {
    if (await hold(client)) return { client, draft };
  }
  return { client: await newClient(), draft: null };
}

/** A client id that nobody has had. */
export async function newClient(): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const client = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await hold(client, true);
  return client;
}

/** Keep `draft`; without anything in it, forget the earlier one. */
export function keepDraft(room: string, client: string, draft: Draft): void {
  const key = `${PREFIX}${room}:${client}`;
  if (Object.keys(draft.documents).length === 0) forget(key);
  else store(key, JSON.stringify(draft));
}

export function forgetDraft(room: string, client: string): void {
  forget(`${PREFIX}${room}:${client}`);
}

function draftsOf(room: string, role: Role): { client: string; draft: Draft }[] {
  const prefix = `${PREFIX}${room}:`;
  return keys(prefix)
    .map((key) => ({ client: key.slice(prefix.length), draft: parse(load(key)) }))
    .filter((one): one is { client: string; draft: Draft } => one.draft?.role === role)
    .sort((one, other) => other.draft.at - one.draft.at);
}

function dropOld(): void {
  for (const key of keys(PREFIX)) {
    const draft = parse(load(key));
    if (!draft || Date.now() - draft.at > MAX_AGE_MS) forget(key);
  }
}

function parse(text: string | null): Draft | null {
  try {
    return text === null ? null : (JSON.parse(text) as Draft);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Hold the lock of a client id for as long as this page lives; false where another page has it.
 *
 * Locks need https or localhost. Without them only a page that is plainly a reload of the one that
 * wrote the draft takes it over: a tab that was duplicated must not.
 */
async function hold(client: string, isNew = false): Promise<boolean> {
  if (!("locks" in navigator)) return isNew ? remember(client) : isReloadOf(client);
  return new Promise((resolve, reject) => {
    const options = { signal: AbortSignal.timeout(LOCK_WAIT_MS) };
    const forEver = () => {
      resolve(true);
      return new Promise<never>(() => undefined);
    };
    navigator.locks.request(`viva:${client}`, options, forEver).catch((error: unknown) => {
      if (error instanceof DOMException) resolve(false);
      else reject(error);
    });
  });
}

const TAB_KEY = "viva:client";

function remember(client: string): boolean {
  sessionStorage.setItem(TAB_KEY, client);
  return true;
}

function isReloadOf(client: string): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return navigation?.type === "reload" && sessionStorage.getItem(TAB_KEY) === client;
}
