// Work that is done a little in each frame. All of it together has a few milliseconds, so that a long answer, or many at
// once, never keeps the page from being drawn.

/** Does some work until `late()`; returns whether there is more. */
export type Work = (late: () => boolean) => boolean;

const BUDGET_MS = 6;
/** A page in the background has no frames. */
const HIDDEN_MS = 250;

const waiting = new Set<Work>();
let scheduled = false;
/** After a costly frame, rest as long as it took. */
let restUntil = 0;

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
  const late = () => performance.now() - started > BUDGET_MS;
  for (const work of [...waiting]) {
    waiting.delete(work);
    if (work(late)) waiting.add(work);
    if (late()) break;
  }
  const took = performance.now() - started;
  if (took > BUDGET_MS) restUntil = performance.now() + Math.min(took, 100);
  if (waiting.size > 0) schedule();
}
