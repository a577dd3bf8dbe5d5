import { describe, expect, it } from "vitest";
import type { Message } from "../../api/types";
import { Tree } from "./tree";

let clock = 0;
function message(id: string, parent: string | null, role: "user" | "assistant" = "user", at = ++clock): Message {
  return { id, parent, role, content: id, attachments: [], created_at: at };
}

const branched = [
  message("q1", null),
  message("a1", "q1", "assistant"),
  message("q2", "a1"),
  message("a2", "q2", "assistant"),
  message("q2b", "a1"),
  message("a2b", "q2b", "assistant"),
  message("a2c", "q2b", "assistant"),
];
const ids = (messages: readonly Message[]) => messages.map(({ id }) => id).join(" ");

describe("path", () => {
  it.each([
    ["a2", "q1 a1 q2 a2"],
    ["a2b", "q1 a1 q2b a2b"],
    ["a1", "q1 a1"],
    [null, "q1 a1 q2b a2c"],
    ["gone", "q1 a1 q2b a2c"],
  ])("to %s", (leaf, expected) => {
    expect(ids(new Tree(branched).path(leaf))).toBe(expected);
  });

  it("of nothing is empty", () => expect(new Tree([]).path(null)).toEqual([]));

  it("ends where parents form a ring", () => {
    const ring = [message("x", "y"), message("y", "x")];
    expect(new Tree(ring).path("x").length).toBeLessThanOrEqual(2);
  });

  it("begins anew below a parent that is gone", () => {
    expect(ids(new Tree([message("x", "gone")]).path("x"))).toBe("x");
  });
});

describe("branches", () => {
  it("are siblings, oldest first", () => {
    const tree = new Tree(branched);
    expect(ids(tree.siblings(tree.get("a2c")!))).toBe("a2b a2c");
    expect(ids(tree.siblings(tree.get("q2")!))).toBe("q2 q2b");
  });

  it("lead to their newest leaf", () => {
    const tree = new Tree(branched);
    expect(tree.newestLeaf("q2b")).toBe("a2c");
    expect(tree.newestLeaf("a2")).toBe("a2");
  });

  it("asked for together are told from those asked again", () => {
    const both = [message("q", null), message("x", "q", "assistant", 900), message("y", "q", "assistant", 900), message("z", "q", "assistant", 950)];
    const tree = new Tree(both);
    expect(ids(tree.together(tree.get("x")!))).toBe("x y");
    expect(ids(tree.together(tree.get("z")!))).toBe("z");
    expect(ids(tree.together(tree.get("q")!))).toBe("q");
  });
});
