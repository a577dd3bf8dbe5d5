// The matrix of models and servers: a row for each model's name, a cell where a server has it.

import type { Load, Model } from "../../api/types";

export interface Row {
  id: string;
  name: string;
  kind: string;
  family: string | null;
  cells: Map<string, Model>;
  pinned: boolean;
  ready: number;
}
export interface Filter {
  text: string;
  state: string;
  server: string;
}

export const ALL: Filter = { text: "", state: "any", server: "any" };

/** Rows in the order in which a person looks: pinned, then ready, then by name. */
export function rows(models: readonly Model[], loads: readonly Load[], filter: Filter = ALL): Row[] {
  const found = new Map<string, Row>();
  for (const model of models) {
    let row = found.get(model.id);
    if (!row) {
      row = { id: model.id, name: model.name || model.id, kind: model.kind, family: model.family ?? null, cells: new Map(), pinned: false, ready: 0 };
      found.set(model.id, row);
    }
    row.cells.set(model.server ?? "", model);
    row.pinned ||= Boolean(model.pinned);
    row.ready += stateOf(model, loads) === "ready" ? 1 : 0;
    row.family ??= model.family ?? null;
    if (row.kind === "unknown") row.kind = model.kind;
  }
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return [...found.values()].filter((row) => fits(row, words, filter, loads)).sort(byInterest);
}

/** The load that is under way or was the last for this model on this server. */
export function loadOf(loads: readonly Load[], server: string, model: string): Load | undefined {
  return loads.findLast((load) => load.server === server && load.model === model);
}

/** A load that still runs decides over what the server's list said last. */
export function stateOf(model: Model, loads: readonly Load[]): string {
  const load = loadOf(loads, model.server ?? "", model.id);
  return load && isUnderWay(load) ? (load.op === "unload" ? "draining" : "loading") : model.state;
}

export function isUnderWay(load: Load): boolean {
  return !["done", "ready", "unloaded", "failed", "cancelled"].includes(load.state);
}

/** How far a load is, from 0 to 1; null where the server does not tell. */
export function fraction(load: Pick<Load, "done_bytes" | "total_bytes">): number | null {
  const { done_bytes: done, total_bytes: total } = load;
  return done == null || !total ? null : Math.min(1, done / total);
}

/** Memory that the ready models of a server hold, as far as it is known; null where nothing is. */
export function memory(models: readonly Model[], server: string): number | null {
  const sizes = models.filter((model) => model.server === server && model.state === "ready").map((model) => model.size_bytes);
  const known = sizes.filter((size): size is number => size != null);
  return known.length ? known.reduce((sum, size) => sum + size, 0) : null;
}

function fits(row: Row, words: string[], filter: Filter, loads: readonly Load[]): boolean {
  const cells = [...row.cells.values()].filter((cell) => filter.server === "any" || cell.server === filter.server);
  const text = [row.id, row.name, row.kind, row.family ?? "", ...cells.map((cell) => `${cell.server} ${cell.quantization ?? ""}`)].join(" ").toLowerCase();
  const inState = cells.filter((cell) => filter.state === "any" || stateOf(cell, loads) === filter.state);
  return inState.length > 0 && words.every((word) => text.includes(word));
}

function byInterest(a: Row, b: Row): number {
  return Number(b.pinned) - Number(a.pinned) || Number(b.ready > 0) - Number(a.ready > 0) || a.id.localeCompare(b.id, "en");
}
