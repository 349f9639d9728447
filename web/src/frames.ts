/** The frames of the room's WebSocket, as far as the page reads and writes them. */

export type Role = "tutor" | "candidate" | "observer";
export type What = "program" | "examples" | "tests";
export type SandboxStatus = "ready" | "unavailable";
export type Ref = string | number | null;

export type Verdict =
  | "accepted"
  | "wrong_answer"
  | "time_limit"
  | "memory_limit"
  | "output_limit"
  | "runtime_error"
  | "judge_error"
  | "stopped";

export interface Participant {
  id: string;
  name: string;
  role: Role;
  present: boolean;
  /** An index into the page's own colours. */
  palette: number;
  /** Came in by a link that was revoked. */
  shut_out: boolean;
}

/** Times are milliseconds since the epoch, by the server's clock. */
export interface ClockState {
  phase: string | null;
  started_at: number | null;
  ends_at: number | null;
  phase_ends_at: number | null;
  paused: boolean;
  paused_at: number | null;
}

export interface Phase {
  name: string;
  minutes: number;
}

export interface InterviewInfo {
  title: string;
  candidate: string;
  format: string;
  language: "en" | "fr";
  minutes: number;
  phases: Phase[];
}

export interface Statement {
  title: string;
  /** Made safe by the server. */
  html: string;
  mode: string;
}

export interface DocumentState {
  version: number;
  text: string;
}

export interface RunStarted {
  kind: "run_started";
  run: string;
  what: What;
  doc: string;
  version: number;
  stdin: string | null;
  ref: Ref;
}

/** A run that has to wait moved up in line, or got its sandbox. */
export interface RunQueued {
  kind: "run_queued";
  run: string;
  /** 1 for the next; 0 once the run has its sandbox. */
  place: number;
}

/** The program reads its input, and nothing typed is left there. */
export interface InputAwaited {
  kind: "input_awaited";
  run: string;
}

export interface OutputWritten {
  kind: "output";
  run: string;
  stream: "stdout" | "stderr";
  text: string;
  test: string | null;
  visible: boolean;
  /** Nothing of this test's output follows: what a run may show is used up. */
  cut?: boolean;
}

/** Of a hidden test a candidate's frame has the first six fields only. */
export interface TestJudged {
  kind: "test_judged";
  run: string;
  test: string;
  group: string;
  visible: boolean;
  verdict: Verdict;
  time_ms?: number;
  memory_bytes?: number;
  name?: string;
  input?: string;
  expected?: string;
  got?: string;
  detail?: string;
  line?: number | null;
  /** The problem's own checker judged it; its words, in `detail`, are a tutor's alone. */
  checked?: boolean;
}

export interface GroupResult {
  group: string;
  visible: boolean;
  passed: number;
  total: number;
}

export interface RunFinished {
  kind: "run_finished";
  run: string;
  verdict: Verdict;
  time_ms: number;
  memory_bytes: number;
  passed: number;
  total: number;
  groups: GroupResult[];
  message: string;
  exit_code: number | null;
  /** Of a free run: the line that it broke on. */
  line: number | null;
}

export interface StdinWritten {
  kind: "stdin_written";
  run: string;
  text: string;
  eof: boolean;
}

export interface StopRequested {
  kind: "stop_requested";
  run: string;
}

/** What a run's log holds. */
export type RunEvent = OutputWritten | InputAwaited | TestJudged | RunFinished | StdinWritten | StopRequested;

export interface RunState {
  run: string;
  what: What;
  doc: string;
  version: number;
  by: string;
  at: number;
  finished: boolean;
  /** Its place in line for a sandbox, 1 for the next; 0 where it does not wait. */
  place: number;
  events: RunEvent[];
  /** Known of runs that started while this page was open. */
  stdin?: string | null;
}

export interface Edited {
  kind: "edited";
  doc: string;
  version: number;
  changes: unknown;
  client: string;
  ref: Ref;
}

interface ProblemOpened {
  kind: "problem_opened";
  problem: string;
  part: string;
  doc: string;
  title: string;
  statement: string;
  mode: string;
}

