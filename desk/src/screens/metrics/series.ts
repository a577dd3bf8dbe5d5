// Samples of the daemon as lines of a plot: one line a server, gaps where nothing was told.

import type { Sample } from "../../api/types";

export type ServerSample = Sample["servers"][string];
export interface Line {
  name: string;
  values: (number | null)[];
}
export interface Lines {
  /** Seconds since 1970, as uPlot has them. */
  at: number[];
  lines: Line[];
  /** Servers that told this number at no time in the range. */
  silent: string[];
}

/** The samples of both lists in order of time, each once, none older than `from`. */
export function join(older: readonly Sample[], newer: readonly Sample[], from: number): Sample[] {
  const last = older.at(-1)?.at ?? -Infinity;
  const fresh = newer.filter((sample) => sample.at > last);
  const all = fresh.length ? [...older, ...fresh] : older;
  const begin = firstAt(all, from);
  return begin === 0 ? (all as Sample[]) : all.slice(begin);
}

/** The names of all servers in the samples, in order. */
export function servers(samples: readonly Sample[]): string[] {
  const names = new Set<string>();
  for (const sample of samples) for (const name of Object.keys(sample.servers)) names.add(name);
  return [...names].sort((a, b) => a.localeCompare(b, "en"));
}

/**
 * Lines of one number, at most `points` long: neighbours are put together by their mean, so that an hour of seconds can
 * be drawn. A stretch in which a server told nothing stays a gap.
 */
export function lines(samples: readonly Sample[], names: readonly string[], pick: (one: ServerSample) => number | null | undefined, points = 400): Lines {
  const size = Math.max(1, Math.ceil(samples.length / points));
  // Stretches begin at multiples of their size, so that a line does not tremble as samples arrive.
  const step = size > 1 ? size * spacing(samples) : 0;
  const at: number[] = [];
  const sums: { sum: number[]; count: number[] }[] = [];
  let key = Number.NaN;
  for (const sample of samples) {
    const own = step ? Math.floor(sample.at / step) : sample.at;
    if (own !== key) {
      key = own;
      at.push(sample.at / 1000);
      sums.push({ sum: names.map(() => 0), count: names.map(() => 0) });
    }
    const stretch = sums.at(-1);
    if (!stretch) continue;
    names.forEach((name, index) => {
      const one = sample.servers[name];
      const value = one ? pick(one) : null;
      if (value == null || !Number.isFinite(value)) return;
      stretch.sum[index] = (stretch.sum[index] ?? 0) + value;
      stretch.count[index] = (stretch.count[index] ?? 0) + 1;
    });
  }
  const all = names.map((name, index): Line => ({
    name,
    values: sums.map(({ sum, count }) => (count[index] ? (sum[index] ?? 0) / (count[index] ?? 1) : null)),
  }));
  const told = (line: Line) => line.values.some((value) => value != null);
  return { at, lines: all.filter(told), silent: all.filter((line) => !told(line)).map((line) => line.name) };
}

/** The share of answers that needed no call of their own, of those that the cache was asked for in each second. */
export function hitShare(samples: readonly Sample[]): (number | null)[] {
  return samples.map(({ cache }) => {
    const all = cache ? cache.hits + cache.misses + cache.joined : 0;
    return cache && all > 0 ? (cache.hits + cache.joined) / all : null;
  });
}

/** Whether a server answered anything in these samples: without that, a number that is missing says nothing of it. */
export function wasCalled(samples: readonly Sample[], name: string): boolean {
  return samples.some(({ servers: { [name]: one } }) => one != null && (one.requests > one.errors || one.in_flight > 0));
}

/** Why some servers have no line: they had no calls, or they had and do not tell this number. */
export function silence(silent: readonly string[], called: (name: string) => boolean): string {
  const [mute, idle] = [silent.filter(called), silent.filter((name) => !called(name))];
  const parts = [mute.length ? `Not exposed by ${mute.join(", ")}` : "", idle.length ? `no answers from ${idle.join(", ")}` : ""].filter(Boolean);
  const text = parts.join("; ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The value with this share of all values below it; null without any. */
export function quantile(values: readonly (number | null)[], q: number): number | null {
  const known = values.filter((value): value is number => value != null && Number.isFinite(value)).sort((a, b) => a - b);
  if (!known.length) return null;
  const place = q * (known.length - 1);
  const below = known[Math.floor(place)] ?? 0;
  return below + ((known[Math.ceil(place)] ?? below) - below) * (place - Math.floor(place));
}

function spacing(samples: readonly Sample[]): number {
  const [first, last] = [samples[0]?.at ?? 0, samples.at(-1)?.at ?? 0];
  return samples.length > 1 ? Math.max(1, Math.round((last - first) / (samples.length - 1) / 1000) * 1000) : 1000;
}

function firstAt(samples: readonly Sample[], from: number): number {
  let [low, high] = [0, samples.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.at ?? 0) < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
