import { describe, expect, it } from "vitest";
import type { Model, Server } from "../../api/types";
import { diagnostics, headline } from "../../lib/problem";
import { mediaTypeOf, refusal, titleOf } from "./files";
import { defaultTarget, targetChoices } from "./targets";

const model = (id: string, server: string, state: Model["state"] = "ready", more: Partial<Model> = {}): Model => ({
  id,
  name: id,
  server,
  kind: "chat",
  state,
  running: 0,
  can: { load: true, unload: true, pull: false },
  pinned: false,
  ...more,
});
const server = (name: string, state: Server["state"] = "ok") => ({ name, state }) as Server;

describe("who can be asked", () => {
  const shown = (models: Model[], servers: Server[] = []) => targetChoices(models, servers).map(({ label, where }) => `${label}@${where}`);
  it.each<[string, Model[], Server[], string[]]>([
    ["one model on one server", [model("a", "x")], [], ["a@x"]],
    ["the same on two", [model("a", "x"), model("a", "y")], [], ["a@any of 2 servers", "a@x", "a@y"]],
    ["what is ready comes first", [model("b", "x", "unloaded"), model("a", "x")], [], ["a@x", "b@x"]],
    ["what is down comes last", [model("a", "x"), model("b", "y")], [server("x", "down")], ["b@y", "a@x"]],
    ["embeddings do not chat", [model("e", "x", "ready", { kind: "embedding" })], [], []],
  ])("%s", (_, models, servers, expected) => expect(shown(models, servers)).toEqual(expected));

  it("by default is who was asked last, then what is pinned, then what is ready", () => {
    const models = [model("a", "x"), model("b", "x", "ready", { pinned: true })];
    const none = { models: [], awaited: [] };
    expect(defaultTarget({ models, awaited: [] }, [], { model: "a", server: "x" })).toEqual({ model: "a", server: "x" });
    expect(defaultTarget({ models, awaited: [] }, [], { model: "gone", server: "x" })).toEqual({ model: "b", server: "x" });
    expect(defaultTarget({ models, awaited: ["slow"] }, [], { model: "c", server: "slow" })).toEqual({ model: "c", server: "slow" });
    expect(defaultTarget({ models, awaited: ["slow"] }, [], { model: "c", server: null })).toEqual({ model: "c", server: null });
    expect(defaultTarget({ models, awaited: ["other"] }, [], { model: "c", server: "slow" })).toEqual({ model: "b", server: "x" });
    expect(defaultTarget({ ...none, models: [model("a", "x")] }, [], null)).toEqual({ model: "a", server: "x" });
    expect(defaultTarget(none, [], null)).toBeNull();
  });
});

describe("files", () => {
  it.each<[string, string, string | null]>([
    ["a.png", "image/png", "image/png"],
    ["a.svg", "image/svg+xml", null],
    ["a.rs", "", "text/plain"],
    ["a.csv", "text/csv", "text/csv"],
    ["a.exe", "application/x-msdownload", null],
  ])("%s", (name, type, expected) => expect(mediaTypeOf({ name, type })).toBe(expected));

  it("that are too large are refused, and it is said why", () => {
    expect(refusal({ name: "a.png", type: "image/png", size: 9e6 })).toContain("the limit is 8.0 MiB");
    expect(refusal({ name: "a.png", type: "image/png", size: 10 })).toBeNull();
  });
});

describe("titles", () => {
  it.each([
    ["What is streaming?\nAnd more", "What is streaming?"],
    ["", "New conversation"],
    [`${"word ".repeat(30)}`, `${"word ".repeat(11).trim()}…`],
  ])("%s", (content, expected) => expect(titleOf(content)).toBe(expected));
});

describe("problems in words", () => {
  it("say what could not be done", () => {
    expect(headline({ title: "Connect", what: "ask the model" })).toBe("Could not ask the model");
    expect(headline({ title: "no connection" })).toBe("No connection");
    expect(headline({ kind: "first_token_timeout" })).toBe("First token timeout");
  });
  it("carry every attempt into what is copied", () => {
    const text = diagnostics({
      title: "Connect",
      what: "ask the model",
      detail: "connection refused",
      attempts: [{ server: "a", protocol: "rest", endpoint: "http://127.0.0.1:1", error: "refused", elapsed_ms: 12 }],
    });
    expect(text).toContain("attempt 1: a (REST) at http://127.0.0.1:1: refused (took 12 ms)");
  });
});
