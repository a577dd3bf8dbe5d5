// Work that is done a little in each frame, so that a long answer, or many at once, never keeps the page from being drawn.

/** Does some work until `late()`; returns whether there is more. */
export type Work = (late: () => boolean) => boolean;

/** What a frame may take, with all that the browser makes of the work: styles, layout, painting. On a busy machine it takes several times as long. */
const FRAME_MS = 6;
/** What the work itself may take of it at least. */
const LEAST_BUDGET_MS = 1;
/** After a costly frame, so much of its time is left for all else, here and on the machine. */
const REST = 0.3;
const MOST_REST_MS = 100;
/** A page in the background has no frames. */
const HIDDEN_MS = 250;

const waiting = new Set<Work>();
let scheduled = false;
/** How many times as long as the work a frame takes: the browser's part is larger than ours, and differs by what is drawn. */
let share = 3;
let restUntil = 0;
let frame = { started: 0, worked: 0 };
/** Its message is a task of its own: the first one after the frame was drawn. */
const drawn = new MessageChannel();
drawn.port1.onmessage = () => {
  const now = performance.now();
  const took = now - frame.started;
  if (took <= FRAME_MS) return;
  restUntil = now + Math.min(took * REST, MOST_REST_MS);
  share = 0.8 * share + 0.2 * (took / Math.max(frame.worked, 1));
};

export function inFrames(work: Work): void {
  waiting.add(work);
  schedule();
}

export function dropWork(work: Work): void {
  waiting.delete(work);
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) setTimeout(run, HIDDEN_MS);
  else requestAnimationFrame(run);
}

function run(): void {
  scheduled = false;
  const started = performance.now();
  if (started < restUntil) return schedule();
  const budget = Math.max(FRAME_MS / share, LEAST_BUDGET_MS);
  const late = () => performance.now() - started > budget;
  for (const work of [...waiting]) {
    waiting.delete(work);
    if (work(late)) waiting.add(work);
    if (late()) break;
  }
  frame = { started, worked: performance.now() - started };
  drawn.port2.postMessage(null);
  if (waiting.size > 0) schedule();
}
