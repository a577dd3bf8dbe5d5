import { describe, expect, test } from "vitest";
import { blank, draftOf, elements, fromJson, misfit, nestedShape, read, readElements, readShape, toJson } from "./tensors";

describe("shapes", () => {
  test.each([
    ["2, 3", [2, 3]], ["[2,3]", [2, 3]], ["2x3", [2, 3]], ["2 × 3", [2, 3]], ["", []], ["[]", []], ["16", [16]], ["0", [0]],
    ["a", null], ["-1", null], ["1.5", null],
  ])("%s", (text, shape) => expect(readShape(text)).toEqual(shape));

  test("count, fit and nesting", () => {
    expect([elements([]), elements([2, 3]), elements([0, 5])]).toEqual([1, 6, 0]);
    expect(misfit([1, 4], [-1, 4])).toBeNull();
    expect(misfit([1, 5], [-1, 4])).toBe("the model takes [any, 4]");
    expect(misfit([4], [-1, 4])).toContain("takes");
    expect(nestedShape([[1, 2], [3, 4], [5, 6]])).toEqual([3, 2]);
  });
});

describe("elements", () => {
  test.each([
    ["INT32", "1, 2\n3;4", [1, 2, 3, 4]], ["INT32", "[[1, 2], [3, 4]]", [1, 2, 3, 4]], ["FP32", "1.5 -2e3 .5 NaN", [1.5, -2000, 0.5, "NaN"]],
    ["FP32", '"NaN", "-Infinity"', ["NaN", "-Infinity"]], ["BOOL", "true, 0 FALSE", [true, false, false]], ["BYTES", '"a, b", "c"', ["a, b", "c"]], ["BYTES", '["x"]', ["x"]],
    ["BYTES", "one line\nanother, line", ["one line", "another, line"]], ["FP32", "", []], ["INT64", "9007199254740991", [9007199254740991]],
  ])("%s %s", (datatype, text, data) => expect(readElements(text, datatype)).toEqual({ data }));

  test.each([
    ["UINT8", "1, 256", "element 2: a whole number from 0 to 255"], ["INT32", "1.5", "whole number"], ["FP32", "1, x", "element 2: a number is needed, found x"],
    ["BOOL", "yes", "true or false"], ["INT64", "9223372036854775807", ".npy"], ["BYTES", '"a" "b"', "double quotes"], ["BYTES", '["a", 1]', "element 2"],
  ])("%s refuses %s", (datatype, text, message) =>
    expect((readElements(text, datatype) as { message: string }).message).toContain(message),
  );
});

describe("drafts", () => {
  test("a blank one is valid for its model", () => {
    for (const [datatype, shape] of [["FP32", [-1, 3]], ["BYTES", [1]], ["BOOL", [2, 2]], ["INT64", []]] as const) {
      const spec = { name: "x", datatype, shape: [...shape] };
      expect(read(blank(spec), spec)).toHaveProperty("tensor");
    }
  });

  test("every mistake is told, each at its field", () => {
    const result = read({ name: " ", datatype: "FP8", shape: "1,a", text: "x" });
    expect("mistakes" in result && result.mistakes.map((mistake) => mistake.field)).toEqual(["name", "datatype", "shape", "data"]);
    const few = read({ name: "x", datatype: "FP32", shape: "2, 2", text: "1 2 3" });
    expect(few).toEqual({ mistakes: [{ field: "data", message: "shape [2, 2] needs 4 elements, here are 3" }] });
  });

  test("JSON and form keep each other's tensors", () => {
    const tensors = [
      { name: "a", datatype: "FP32", shape: [2, 2], data: [1, 2.5, "NaN", 4] },
      { name: "b", datatype: "BYTES", shape: [2], data: ['say "x"', "line\nbreak"] },
      { name: "c", datatype: "BOOL", shape: [1], data: [true] },
    ];
    const json = toJson(tensors, { seed: 7 });
    const back = fromJson(json);
    if (!("drafts" in back)) throw new Error(back.message);
    expect(back.parameters).toEqual({ seed: 7 });
    expect(back.drafts.map((draft) => read(draft))).toEqual(tensors.map((tensor) => ({ tensor })));
    expect(draftOf(tensors[0]!).text).toBe('1, 2.5,\n"NaN", 4');
  });

  test("nested data gives the shape", () => {
    const read = fromJson('[{"name":"x","datatype":"INT8","data":[[1,2,3],[4,5,6]]}]');
    expect("drafts" in read && read.drafts[0]?.shape).toBe("2, 3");
  });

  test.each([
    ["{", ""], ["{}", "inputs is needed"], ['{"inputs":[1]}', "inputs[0] is no object"], ['{"inputs":[{"datatype":"FP32"}]}', "no name"],
    ['{"inputs":[{"name":"x"}]}', "no datatype"], ['{"inputs":[{"name":"x","datatype":"FP32","shape":[-1]}]}', "shape"],
  ])("refuses %s", (text, message) => {
    const result = fromJson(text);
    expect("message" in result && result.message).toContain(message);
  });
});
