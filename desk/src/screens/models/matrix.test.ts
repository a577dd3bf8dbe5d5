import { describe, expect, test } from "vitest";
import type { Load, Model } from "../../api/types";
import { ALL, fraction, loadOf, memory, rows, stateOf } from "./matrix";

const model = (id: string, server: string, state: string, more: object = {}) =>
  ({ id, name: id, server, kind: "chat", state, can: { load: true, unload: true, pull: false }, pinned: false, ...more }) as Model;
const load = (server: string, id: string, state: string, op = "load") => ({ id: `${server}/${id}`, server, model: id, op, state, started_at: 0 }) as Load;

const MODELS = [
  model("qwen3:8b", "gpu", "ready", { size_bytes: 4e9, family: "qwen3" }),
  model("qwen3:8b", "laptop", "unloaded", { quantization: "Q4_0" }),
  model("alpha", "laptop", "unloaded"),
  model("zeta", "laptop", "unloaded", { pinned: true }),
  model("minilm", "gpu", "ready", { kind: "embedding" }),
];

describe("the matrix", () => {
  test.each([
    [{}, ["zeta", "minilm", "qwen3:8b", "alpha"]], [{ text: "QWEN q4" }, ["qwen3:8b"]], [{ text: "embed" }, ["minilm"]], [{ state: "ready" }, ["minilm", "qwen3:8b"]],
    [{ server: "laptop" }, ["zeta", "qwen3:8b", "alpha"]], [{ server: "laptop", state: "ready" }, []], [{ text: "nothing" }, []],
  ])("filtered by %j", (filter, ids) => expect(rows(MODELS, [], { ...ALL, ...filter }).map((row) => row.id)).toEqual(ids));

  test("a cell for each server", () => {
    const row = rows(MODELS, []).find((row) => row.id === "qwen3:8b");
    expect([...(row?.cells.keys() ?? [])]).toEqual(["gpu", "laptop"]);
    expect(row?.ready).toBe(1);
  });

  test("a load under way decides, an ended one does not", () => {
    const of = (state: string, op?: string) => stateOf(MODELS[2]!, [load("laptop", "alpha", state, op)]);
    expect([of("loading"), of("running"), of("running", "unload"), of("failed"), of("done")]).toEqual(["loading", "loading", "draining", "unloaded", "unloaded"]);
    expect(loadOf([load("a", "m", "failed"), load("a", "m", "loading")], "a", "m")?.state).toBe("loading");
  });

  test("progress and memory are known or not, never zero for unknown", () => {
    expect([fraction({}), fraction({ done_bytes: 5 }), fraction({ done_bytes: 5, total_bytes: 10 }), fraction({ done_bytes: 11, total_bytes: 10 })]).toEqual([null, null, 0.5, 1]);
    expect([memory(MODELS, "gpu"), memory(MODELS, "laptop"), memory(MODELS, "none")]).toEqual([4e9, null, null]);
  });
});
