/** The interview's clock: its arithmetic, by the server's time, and how it is shown. */
import { announce } from "./announce";
import { byId, setText } from "./dom";
import type { ClockState, EventFrame, Phase, RoomState } from "./frames";
import { t } from "./strings";

const MINUTE_MS = 60_000;
/** When those who do not watch the clock are told how long is left, in minutes. */
const TOLD_AT_MINUTES = [10, 5, 1];

type ClockEvent = EventFrame & {
  kind: "phase_started" | "clock_paused" | "clock_resumed" | "clock_extended";
};

/** The clock after an event; the same arithmetic as the server's. */
export function nextClock(clock: ClockState, phases: Phase[], event: ClockEvent): ClockState {
  switch (event.kind) {
    case "phase_started":
      return startPhase(clock, phases, event.phase, event.at);
    case "clock_paused":
      return { ...clock, paused: true, paused_at: event.at };
    case "clock_resumed": {
      const stoodMs = event.at - (clock.paused_at ?? event.at);
      return { ...moved(clock, stoodMs), paused: false, paused_at: null };
    }
    case "clock_extended":
      return moved(clock, event.minutes * MINUTE_MS);
  }
}

function startPhase(clock: ClockState, phases: Phase[], name: string, at: number): ClockState {
  const position = phases.findIndex((phase) => phase.name === name);
  const phaseEnd = at + (phases[position]?.minutes ?? 0) * MINUTE_MS;
  if (clock.phase === null) {
    const minutes = phases.reduce((sum, phase) => sum + phase.minutes, 0);
    const ends_at = at + minutes * MINUTE_MS;
    return { ...clock, phase: name, started_at: at, ends_at, phase_ends_at: phaseEnd };
  }
  const isLast = position === phases.length - 1;
  return { ...clock, phase: name, phase_ends_at: isLast ? clock.ends_at : phaseEnd };
}

function moved(clock: ClockState, byMs: number): ClockState {
  const move = (at: number | null) => (at === null ? null : at + byMs);
  return { ...clock, ends_at: move(clock.ends_at), phase_ends_at: move(clock.phase_ends_at) };
}

/** Where the time stands at `now`: what is left of the whole and of the phase, in ms. */
export interface Reading {
  leftMs: number;
  phaseLeftMs: number;
  /** How far the interview has come, 0 to 1. */
  elapsed: number;
  /** Where the phase under way ends, 0 to 1. */
  phaseEnd: number;
}

/** What the clock says at `now` (server's ms); null while it has not started. */
export function read(clock: ClockState, now: number): Reading | null {
  const { started_at, ends_at, phase_ends_at } = clock;
  if (started_at === null || ends_at === null || phase_ends_at === null) return null;
  const at = clock.paused_at ?? now;
  const length = Math.max(1, ends_at - started_at);
  return {
    leftMs: ends_at - at,
    phaseLeftMs: phase_ends_at - at,
    elapsed: clamp((at - started_at) / length),
    phaseEnd: clamp((phase_ends_at - started_at) / length),
  };
}

/** `mm:ss`, or `h:mm:ss` from an hour on; the sign is left to the caller. */
export function minutesAndSeconds(ms: number): string {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  const pad = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const rest = `${pad(Math.floor((seconds % 3600) / 60))}:${pad(seconds % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** The clock in the page's head, drawn again each second. */
export class ClockView {
  private state: RoomState | null = null;
  private told = new Set<number>();

  constructor(private readonly now: () => number) {
    window.setInterval(() => this.draw(), 250);
  }

  update(state: RoomState): void {
    this.state = state;
    this.draw();
  }

  private draw(): void {
    if (!this.state) return;
    const { clock, interview, ended } = this.state;
    const reading = read(clock, this.now());
    byId("clock").dataset["state"] = stateName(clock, reading, ended);
    setText(byId("clock-time"), ended ? "" : timeText(reading, interview.minutes));
    setText(byId("clock-phase"), phaseText(clock, reading, ended));
    const line = byId("timeline");
    line.style.setProperty("--elapsed", String(ended ? 1 : (reading?.elapsed ?? 0)));
    line.style.setProperty("--phase-end", String(reading?.phaseEnd ?? firstPhaseEnd(this.state)));
    if (reading && !clock.paused && !ended) this.tell(reading);
  }

  private tell(reading: Reading): void {
    for (const minutes of TOLD_AT_MINUTES) {
      const since = minutes * MINUTE_MS - reading.leftMs;
      if (since < 0 || this.told.has(minutes)) continue;
      this.told.add(minutes);
      if (since > 5_000) continue; // a page that was opened later
      announce(minutes === 1 ? t("1 minute left") : t("{n} minutes left", { n: minutes }));
    }
  }
}

/** The name of a phase, for people. */
export function phaseName(phase: string): string {
  const names: Record<string, string> = { coding: t("Coding"), talk: t("Conversation") };
  return names[phase] ?? phase;
}

function stateName(clock: ClockState, reading: Reading | null, ended: boolean): string {
  if (ended) return "ended";
  if (!reading) return "waiting";
  if (clock.paused) return "paused";
  if (reading.leftMs < 0) return "over";
  return reading.leftMs < 5 * MINUTE_MS ? "late" : "running";
}

function timeText(reading: Reading | null, minutes: number): string {
  if (!reading) return minutesAndSeconds(minutes * MINUTE_MS);
  if (reading.leftMs < 0) return `+${minutesAndSeconds(reading.leftMs)}`;
  return minutesAndSeconds(reading.leftMs + 999); // 45:00 for the whole first second
}

function phaseText(clock: ClockState, reading: Reading | null, ended: boolean): string {
  if (ended) return t("Ended");
  if (!reading || clock.phase === null) return t("Not started");
  const phase = phaseName(clock.phase);
  if (clock.paused) return t("{phase} · paused", { phase });
  if (reading.leftMs < 0) return t("{phase} · over time", { phase });
  if (reading.phaseLeftMs === reading.leftMs) return phase;
  if (reading.phaseLeftMs < 0) return t("{phase} · time is up", { phase });
  const left = minutesAndSeconds(reading.phaseLeftMs + 999);
  return t("{phase} · {left} left", { phase, left });
}

function firstPhaseEnd(state: RoomState): number {
  const first = state.interview.phases[0]?.minutes ?? 0;
  return clamp(first / Math.max(1, state.interview.minutes));
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
