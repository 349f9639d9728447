/** What the page knows of its room: the state that the server sent, and each event taken in since. */
import { nextClock } from "./clock";
import type {
  EventFrame,
  Participant,
  Role,
  RoomState,
  RunEvent,
  RunState,
  SandboxStatus,
  TutorState,
  Welcome,
} from "./frames";

/** How soon after a change the page is drawn again; what comes together is drawn together. */
const DRAW_AFTER_MS = 16;

export class Model {
  state: RoomState | null = null;
  /** The last event seen. */
  seq = 0;
  you: { id: string; name: string; role: Role } | null = null;
  private readonly listeners: ((state: RoomState) => void)[] = [];
  private drawing: number | undefined;

  /** Call `listener` soon after anything changed. */
  subscribe(listener: (state: RoomState) => void): void {
    this.listeners.push(listener);
  }

  /** Take in a `welcome`; without a state in it, the missing events follow. */
  welcome(frame: Welcome): void {
    this.you = frame.you;
    if (frame.state) {
      this.state = frame.state;
      this.seq = frame.seq;
    }
    this.changed();
  }

  presence(participants: Participant[]): void {
    if (this.state) this.state.participants = participants;
    this.changed();
  }

  sandbox(status: SandboxStatus): void {
    if (this.state) this.state.sandbox = status;
    this.changed();
  }

  /** The interview is over, as the server said in closing the connection. */
  ended(): void {
    if (this.state) this.state.ended = true;
    this.changed();
  }

  /** Take in an event; one that was seen already changes nothing. */
  apply(frame: EventFrame): void {
    if (!this.state || frame.seq <= this.seq) return;
    this.seq = frame.seq;
    evolve(this.state, frame);
    this.changed();
  }

  changed(): void {
    this.drawing ??= window.setTimeout(() => {
      this.drawing = undefined;
      const state = this.state;
      if (state) this.listeners.forEach((listener) => listener(state));
    }, DRAW_AFTER_MS);
  }
}

/** The name of a participant; a dash for the platform itself. */
export function nameOf(state: RoomState, id: string): string {
  return state.participants.find((person) => person.id === id)?.name ?? "–";
}

/** The run that has not finished, if any. */
export function runUnderWay(state: RoomState): RunState | null {
  return Object.values(state.runs).find((run) => !run.finished) ?? null;
}

function evolve(state: RoomState, event: EventFrame): void {
  switch (event.kind) {
    case "document_opened":
      state.documents[event.doc] = { version: 0, text: event.text };
      state.titles[event.doc] = event.title;
      break;
    case "edited": {
      const document = state.documents[event.doc];
      if (document) document.version = event.version;
      break;
    }
    case "problem_opened":
      openProblem(state, event);
      break;
    case "run_started":
      state.runs[event.doc] = { ...event, finished: false, place: 0, events: [] };
      break;
    case "run_queued": {
      const run = runCalled(state, event.run);
      if (run) run.place = event.place;
      break;
    }
    case "journal_damaged":
      break;
    case "editor_locked":
      state.locked = event.locked;
      break;
    case "interview_ended":
      state.ended = true;
      break;
    case "phase_started":
    case "clock_paused":
    case "clock_resumed":
    case "clock_extended":
      state.clock = nextClock(state.clock, state.interview.phases, event);
      break;
    case "hint_opened":
    case "note_taken":
    case "criterion_scored":
    case "access_revoked":
      if (state.tutor) evolveTutor(state.tutor, event);
      break;
    case "participant_joined":
      break; // the presence frame that follows says it all
    default:
      logRun(state, event);
  }
}

function openProblem(state: RoomState, event: EventFrame & { kind: "problem_opened" }): void {
  state.problem = event.problem;
  state.part = event.part;
  state.doc = event.doc;
  state.statement = { title: event.title, html: event.statement, mode: event.mode };
  const problem = state.tutor?.problems.find((one) => one.id === event.problem);
  const part = problem?.parts.find((one) => one.id === event.part);
  if (part) part.opened = true;
}

type TutorEvent = EventFrame & { kind: "hint_opened" | "note_taken" | "criterion_scored" | "access_revoked" };

function evolveTutor(tutor: TutorState, event: TutorEvent): void {
  switch (event.kind) {
    case "hint_opened":
      tutor.hints_opened.push({ problem: event.problem, hint: event.hint });
      break;
    case "note_taken":
      tutor.notes.push({ at: event.at, by: event.by, text: event.text });
      break;
    case "criterion_scored": {
      const scores = (tutor.scores[event.problem] ??= {});
      scores[event.criterion] = { level: event.level, comment: event.comment };
      break;
    }
    case "access_revoked":
      tutor.revoked[event.role] = event.at;
  }
}

function logRun(state: RoomState, event: RunEvent): void {
  const run = runCalled(state, event.run);
  if (!run) return;
  run.events.push(event);
  if (event.kind !== "run_finished") return;
  run.finished = true;
  run.place = 0;
}

function runCalled(state: RoomState, name: string): RunState | undefined {
  return Object.values(state.runs).find((one) => one.run === name);
}
