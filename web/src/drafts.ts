/**
 * What was typed and not saved, kept in this browser over a refresh or a crash.
 *
 * A draft belongs to a client id, and a client id to one living page at a time: the page holds a
 * lock of that name. A draft whose lock is free is an orphan; the next page of the same room and
 * role takes over its client id too, so that the server knows an edit again which had arrived.
 *
 * Each is kept twice: where a page that is going away can still write, and where a browser that is
 * killed does not lose it (durable.ts). Either copy may be older than what was sent last; what came
 * back from the server since tells (`wasSent` in pending.ts).
 */
import type { Role } from "./frames";
import type { Pending } from "./pending";
import { forgetDurable, loadDurable, storeDurable } from "./durable";
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

/** A draft, and the client id that its edits carry. */
export interface Left {
  client: string;
  draft: Draft;
}

const PREFIX = "viva:draft:";
const MAX_AGE_MS = 30 * 24 * 3_600_000;
/** Another tab keeps its lock for as long as it lives. */
const LOCK_WAIT_MS = 300;
/** The page before this one in the same tab is about to let go of it, on a busy computer too. */
const OWN_LOCK_WAIT_MS = 5_000;
/** The drafts that have a durable copy: most are saved before they need one. */
const durable = new Set<string>();

/** A client id of this page's own, and the draft that it was left with, if any. */
export async function claimClient(
  room: string,
  role: Role,
): Promise<{ client: string; left: Left | null }> {
  const drafts = await allDrafts();
  for (const [key, draft] of drafts) {
    if (Date.now() - draft.at > MAX_AGE_MS) drop(key);
  }
  for (const { client, draft } of draftsOf(drafts, room, role)) {
    if (!(await hold(client))) continue;
    remember(client);
    return { client, left: { client, draft } };
  }
  return { client: await newClient(), left: null };
}

/** A client id that nobody has had. */
export async function newClient(): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const client = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await hold(client, true);
  remember(client);
  return client;
}

/** Keep `draft`; without anything in it, forget the earlier one. */
export function keepDraft(room: string, client: string, draft: Draft): void {
  const key = `${PREFIX}${room}:${client}`;
  if (Object.keys(draft.documents).length === 0) {
    drop(key);
    return;
  }
  const text = JSON.stringify(draft);
  store(key, text);
  storeDurable(key, text);
  durable.add(key);
}

export function forgetDraft(room: string, client: string): void {
  drop(`${PREFIX}${room}:${client}`);
}

/** Forget every draft of a room: it was erased, and so is what this browser has of it. */
export async function forgetRoom(room: string): Promise<void> {
  for (const key of (await allDrafts()).keys()) {
    if (key.startsWith(`${PREFIX}${room}:`)) drop(key);
  }
}

function drop(key: string): void {
  forget(key);
  if (durable.delete(key)) forgetDurable(key);
}

/** By their keys; of two copies the later one. */
async function allDrafts(): Promise<Map<string, Draft>> {
  const found = new Map<string, Draft>();
  const kept = await loadDurable(PREFIX);
  kept.forEach((_, key) => durable.add(key));
  for (const [key, text] of [...kept, ...keys(PREFIX).map((key) => [key, load(key)] as const)]) {
    const draft = parse(text);
    if (!draft) drop(key);
    else if (draft.at >= (found.get(key)?.at ?? 0)) found.set(key, draft);
  }
  return found;
}

/** Of one room and role: this tab's own first, then the latest. */
function draftsOf(drafts: Map<string, Draft>, room: string, role: Role): Left[] {
  const prefix = `${PREFIX}${room}:`;
  return [...drafts]
    .filter(([key, draft]) => key.startsWith(prefix) && draft.role === role)
    .map(([key, draft]) => ({ client: key.slice(prefix.length), draft }))
    .sort((one, other) => Number(isOfTab(other)) - Number(isOfTab(one)) || other.draft.at - one.draft.at);
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
  if (!("locks" in navigator)) return isNew || isReloadOf(client);
  const waitMs = isOfTab({ client }) ? OWN_LOCK_WAIT_MS : LOCK_WAIT_MS;
  return new Promise((resolve, reject) => {
    const options = { signal: AbortSignal.timeout(waitMs) };
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

function remember(client: string): void {
  sessionStorage.setItem(TAB_KEY, client);
}

/** A tab that was duplicated remembers the client of the one that it was made from. */
function isOfTab({ client }: { client: string }): boolean {
  return sessionStorage.getItem(TAB_KEY) === client;
}

function isReloadOf(client: string): boolean {
  const [navigation] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return navigation?.type === "reload" && isOfTab({ client });
}
