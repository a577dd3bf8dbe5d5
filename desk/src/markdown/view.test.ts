import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { MarkdownView } from "./view.svelte";

let frames: (() => void)[] = [];
const nextFrame = () => frames.splice(0).forEach((run) => run());
const shown = (view: MarkdownView) => view.groups.flat().map((block) => (block.kind === "html" ? block.content.html : block.text)).join("");

beforeEach(() => {
  frames = [];
  vi.stubGlobal("document", { hidden: false });
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
});
afterAll(() => vi.unstubAllGlobals());

describe("what comes all at once", () => {
  it("is shown over several frames, and all of it", () => {
    const view = new MarkdownView();
    const text = Array.from({ length: 300 }, (_, n) => `Paragraph ${n}.\n\n`).join("");
    view.push(text);
    expect(view.text).toBe(text);
    nextFrame();
    expect(shown(view)).toContain("Paragraph 0.");
    expect(shown(view)).not.toContain("Paragraph 150.");
    view.end();
    let count = 1;
    for (; frames.length > 0 && count < 500; count += 1) nextFrame();
    expect(count).toBeGreaterThan(5);
    expect(shown(view).match(/<p>Paragraph \d+\.<\/p>/g)?.length).toBe(300);
    expect(view.text).toBe(text);
  });

  it("is never cut inside a character", () => {
    const view = new MarkdownView();
    view.push(`a${"😀".repeat(5_000)}`);
    while (frames.length > 0) {
      nextFrame();
      expect(shown(view)).toMatch(/^(?:<p>a?😀+<\/p>\n)+$/u);
    }
  });
});

it("a few words are shown with the next frame", () => {
  const view = new MarkdownView();
  view.push("Some **words**");
  nextFrame();
  expect(shown(view)).toBe("<p>Some <strong>words</strong></p>\n");
  expect(frames).toEqual([]);
});
