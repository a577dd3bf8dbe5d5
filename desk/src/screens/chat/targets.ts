// Who can be asked: every chat model, on any server that has it or on one in particular.

import type { Model, ModelsView, Server, Target } from "../../api/types";

export interface TargetChoice {
  target: Target;
  label: string;
  /** The server, or "any of 3 servers". */
  where: string;
  /** The state of the model there, as the models' view has it. */
  state: string;
  group: string;
}

const CHATS = new Set(["chat", "completion", "unknown"]);
const ORDER = ["ready", "loading", "unloaded", "unknown", "draining", "failed"];

export function targetChoices(models: readonly Model[], servers: readonly Server[]): TargetChoice[] {
  const down = new Set(servers.filter((server) => server.state === "down").map((server) => server.name));
  const byId = new Map<string, Model[]>();
  for (const model of models) {
    if (CHATS.has(model.kind)) byId.set(model.id, [...(byId.get(model.id) ?? []), model]);
  }
  const groups = [...byId].map(([id, places]) => {
    const sorted = [...places].sort((a, b) => rank(a, down) - rank(b, down) || a.server.localeCompare(b.server));
    const best = sorted[0];
    const choices: TargetChoice[] = sorted.map((place) => ({
      target: { model: id, server: place.server },
      label: id,
      where: place.server,
      state: down.has(place.server) ? "down" : place.state,
      group: id,
    }));
    if (sorted.length > 1 && best) {
      choices.unshift({ target: { model: id, server: null }, label: id, where: `any of ${sorted.length} servers`, state: best.state, group: id });
    }
    return { choices, rank: best ? rank(best, down) : 9 };
  });
  return groups.sort((a, b) => a.rank - b.rank).flatMap(({ choices }) => choices);
}

/** What is asked when nobody chose: what was asked last, unless its server says that it has it no longer; a pinned model; one that is ready. */
export function defaultTarget({ models, awaited }: Pick<ModelsView, "models" | "awaited">, servers: readonly Server[], last: Target | null): Target | null {
  const choices = targetChoices(models, servers);
  const mayCome = last?.server ? awaited.includes(last.server) : awaited.length > 0;
  if (last && (mayCome || choices.some((choice) => sameTarget(choice.target, last)))) return last;
  const pinned = models.find((model) => model.pinned && CHATS.has(model.kind));
  if (pinned) return { model: pinned.id, server: pinned.server };
  return choices[0]?.target ?? null;
}

export function sameTarget(a: Target | null, b: Target | null): boolean {
  return a?.model === b?.model && (a?.server ?? null) === (b?.server ?? null);
}

function rank(model: Model, down: Set<string>): number {
  const at = ORDER.indexOf(model.state);
  const unsure = model.kind === "chat" ? 0 : 10;
  return (at < 0 ? ORDER.length : at) + unsure + (down.has(model.server) ? 100 : 0);
}
