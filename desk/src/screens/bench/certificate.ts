// How far the client's own numbers can be trusted: the run's certificate beside its levels, in rows.

import type { Run } from "./types";

export interface Certificate {
  levels: { load: string; deviations: Deviation[]; simulator_lag: number }[];
  ceiling?: { concurrency: number; requests_per_second: number; tokens_per_second: number } | null;
  problems: string[];
}
interface Deviation {
  metric: string;
  count: number;
  true_mean: number;
  mean: number;
  true_p99?: number | null;
  p99?: number | null;
}
export interface Row extends Deviation {
  load: string;
  /** What client and way add to the mean, in milliseconds, and as a share of what the run measured. */
  bias: number;
  share: number | null;
  /** The same for the 99th percentile. */
  lag: number | null;
}

/** What client and way may add; more is marked. As the report has it. */
export const TRUSTED = 0.01;

export function rows(run: Pick<Run, "levels" | "certificate">): Row[] {
  return (run.certificate?.levels ?? []).flatMap(({ load, deviations }) =>
    deviations.map((one) => {
      const bias = one.mean - one.true_mean;
      const metrics = run.levels.find((level) => level.load === load)?.metrics;
      const mean = metrics?.[one.metric as keyof typeof metrics]?.mean;
      return { ...one, load, bias, share: mean ? bias / mean : null, lag: one.p99 != null && one.true_p99 != null ? one.p99 - one.true_p99 : null };
    }),
  );
}

export const doubtful = (row: Row): boolean => row.share != null && Math.abs(row.share) > TRUSTED;
