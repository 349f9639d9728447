/**
 * The room's WebSocket, which comes back by itself.
 *
 * Jittered backoff, quick at first; the network's return and the page's coming into view are reasons
 * to try at once. After a few failures it asks by plain HTTP first whether the server answers at all:
 * browsers hold back the WebSockets of a page whose last ones failed, by seconds each. A peer that says nothing for `SILENCE_MS` counts as away.
 */
import type { ClientFrame, ServerFrame } from "./frames";

export type Status = "connecting" | "live" | "away" | "closed";

const PING_EVERY_MS = 1_500;
const SILENCE_MS = 4_000;
const FIRST_DELAY_MS = 200;
/** A server that restarts is back in seconds; one that stays away is asked less often. */
const MAX_DELAY_MS = 1_000;
const LONG_AWAY_MS = 120_000;
const LONG_AWAY_DELAY_MS = 3_000;
/** After so many failures in a row the server is asked by HTTP before the next WebSocket. */
const PROBE_AFTER = 3;
const PROBE_PATIENCE_MS = 2_000;
/** After so many failures in a row it is worth asking whether the session still holds. */
const DOUBT_AFTER = 4;

export interface Handlers {
  /** What the next `hello` says. */
  hello(): { after: number; client: string };
  onFrame(frame: ServerFrame): void;
  onStatus(status: Status): void;
}

/** A connection of one page to its room. */
export class Connection {
  status: Status = "connecting";
  /** How far the server's clock is ahead of this one's, in milliseconds. */
  serverAheadMs = 0;
  private socket: WebSocket | null = null;
  private lastHeard = 0;
  private attempts = 0;
  private awaySince = Date.now();
  private retry: number | undefined;

  constructor(
    private readonly url: string,
    private readonly handlers: Handlers,
  ) {
    window.setInterval(() => this.beat(), PING_EVERY_MS / 3);
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("pageshow", () => this.hurry());
    window.addEventListener("focus", () => this.hurry());
    document.addEventListener("visibilitychange", () => this.hurry());
    this.open();
  }

  /** Send a frame; false where there is no live connection to send it on. */
  send(frame: ClientFrame): boolean {
    if (this.status !== "live" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Drop the connection and make a new one, e.g. to open the room afresh. */
  restart(): void {
    this.drop();
    this.attempts = 0;
    this.scheduleRetry();
  }

  /** Close for good. */
  close(): void {
    this.setStatus("closed");
    this.drop();
  }

  /** Open once the server answers; what it says does not matter, so long as it is no gateway's error. */
  private async attempt(): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    const isThere = this.attempts <= PROBE_AFTER || (await answers());
    if (this.socket || this.retry !== undefined || this.status === "closed") return;
    if (isThere) this.open();
    else this.scheduleRetry();
  }

  private open(): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.lastHeard = Date.now();
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "hello", ...this.handlers.hello() }));
    });
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      if (socket === this.socket) this.receive(JSON.parse(event.data) as ServerFrame);
    });
    socket.addEventListener("close", () => {
      if (socket === this.socket) this.onClosed();
    });
  }

  private receive(frame: ServerFrame): void {
    this.lastHeard = Date.now();
    if (frame.type === "pong" || frame.type === "welcome") {
      this.serverAheadMs = frame.now - Date.now();
    }
    if (frame.type === "welcome") {
      this.attempts = 0;
      this.setStatus("live");
    }
    this.handlers.onFrame(frame);
  }

  private onClosed(): void {
    this.socket = null;
    if (this.status === "closed") return;
    this.setStatus("away");
    this.scheduleRetry();
    if (this.attempts >= DOUBT_AFTER) void this.askWhetherWelcome();
  }

  /** A refused upgrade looks like a lost network to the page; the page's own address tells them apart. */
  private async askWhetherWelcome(): Promise<void> {
    const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
    if (answer && [401, 403, 404, 410].includes(answer.status)) this.close();
  }

  private scheduleRetry(): void {
    if (this.retry !== undefined || this.status === "closed") return;
    this.retry = window.setTimeout(() => void this.attempt(), delayMs(this.attempts, Date.now() - this.awaySince));
    this.attempts += 1;
  }

  /** Something suggests that the network is back: do not wait for the next attempt. */
  private hurry(): void {
    if (document.visibilityState === "hidden") return;
    this.beat();
    if (this.retry === undefined || this.status === "closed") return;
    void this.attempt();
  }

  private beat(): void {
    if (!this.socket || this.status === "closed") return;
    const silent = Date.now() - this.lastHeard;
    if (silent > SILENCE_MS) {
      this.drop();
      this.setStatus("away");
      this.scheduleRetry();
    } else if (this.status === "live" && silent > PING_EVERY_MS) {
      this.send({ type: "ping", t: Date.now() });
    }
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private setStatus(status: Status): void {
    if (status === this.status) return;
    if (this.status === "live") this.awaySince = Date.now();
    this.status = status;
    this.handlers.onStatus(status);
  }
}

/** Whether the server is there, as far as plain HTTP tells. */
async function answers(): Promise<boolean> {
  const signal = AbortSignal.timeout(PROBE_PATIENCE_MS);
  const answer = await fetch("/healthz", { cache: "no-store", signal }).catch(() => null);
  return answer !== null && answer.status < 500;
}

/** How long to wait before the next attempt: up to a time that grows, so that not all come at once. */
function delayMs(attempts: number, awayMs: number): number {
  const grown = Math.min(FIRST_DELAY_MS * 1.7 ** attempts, MAX_DELAY_MS);
  const most = awayMs < LONG_AWAY_MS ? grown : LONG_AWAY_DELAY_MS;
  return most * (0.5 + Math.random() / 2);
}
