/**
 * The room's WebSocket, which comes back by itself.
 *
 * Quick at first and with jitter (backoff.ts); the network's return and the page's coming into view
 * are reasons to try at once, and so is waking from sleep. After a few failures it asks by plain HTTP
 * first whether the server answers at all: browsers hold back the WebSockets of a page whose last
 * ones failed, by seconds each. Where the server says that it is over, it stays away.
 */
import { delayMs } from "./backoff";
import type { ClientFrame, ServerFrame } from "./frames";
import { BEAT_MS, feel, type Pulse } from "./heartbeat";

export type Status = "connecting" | "live" | "away" | "closed";
/** Why a connection was closed for good; `unwelcome`: the session holds no more. */
export type End = "revoked" | "erased" | "ended" | "unwelcome";

/** The server's close codes after which coming back is no use. */
const END_CODES: Readonly<Record<number, End>> = { 4403: "revoked", 4404: "erased", 4410: "ended" };
/** What the page's own address answers then. */
const END_STATUSES: Readonly<Record<number, End>> = { 401: "unwelcome", 403: "unwelcome", 404: "unwelcome", 410: "ended" };

/** How long opening, and then the welcome, may take; more with each failure, up to the second. */
const OPENING_MS = 5_000;
const MAX_OPENING_MS = 15_000;
/** After so many failures in a row the server is asked by HTTP before the next WebSocket. */
const PROBE_AFTER = 3;
const PROBE_PATIENCE_MS = 10_000;
/** The browser makes six connections to a server at most, and the page may need one. */
const MAX_PROBES = 5;
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
  /** Why it is closed for good. */
  end: End | null = null;
  /** How far the server's clock is ahead of this one's, in milliseconds. */
  serverAheadMs = 0;
  private socket: WebSocket | null = null;
  private pulse: Pulse = { beatAt: Date.now(), heardAt: 0, askedAt: null, handshakeMs: 0 };
  private failures = 0;
  private awaySince = Date.now();
  private retry: number | undefined;
  private probes = 0;

  constructor(
    private readonly url: string,
    private readonly handlers: Handlers,
  ) {
    window.setInterval(() => this.beat(), BEAT_MS);
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
    this.failures = 0;
    this.scheduleRetry();
  }

  private open(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    const socket = new WebSocket(this.url);
    const openedAt = Date.now();
    this.socket = socket;
    this.pulse = { ...this.pulse, heardAt: openedAt, askedAt: null };
    socket.addEventListener("open", () => {
      socket.send(JSON.stringify({ type: "hello", ...this.handlers.hello() }));
      const now = Date.now();
      this.pulse = { ...this.pulse, heardAt: now, handshakeMs: now - openedAt };
    });
    socket.addEventListener("message", (event: MessageEvent<string>) => {
      if (socket === this.socket) this.receive(JSON.parse(event.data) as ServerFrame);
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.onClosed(event.code);
    });
  }

  private receive(frame: ServerFrame): void {
    this.pulse = { ...this.pulse, heardAt: Date.now(), askedAt: null };
    if (frame.type === "pong" || frame.type === "welcome") {
      this.serverAheadMs = frame.now - Date.now();
    }
    if (frame.type === "welcome") {
      this.failures = 0;
      this.setStatus("live");
    }
    this.handlers.onFrame(frame);
  }

  private onClosed(code: number): void {
    this.socket = null;
    if (this.status === "closed") return;
    const end = END_CODES[code];
    if (end) {
      this.closeFor(end);
      return;
    }
    this.lose();
    if (this.failures >= DOUBT_AFTER) void this.askWhetherWelcome();
  }

  private closeFor(end: End): void {
    this.drop();
    clearTimeout(this.retry);
    this.end = end;
    this.setStatus("closed");
  }

  /** The connection is gone: come back soon. */
  private lose(): void {
    this.drop();
    this.setStatus("away");
    this.scheduleRetry();
  }

  /** A refused upgrade looks like a lost network to the page; the page's own address tells them apart. */
  private async askWhetherWelcome(): Promise<void> {
    const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
    const end = answer && END_STATUSES[answer.status];
    if (end && this.status === "away") this.closeFor(end);
  }

  private scheduleRetry(): void {
    if (this.retry !== undefined || this.status === "closed") return;
    const wait = delayMs(this.failures, Date.now() - this.awaySince, Math.random());
    this.retry = window.setTimeout(() => this.attempt(), wait);
    this.failures += 1;
  }

  private attempt(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    if (this.socket || this.status === "closed") return;
    if (this.failures <= PROBE_AFTER) {
      this.open();
    } else {
      this.scheduleRetry();
      void this.probe();
    }
  }

  /** Open once the server answers; what it says does not matter, so long as it is no gateway's error. */
  private async probe(): Promise<void> {
    if (this.probes >= MAX_PROBES) return;
    this.probes += 1;
    const isThere = await answers();
    this.probes -= 1;
    if (isThere && !this.socket && this.status !== "closed") this.open();
  }

  /** Something suggests that the network is back: do not wait for the next attempt. */
  private hurry(): void {
    if (document.visibilityState === "hidden") return;
    this.beat();
    if (this.retry !== undefined) this.attempt();
  }

  private beat(): void {
    const now = Date.now();
    const finding = feel(this.pulse, now, document.visibilityState === "visible");
    this.pulse = { ...this.pulse, beatAt: now };
    if (this.status === "closed") return;
    if (finding === "slept") this.wake();
    else if (this.socket && !this.isOpen()) this.watchOpening(now);
    else if (finding === "dead" && this.socket) this.lose();
    else if (finding === "ask" && this.send({ type: "ping", t: now })) {
      this.pulse = { ...this.pulse, askedAt: now };
    }
  }

  /** Restarted while live, a connection says "live" though its new socket may be opening yet. */
  private isOpen(): boolean {
    return this.status === "live" && this.socket?.readyState !== WebSocket.CONNECTING;
  }

  private watchOpening(now: number): void {
    const patience = Math.min(OPENING_MS * 1.6 ** this.failures, MAX_OPENING_MS);
    if (now - this.pulse.heardAt > patience) this.lose();
  }

  /** Whatever the connection was, it is none any more; a new one at once, without any delay. */
  private wake(): void {
    this.drop();
    this.setStatus("away");
    this.awaySince = Date.now();
    this.failures = 0;
    this.open();
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
