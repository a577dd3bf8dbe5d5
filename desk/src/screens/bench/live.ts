// What a run tells while it goes: counters by the second, which become the lines of the live plot. By
// hand: the document has the events of a run as text only.

export interface Progress {
  at?: number;
  elapsed_s?: number;
  sent?: number;
  in_flight?: number;
  complete?: number;
  failed?: number;
  requests_per_second?: number | null;
  tokens_per_second?: number | null;
  ttft_ms?: number | null;
  latency_ms?: number | null;
}
export interface Stage {
  load: string;
  number?: number;
  of?: number | null;
}
export interface Watched {
  stage: Stage | null;
  phase: string;
  last: Progress | null;
  seconds: number[];
  requests: (number | null)[];
  tokens: (number | null)[];
  ttft: (number | null)[];
  latency: (number | null)[];
}

export const NOTHING: Watched = { stage: null, phase: "probing", last: null, seconds: [], requests: [], tokens: [], ttft: [], latency: [] };
const MOST = 3600;

/** The state after one event; a progress that does not go on in time is not drawn twice. */
export function watch(state: Watched, event: string, data: unknown, now: number, began: number): Watched {
  if (event === "stage") {
    const stage = data as Stage & { phase?: string };
    return { ...state, stage: stage.load ? stage : state.stage, phase: stage.phase ?? "running" };
  }
  if (event !== "progress") return state;
  const progress = data as Progress & { phase?: string };
  const second = progress.elapsed_s ?? (now - began) / 1000;
  if (second <= (state.seconds.at(-1) ?? -1)) return { ...state, last: progress };
  const add = (list: (number | null)[], value: number | null | undefined) => [...list, value ?? null].slice(-MOST);
  return {
    ...state,
    phase: progress.phase ?? (state.stage ? "running" : state.phase),
    last: progress,
    seconds: [...state.seconds, second].slice(-MOST),
    requests: add(state.requests, progress.requests_per_second),
    tokens: add(state.tokens, progress.tokens_per_second),
    ttft: add(state.ttft, progress.ttft_ms),
    latency: add(state.latency, progress.latency_ms),
  };
}
