// A run and a comparison as the benchmark stores them: the parts that the screen shows. Times in milliseconds. By hand:
// the desk hands them on as the benchmark wrote them, so its document says no more than that they are objects.

import type { Certificate } from "./certificate";
import type { Finding, Interval } from "./compare";

export interface Quantile {
  value: number;
  low?: number | null;
  high?: number | null;
}
export interface Spread {
  count: number;
  mean: number;
  p50?: Quantile | null;
  p95?: Quantile | null;
  p99?: Quantile | null;
  /** The quantiles 0, 1, 2, … 100 %. */
  curve?: number[];
}
export interface Level {
  load: string;
  repeats: number;
  requests: number;
  success: { count: number; of: number };
  failures: Record<string, string>;
  window: { requests_per_second: number; tokens_per_second: number; goodput?: number | null };
  metrics: { ttft?: Spread | null; itl?: Spread | null; e2e?: Spread | null; tpot?: Spread | null };
  warnings: string[];
}
export interface Run {
  id: string;
  started: string;
  seconds: number;
  subject: {
    target: string;
    model?: string | null;
    protocol?: string | null;
    dialect?: string | null;
    task: string;
    stream: boolean;
    tokens?: number | null;
    prompts: string;
    objectives: string;
    stop: string;
  };
  levels: Level[];
  interrupted: boolean;
  certificate?: Certificate | null;
}
export interface Change {
  load: string;
  metric: string;
  a: number;
  b: number;
  ratio?: Interval | null;
  finding: Finding;
}
export interface Comparison {
  a: string;
  b: string;
  threshold: number;
  changes: Change[];
  warnings: string[];
}
