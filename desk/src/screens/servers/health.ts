// What a server's card says: its history as a strip of cells, its share of good answers, and the fleet's timeline.

import type { Server } from "../../api/types";

export interface Check {
  at: number;
  ok: boolean;
  ms?: number | null;
  detail?: string | null;
}
export interface Cell {
  state: "ok" | "mixed" | "down" | "none";
  from: number;
  to: number;
  good: number;
  all: number;
  detail: string | null;
}
export interface Incident {
  at: number;
  server: string;
  kind: string;
  text: string;
}

/** The last `count` stretches of `step` milliseconds, oldest first. A stretch without a check is `none`, not good. */
export function strip(history: readonly Check[], now: number, count = 45, step = 20_000): Cell[] {
  const begin = now - count * step;
  const cells = Array.from({ length: count }, (_, index): Cell => {
    const from = begin + index * step;
    return { state: "none", from, to: from + step, good: 0, all: 0, detail: null };
  });
  for (const check of history) {
    const cell = cells[Math.min(count - 1, Math.floor((check.at - begin) / step))];
    if (!cell || check.at < begin) continue;
    cell.all += 1;
    cell.good += check.ok ? 1 : 0;
    if (!check.ok) cell.detail = check.detail ?? null;
  }
  for (const cell of cells) if (cell.all) cell.state = cell.good === cell.all ? "ok" : cell.good ? "mixed" : "down";
  return cells;
}

/** What a person wants to know of what a server can: what it answers, and what can be done with its models. */
export function abilities(capabilities: readonly string[]): string[] {
  const order = ["chat", "complete", "embed", "infer", "load", "unload", "pull"];
  const words = order.filter((word) => capabilities.some((one) => one === word || one.startsWith(`${word} `)));
  return words.map((word) => (["load", "unload", "pull"].includes(word) ? `${word} models` : word));
}

/** The share of good checks; null without any. */
export function share(history: readonly Check[]): number | null {
  return history.length ? history.filter((check) => check.ok).length / history.length : null;
}

/** Everything that happened to any server, latest first. */
export function timeline(servers: readonly Pick<Server, "name" | "events">[], kind = "any"): Incident[] {
  const all = servers.flatMap((server) => server.events.map((event) => ({ ...event, server: server.name })));
  return all.filter((event) => kind === "any" || event.kind === kind).sort((a, b) => b.at - a.at);
}
