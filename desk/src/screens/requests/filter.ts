// Which calls are shown: the filters as a query to the API, and the same for calls that arrive live.

import type { CallSummary } from "../../api/types";

export interface Filter {
  q: string;
  server: string;
  outcome: string;
}
export const EVERYTHING: Filter = { q: "", server: "", outcome: "" };

export function query(filter: Filter, before?: string, limit = 200): string {
  const parameters = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries({ q: filter.q.trim(), server: filter.server, outcome: filter.outcome, before: before ?? "" }))
    if (value) parameters.set(name, value);
  return `calls?${parameters}`;
}

export function matches(call: CallSummary, filter: Filter): boolean {
  if (filter.server && call.server !== filter.server) return false;
  if (filter.outcome && call.outcome !== filter.outcome) return false;
  const text = [call.id, call.op, call.model, call.server, call.protocol, call.from, call.dialect_in, call.outcome, call.error_kind].filter(Boolean).join(" ").toLowerCase();
  return filter.q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The list with what arrived: a call that is known is replaced where it stands, a new one comes first. */
export function merge(list: readonly CallSummary[], arrived: readonly CallSummary[], filter: Filter): CallSummary[] {
  const known = new Map(list.map((call) => [call.id, call]));
  for (const call of arrived) {
    const before = known.get(call.id);
    if (!before || before.outcome === "running") known.set(call.id, call);
  }
  return [...known.values()].filter((call) => matches(call, filter)).sort((a, b) => b.at - a.at || b.id.localeCompare(a.id));
}
