import { describe, expect, test } from "vitest";
import { address, nameMistake, suggest } from "./address";
import { abilities, share, strip, timeline } from "./health";

describe("the strip", () => {
  const now = 1_000_000;
  const at = (before: number, ok: boolean, detail?: string) => ({ at: now - before, ok, detail });

  test.each([
    [[], ["none", "none", "none"]],
    [[at(5, true)], ["none", "none", "ok"]],
    [[at(5, false), at(15, true), at(12, false)], ["none", "mixed", "down"]],
    [[at(25, true), at(99, false)], ["ok", "none", "none"]],
    [[at(0, true)], ["none", "none", "ok"]],
  ])("%j", (history, states) => expect(strip(history, now, 3, 10).map((cell) => cell.state)).toEqual(states));

  test("a failure's cause stays with its stretch", () => expect(strip([at(5, false, "refused")], now, 1, 10)[0]?.detail).toBe("refused"));
  test("without checks there is no share", () => expect([share([]), share([at(1, true), at(2, false)])]).toEqual([null, 0.5]));
});

test("the timeline has the latest first, of every server", () => {
  const event = (at: number, kind: "failover" | "health") => ({ at, text: `${kind} ${at}`, kind });
  const servers = [{ name: "a", events: [event(1, "health"), event(5, "failover")] }, { name: "b", events: [event(3, "health")] }];
  expect(timeline(servers).map((one) => `${one.server}${one.at}`)).toEqual(["a5", "b3", "a1"]);
  expect(timeline(servers, "failover").length).toBe(1);
});

test("abilities in the words and the order of a person", () =>
  expect(abilities(["tell its health", "load models", "infer", "chat", "list models"])).toEqual(["chat", "infer", "load models"]));

describe("addresses", () => {
  test.each([
    ["gpu.lan:8000", "http://gpu.lan:8000"], [" https://x.example.com/base/ ", "https://x.example.com/base"], ["localhost:11434", "http://localhost:11434"],
    ["http://[::1]:8000", "http://[::1]:8000"], ["", null], ["two words", null], ["ftp://x", null], ["http://", null], ["http://x?y=1", null], ["http://me@x", null],
  ])("%s", (text, url) => expect(address(text)).toBe(url));

  test.each([
    ["http://127.0.0.1:11434", "Ollama", [], "ollama"], ["http://gpu.lan:8000", "triton", [], "gpu"], ["http://gpu.lan", null, ["GPU", "gpu-2"], "gpu-3"],
    ["http://127.0.0.1:1", "LM Studio", [], "lm-studio"], ["http://10.0.0.7:80", "vllm", [], "vllm"], ["http://localhost:1", null, [], "server"],
  ])("%s of %s", (url, product, taken, name) => expect(suggest(url, product, taken)).toBe(name));

  test.each([["gpu", null], ["", "needs a name"], ["1a", "letter first"], ["a__b", "no two"], ["a_b-c", null], ["x".repeat(65), "1 to 64"], ["Built-in", "engine"], ["TAKEN", "another"]])("name %s", (name, why) => {
    const mistake = nameMistake(name, ["taken"]);
    if (why) expect(mistake).toContain(why);
    else expect(mistake).toBeNull();
  });
});
