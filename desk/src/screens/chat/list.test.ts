import { expect, test } from "vitest";
import { marked } from "./list";

test.each([
  ["how keels work", "keel", "how [keels] work"],
  ["a reword of words", "WORD", "a reword of [words]"],
  ["明日の天気予報", "予報", "明日の天気[予報]"],
  ["GPUで推論する", "gpu 推論", "[GPU]で[推論]する"],
  ["予報ok", "予報", "[予報]ok"],
  ["nothing", "", "nothing"],
])("%s is marked for %s", (snippet, query, expected) => {
  expect(marked(snippet, query).map(({ text, hit }) => (hit ? `[${text}]` : text)).join("")).toBe(expected);
});