export type RoomEvent =
  | RunEvent
  | RunStarted
  | RunQueued
  | Edited
  | ProblemOpened
  | { kind: "participant_joined"; participant: string; name: string; role: Role }
  | { kind: "document_opened"; doc: string; text: string; title: string }
  | { kind: "phase_started"; phase: string }
  | { kind: "clock_paused" }
  | { kind: "clock_resumed" }
  | { kind: "clock_extended"; minutes: number }
  | { kind: "editor_locked"; locked: boolean }
  | { kind: "hint_opened"; problem: string; hint: number }
  | { kind: "note_taken"; text: string }
  | { kind: "criterion_scored"; problem: string; criterion: string; level: number; comment: string }
  | { kind: "access_revoked"; role: Role }
  | { kind: "journal_damaged"; lost: number }
  | { kind: "interview_ended" };

/** A journal entry in its place. */
export type EventFrame = RoomEvent & { type: "event"; seq: number; at: number; by: string };

export interface GuideProblem {
  id: string;
  title: string;
  minutes: number;
  parts: { id: string; title: string; minutes: number; opened: boolean }[];
  hints: string[];
  rubric: { id: string; look_for: string; scale: Record<string, string> }[];
  talk: { ask: string; listen_for: string[] }[];
}

export interface Score {
  level: number;
  comment: string;
}

/** What tutors alone receive. */
export interface TutorState {
  problems: GuideProblem[];
  hints_opened: { problem: string; hint: number }[];
  notes: { at: number; by: string; text: string }[];
  scores: Record<string, Record<string, Score>>;
  /** When a role's links and sessions were last ended. */
  revoked: Partial<Record<Role, number>>;
}

export type Revokable = "candidate" | "observer";

export interface RoomState {
  interview: InterviewInfo;
  documents: Record<string, DocumentState>;
  /** What people call the documents; empty for the scratch pad. */
  titles: Record<string, string>;
  problem: string | null;
  part: string | null;
  /** The document of the problem that is open now. */
  doc: string | null;
  statement: Statement | null;
  participants: Participant[];
  clock: ClockState;
  runs: Record<string, RunState>;
  locked: boolean;
  ended: boolean;
  sandbox: SandboxStatus;
  tutor?: TutorState;
}

export interface Welcome {
  type: "welcome";
  you: { id: string; name: string; role: Role };
  seq: number;
  now: number;
  /** Absent where the missing events follow instead. */
  state?: RoomState;
  /** Everything up to this event is on the server's disk; absent where the server does not tell. */
  saved?: number;
  /** False while the server cannot write. */
  saving?: boolean;
}

export interface CursorFrame {
  type: "cursor";
  by: string;
  name: string;
  palette: number;
  doc: string;
  version: number;
  anchor: number;
  head: number;
}

export interface ErrorFrame {
  type: "error";
  code: string;
  message: string;
  ref?: Ref;
}

export type ServerFrame =
  | Welcome
  | EventFrame
  | CursorFrame
  | ErrorFrame
  | { type: "presence"; participants: Participant[] }
  | { type: "sandbox"; status: SandboxStatus }
  | { type: "saved"; seq: number }
  | { type: "saving"; ok: boolean }
  | { type: "pong"; t: number; now: number };

export type ClientFrame =
  | { type: "hello"; after: number; client: string }
  | { type: "edit"; doc: string; version: number; changes: unknown; ref: Ref }
  | { type: "cursor"; doc: string; version: number; anchor: number; head: number }
  | { type: "run"; doc: string; what: What; ref: Ref; stdin?: string }
  | { type: "stdin"; run: string; text?: string; eof?: boolean; ref: Ref }
  | { type: "stop"; run: string; ref: Ref }
  | { type: "ping"; t: number }
  | { type: "open"; problem: string; part: string; ref: Ref }
  | { type: "phase"; action: PhaseAction; minutes?: number; ref: Ref }
  | { type: "hint"; hint: number; ref: Ref }
  | { type: "note"; text: string; ref: Ref }
  | { type: "score"; criterion: string; level: number; comment: string; ref: Ref }
  | { type: "lock"; locked: boolean; ref: Ref }
  | { type: "end"; ref: Ref }
  | { type: "revoke"; role: Revokable; ref: Ref };

export type PhaseAction = "start" | "pause" | "resume" | "extend" | "next";
