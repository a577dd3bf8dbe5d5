// Which numbers are plotted, in which order and unit.

import type { ServerSample } from "./series";

export interface PlotOf {
  id: string;
  title: string;
  unit: "ms" | "tokens" | "requests" | "count";
  pick: (one: ServerSample) => number | null | undefined;
}

export const PLOTS: PlotOf[] = [
  { id: "throughput", title: "Throughput", unit: "tokens", pick: (one) => one.tokens_per_second },
  { id: "requests", title: "Requests", unit: "requests", pick: (one) => one.requests },
  { id: "ttft", title: "Time to first token, p50", unit: "ms", pick: (one) => one.ttft_p50_ms },
  { id: "ttft95", title: "Time to first token, p95", unit: "ms", pick: (one) => one.ttft_p95_ms },
  { id: "itl", title: "Between tokens, p50", unit: "ms", pick: (one) => one.itl_p50_ms },
  { id: "latency", title: "Latency, p50", unit: "ms", pick: (one) => one.latency_p50_ms },
  { id: "latency95", title: "Latency, p95", unit: "ms", pick: (one) => one.latency_p95_ms },
  { id: "errors", title: "Errors", unit: "requests", pick: (one) => one.errors },
  { id: "in_flight", title: "In flight", unit: "count", pick: (one) => one.in_flight },
  { id: "queue", title: "Queue", unit: "count", pick: (one) => one.queue },
];
