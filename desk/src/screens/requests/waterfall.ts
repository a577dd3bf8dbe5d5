// Where the time of a call went: its attempts as bars on one axis.
//
// The ledger tells how long each attempt waited and took, not when it began, so they are laid one after the other. Two
// that raced (a hedge and the one it hedged) ended together when one of them was given up; there both bars end at once.

import type { Attempt } from "../../api/types";

export interface Bar {
  attempt: Attempt;
  number: number;
  /** Milliseconds from the call's beginning; waiting lasts from `waited` to `from`. */
  waited: number;
  from: number;
  to: number;
}
export interface Layout {
  bars: Bar[];
  /** From the commitment to the end of the answer; null when no attempt was committed. */
  answer: { from: number; to: number } | null;
  total: number;
  ticks: number[];
}

export function layout(attempts: readonly Attempt[], total: number | null | undefined): Layout {
  const bars: Bar[] = [];
  let cursor = 0;
  for (let index = 0; index < attempts.length; index += 1) {
    const attempt = attempts[index];
    if (!attempt) continue;
    const partner = raced(attempt, attempts[index + 1]) ? attempts[index + 1] : undefined;
    if (!partner) {
      const from = cursor + wait(attempt);
      bars.push({ attempt, number: index + 1, waited: cursor, from, to: from + took(attempt) });
      cursor = from + took(attempt);
      continue;
    }
    const end = cursor + Math.max(wait(attempt) + took(attempt), wait(partner) + took(partner));
    for (const [offset, one] of [attempt, partner].entries()) {
      const from = Math.max(cursor, end - took(one));
      bars.push({ attempt: one, number: index + 1 + offset, waited: Math.max(cursor, from - wait(one)), from, to: end });
    }
    cursor = end;
    index += 1;
  }
  const committed = bars.findLast((bar) => bar.attempt.outcome === "committed");
  const whole = Math.max(cursor, total ?? 0);
  const answer = committed && whole > committed.to ? { from: committed.to, to: whole } : null;
  return { bars, answer, total: whole, ticks: ticks(whole) };
}

/** Round numbers from 0, at most six, for the axis. */
export function ticks(total: number): number[] {
  if (!(total > 0)) return [0];
  const rough = total / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  return Array.from({ length: Math.floor(total / step + 1e-9) + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

const wait = (attempt: Attempt) => attempt.wait_ms ?? 0;
const took = (attempt: Attempt) => attempt.elapsed_ms ?? 0;

function raced(one: Attempt, other: Attempt | undefined): boolean {
  if (!other || !(one.hedge || other.hedge)) return false;
  return [one.outcome, other.outcome].includes("cancelled");
}
