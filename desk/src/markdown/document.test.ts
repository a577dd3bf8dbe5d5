import { describe, expect, it } from "vitest";
import { closed, MarkdownDocument, type Block } from "./document";

function fed(pieces: string[]): MarkdownDocument {
  const doc = new MarkdownDocument();
  for (const piece of pieces) {
    doc.push(piece);
    doc.advance();
  }
  doc.end();
  doc.advance();
  return doc;
}
const flat = (blocks: Block[]) => blocks.map((block) => (block.kind === "code" ? `[${block.lang}]${block.text}` : block.content.html)).join("");
const chars = (text: string) => [...text];

const TEXTS: Record<string, string> = {
  paragraphs: "One.\n\nTwo *words* and `code`.\n\nThree.",
  "headings and rules": "# Title\n\nText\n\n---\n\n## Next\nmore",
  setext: "Title\n=====\n\ntext",
  lists: "- one\n- two\n  - inner\n- three\n\nAfter.\n\n1. first\n2. second\n",
  "a loose list": "- one\n\n- two\n\n  more of two\n\n- three\n\nEnd.",
  tables: "| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\nEnd.",
  quotes: "> one\n> two\n\nText",
  fences: "Before\n\n```rust\nfn main() {}\n\n// more\n```\n\nAfter",
  "a fence after a paragraph": "Before\n```\nx\n```\nAfter",
  "a fence of tildes": "~~~py\n```\nnot the end\n~~~\nend",
  "an open fence": "```js\nlet x = 1;\n",
  "an empty fence": "```\n```\nend",
  html: "Text <b>bold</b>\n\n<script>alert(1)</script>\n\nEnd",
  "indented code": "Para\n\n    code\n    more\n\nEnd",
};

describe("text in pieces gives what the whole text gives", () => {
  it.each(Object.entries(TEXTS))("%s", (_, text) => {
    const whole = flat(fed([text]).frozen);
    expect(flat(fed(chars(text)).frozen)).toBe(whole);
    for (const size of [2, 3, 7, 16]) {
      expect(flat(fed(text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? []).frozen)).toBe(whole);
    }
    expect(whole).not.toBe("");
  });
});

describe("text that is rendered a little at a time gives what the whole text gives", () => {
  it.each(Object.entries(TEXTS))("%s", (_, text) => {
    const doc = new MarkdownDocument();
    doc.push(text);
    doc.end();
    let times = 0;
    while (doc.advance(() => true)) times += 1;
    expect(flat(doc.frozen)).toBe(flat(fed([text]).frozen));
    expect(times).toBeGreaterThanOrEqual(doc.frozen.length - 1);
  });
});

describe("blocks", () => {
  it("are frozen once: the same objects stay", () => {
    const doc = new MarkdownDocument();
    doc.push("One.\n\nTwo.\n\nThree");
    doc.advance();
    const first = doc.frozen[0];
    expect(doc.frozen.length).toBe(2);
    doc.push(" and more.\n\nFour");
    doc.advance();
    expect(doc.frozen[0]).toBe(first);
    expect(doc.frozen.length).toBe(3);
  });

  it("keep their key when they are frozen", () => {
    const doc = new MarkdownDocument();
    doc.push("```js\nlet x");
    doc.advance();
    const key = doc.tail[0]?.key;
    doc.push(" = 1;\n```\n");
    doc.advance();
    expect(doc.frozen[0]?.key).toBe(key);
  });

  it("show an open fence as code at once, without the beginning of its end", () => {
    const doc = new MarkdownDocument();
    doc.push("```sh\nls\n``");
    doc.advance();
    expect(doc.tail).toEqual([{ key: 0, kind: "code", lang: "sh", text: "ls", open: true }]);
  });

  it("do not turn a paragraph into a heading for a list's first dash", () => {
    const doc = new MarkdownDocument();
    doc.push("Things:\n-");
    doc.advance();
    expect(flat(doc.tail)).toBe("<p>Things:</p>\n");
  });

  it("stop in time and go on later", () => {
    const doc = new MarkdownDocument();
    doc.push("a\n\n".repeat(5_000));
    let steps = 0;
    while (doc.advance(() => true)) steps += 1;
    expect(steps).toBeGreaterThan(1);
    doc.end();
    doc.advance();
    expect(doc.frozen.length).toBe(5_000);
  });
});

describe("a very long block is cut", () => {
  const cases: [string, string, RegExp][] = [
    ["list", Array.from({ length: 3000 }, (_, i) => `${i + 1}. item number ${i + 1}`).join("\n"), /<li>/g],
    ["table", `| n | text |\n|---|---|\n${Array.from({ length: 3000 }, (_, i) => `| ${i} | row |`).join("\n")}`, /<td>\d+<\/td>/g],
    ["paragraph", "word ".repeat(40_000).trim(), /word/g],
    ["lines", Array.from({ length: 3000 }, (_, i) => `line ${i}`).join("\n"), /line \d/g],
  ];
  it.each(cases)("%s", (_, text, part) => {
    const doc = fed(text.match(/[^]{1,500}/g) ?? []);
    expect(doc.frozen.length).toBeGreaterThan(3);
    expect(flat(doc.frozen).match(part)?.length).toBe(text.startsWith("word") ? 40_000 : 3000);
    expect(Math.max(...doc.frozen.map((block) => (block.kind === "html" ? block.content.html.length : 0)))).toBeLessThan(60_000);
    expect(doc.frozen.slice(1).every((block) => block.kind === "html" && block.continued)).toBe(true);
  });

  it("text without spaces is cut between sentences, and never inside a character", () => {
    const blocks = (text: string) => fed([text]).frozen.map((block) => (block.kind === "html" ? block.content.html.replace(/<\/?p>|\n/g, "") : ""));
    expect(blocks("模型服务器的桌面客户端。".repeat(1000)).every((block) => block.endsWith("。"))).toBe(true);
    expect(blocks(`a${"😀".repeat(9000)}`).join("")).toBe(`a${"😀".repeat(9000)}`);
    expect(blocks(`a${"😀".repeat(9000)}`).every((block) => /^a?😀+$/u.test(block))).toBe(true);
  });

  it("a numbered list goes on counting", () => {
    const text = Array.from({ length: 2000 }, (_, i) => `${i + 1}. item`).join("\n");
    const second = fed([text]).frozen[1];
    expect(second?.kind === "html" && /<ol start="\d{3,}"/.test(second.content.html)).toBe(true);
  });
});

describe("nothing of a reply is markup of its own", () => {
  it.each([
    ["<img src=x onerror=alert(1)>", "&lt;img"],
    ["a <script>alert(1)</script> b", "&lt;script"],
    ["![secret](https://evil.example/x.png)", 'href="https://evil.example/x.png"'],
    ["[go](javascript:alert(1))", "(javascript:alert(1))"],
    ["[go](https://a.example/path)", 'rel="noopener noreferrer nofollow" target="_blank">go</a> <span class="target">(a.example)</span>'],
  ])("%s", (text, expected) => {
    const html = flat(fed([text]).frozen);
    expect(html).toContain(expected);
    expect(html).not.toMatch(/<(img|script|iframe|svg)|href="javascript:/i);
  });
});

describe("open ends are closed", () => {
  it.each([
    ["some **bold", "some **bold**"],
    ["some `code", "some `code`"],
    ["see [text](https://exa", "see text"],
    ["**done** and", "**done** and"],
    ["`a` and `b`", "`a` and `b`"],
    ["`**` and", "`**` and"],
    ["ends **", "ends "],
  ])("%s", (text, expected) => expect(closed(text)).toBe(expected));
});
