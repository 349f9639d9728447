// The browser's own rules of connecting and saving, driven by JSON lines as tests/core/differential/peer.mjs is.
import { createInterface } from "node:readline";
import { capMs, delayMs } from "../../web/src/backoff.ts";
import { Flushed } from "../../web/src/flushed.ts";
import { BEAT_MS, feel } from "../../web/src/heartbeat.ts";
import { wasSent } from "../../web/src/pending.ts";

let flushed = new Flushed();

const answers = {
  cap: ({ failures, away }) => capMs(failures, away),
  delay: ({ failures, away, chance }) => delayMs(failures, away, chance),
  feel: ({ pulse, now, isInView }) => feel(pulse, now, isInView),
  beat: () => BEAT_MS,
  wasSent: ({ pending, missed, client }) => wasSent(pending, missed, client),
  page: () => {
    flushed = new Flushed();
    return null;
  },
  take: ({ frame, steps }) => {
    if (frame.type === "welcome") flushed.welcome(frame.saved);
    if (frame.type === "saved") flushed.saved(frame.seq);
    if (frame.type === "event") flushed.accepted(frame.seq, steps);
    return flushed.steps;
  },
};

function answer(requests) {
  try {
    return { value: requests.map((request) => answers[request.ask](request)).at(-1) };
  } catch (error) {
    return { error: String(error.stack) };
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});
