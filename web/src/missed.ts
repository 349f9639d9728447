/** The edits that a page missed while it was away, when it also needs the whole state anew. */
import { ChangeSet } from "@codemirror/state";

import { delayMs } from "./backoff";
import type { Edited, ServerFrame } from "./frames";

const PATIENCE_MS = 5_000;
/** So many tries without an answer are enough: then the page goes on without. */
const MAX_TRIES = 20;

/**
 * Every edit after the event `after`, asked for on a connection of its own, until there is an answer.
 *
 * Null where the server has them no more at hand, or when they are no longer `wanted`.
 */
export async function missedEdits(url: string, after: number, wanted: () => boolean): Promise<Edited[] | null> {
  for (let failures = 0; failures < MAX_TRIES && wanted(); failures += 1) {
    const answer = await ask(url, after);
    if (answer !== "none") return answer;
    await new Promise((resolve) => window.setTimeout(resolve, delayMs(failures, 0, Math.random())));
  }
  return null;
}

async function ask(url: string, after: number): Promise<Edited[] | null | "none"> {
  const socket = new WebSocket(url);
  const found: Edited[] = [];
  return new Promise((resolve) => {
    const finish = (edits: Edited[] | null | "none") => {
      clearTimeout(timer);
      socket.close();
      resolve(edits);
    };
    const timer = window.setTimeout(() => finish("none"), PATIENCE_MS);
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "hello", after, client: `missed-${Date.now()}` }));
      // The answer to this comes behind all that was missed.
      socket.send(JSON.stringify({ type: "ping", t: 0 }));
    });
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      const frame = JSON.parse(event.data) as ServerFrame;
      if (frame.type === "welcome" && frame.state) finish(null);
      if (frame.type === "event" && frame.kind === "edited") found.push(frame);
      if (frame.type === "pong") finish(found);
    });
    socket.addEventListener("close", () => finish("none"));
  });
}

/** One edit that makes `after` of `before`: all between what they begin and end with. */
export function difference(before: string, after: string): unknown {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before.at(-1 - end) === after.at(-1 - end)) end += 1;
  if (isHighSurrogate(before[start - 1])) start -= 1;
  if (isLowSurrogate(before.at(-end)) && end > 0) end -= 1;
  const insert = after.slice(start, after.length - end);
  return ChangeSet.of({ from: start, to: before.length - end, insert }, before.length).toJSON();
}

function isHighSurrogate(unit: string | undefined): boolean {
  return unit !== undefined && /[\ud800-\udbff]/.test(unit);
}

function isLowSurrogate(unit: string | undefined): boolean {
  return unit !== undefined && /[\udc00-\udfff]/.test(unit);
}
