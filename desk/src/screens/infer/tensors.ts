// The tensors of a request between three forms: what the model's metadata asks for, what a person types, and JSON.
//
// The text of each tensor is what is edited; JSON is derived from it and read back into it, so both editors show one
// state. Whole numbers beyond 2^53 are refused here rather than rounded: a .npy file carries them exactly.

export const DATATYPES = [
  "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES",
] as const;
export type Datatype = (typeof DATATYPES)[number];

export interface Spec {
  name: string;
  datatype: string;
  shape: number[];
}
export interface Tensor extends Spec {
  data: unknown[];
  /** The bytes as base64 where they cannot be shown as elements; `data` is empty then. */
  raw?: string | null;
}
/** A tensor while it is edited: shape and elements as text. */
export interface Draft {
  name: string;
  datatype: string;
  shape: string;
  text: string;
}
export interface Mistake {
  field: "shape" | "data" | "name" | "datatype";
  message: string;
}

const RANGES: Record<string, [number, number]> = {
  UINT8: [0, 255], UINT16: [0, 65_535], UINT32: [0, 4_294_967_295], UINT64: [0, Number.MAX_SAFE_INTEGER],
  INT8: [-128, 127], INT16: [-32_768, 32_767], INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};
const WORDS = ["NaN", "Infinity", "-Infinity"];
/** More elements than this are not shown as text; a file is the way. */
export const MOST_TYPED = 20_000;

/** A draft for what the model takes: free axes become one, elements a value that is valid. */
export function blank(spec: Spec): Draft {
  const shape = spec.shape.map((length) => (length < 0 ? 1 : length));
  const count = Math.min(elements(shape), 64);
  const one = spec.datatype === "BYTES" ? '"text"' : spec.datatype === "BOOL" ? "false" : "0";
  return { name: spec.name, datatype: spec.datatype, shape: shape.join(", "), text: Array(count).fill(one).join(", ") };
}

/** How many elements a shape has; one for a scalar. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** `2, 3`, `[2,3]` and `2x3` are shapes; the empty text is a scalar's. */
export function readShape(text: string): number[] | null {
  const inner = text.trim().replace(/^\[|\]$/g, "").trim();
  if (inner === "") return [];
  const parts = inner.split(/\s*[,x×\s]\s*/).filter((part) => part !== "");
  return parts.every((part) => /^\d+$/.test(part)) ? parts.map(Number) : null;
}

/** A draft as the tensor that is sent, or what is wrong with it. */
export function read(draft: Draft, spec?: Spec): { tensor: Tensor } | { mistakes: Mistake[] } {
  const mistakes: Mistake[] = [];
  if (draft.name.trim() === "") mistakes.push({ field: "name", message: "a tensor needs a name" });
  if (!(DATATYPES as readonly string[]).includes(draft.datatype))
    mistakes.push({ field: "datatype", message: `${draft.datatype || "nothing"} is no datatype` });
  const shape = readShape(draft.shape);
  if (!shape) mistakes.push({ field: "shape", message: "whole numbers, with commas between: 1, 16" });
  else if (spec) {
    const wrong = misfit(shape, spec.shape);
    if (wrong) mistakes.push({ field: "shape", message: wrong });
  }
  const values = readElements(draft.text, draft.datatype);
  if ("message" in values) mistakes.push({ field: "data", message: values.message });
  else if (shape && values.data.length !== elements(shape))
    mistakes.push({
      field: "data",
      message: `shape ${showShape(shape)} needs ${elements(shape)} element${elements(shape) === 1 ? "" : "s"}, here are ${values.data.length}`,
    });
  if (mistakes.length || !shape || "message" in values) return { mistakes };
  return { tensor: { name: draft.name.trim(), datatype: draft.datatype, shape, data: values.data } };
}

/** The elements that a person typed: separated by commas or lines, brackets allowed; texts in quotes or one a line. */
export function readElements(text: string, datatype: string): { data: unknown[] } | { message: string } {
  const trimmed = text.trim();
  if (trimmed === "") return { data: [] };
  if (datatype === "BYTES") return readTexts(trimmed, text);
  const data: unknown[] = [];
  const parts = trimmed.replace(/[[\]]/g, " ").split(/[\s,;]+/);
  for (const part of parts) {
    if (part === "") continue;
    const value = readOne(part.replace(/^"(.*)"$/, "$1"), datatype);
    if (value === undefined) return { message: `element ${data.length + 1}: ${expected(datatype, part)}` };
    data.push(value);
  }
  return { data };
}

/** The tensor as a draft, each row of its last axis on a line. */
export function draftOf(tensor: Tensor): Draft {
  const flat = flatten(tensor.data);
  const shown = flat.map((value) => JSON.stringify(value));
  const width = tensor.shape.length > 1 ? (tensor.shape.at(-1) ?? 0) : 0;
  const rows: string[] = [];
  if (width > 0) for (let at = 0; at < shown.length; at += width) rows.push(shown.slice(at, at + width).join(", "));
  return {
    name: tensor.name,
    datatype: tensor.datatype,
    shape: tensor.shape.join(", "),
    text: rows.length ? rows.join(",\n") : shown.join(", "),
  };
}

/** The request's inputs and parameters as the JSON editor has them. */
export function toJson(tensors: readonly Tensor[], parameters: Record<string, unknown>): string {
  const inputs = tensors.map((tensor) =>
    `    ${JSON.stringify({ name: tensor.name, datatype: tensor.datatype, shape: tensor.shape, data: tensor.data })}`);
  const rest = Object.keys(parameters).length ? `,\n  "parameters": ${JSON.stringify(parameters)}` : "";
  return `{\n  "inputs": [\n${inputs.join(",\n")}\n  ]${rest}\n}`;
}

/** What stands in the JSON editor, as drafts; nested lists give the shape where none is written. */
export function fromJson(text: string): { drafts: Draft[]; parameters: Record<string, unknown> } | { message: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { message: error instanceof Error ? error.message : "this is no JSON" };
  }
  const inputs = Array.isArray(value) ? value : isRecord(value) ? value["inputs"] : undefined;
  if (!Array.isArray(inputs)) return { message: "an object with a list called inputs is needed" };
  const drafts: Draft[] = [];
  for (const [index, input] of inputs.entries()) {
    const where = `inputs[${index}]`;
    if (!isRecord(input)) return { message: `${where} is no object` };
    if (typeof input["name"] !== "string") return { message: `${where} has no name` };
    if (typeof input["datatype"] !== "string") return { message: `${where} has no datatype` };
    const data = input["data"] ?? [];
    const shape = input["shape"] ?? nestedShape(data);
    if (!Array.isArray(shape) || !shape.every((length) => Number.isInteger(length) && length >= 0))
      return { message: `${where}: its shape must be a list of whole numbers` };
    drafts.push(draftOf({ name: input["name"], datatype: input["datatype"], shape, data: Array.isArray(data) ? data : [data] }));
  }
  const parameters = isRecord(value) && isRecord(value["parameters"]) ? value["parameters"] : {};
  return { drafts, parameters };
}

/** Why a shape does not fit what the model takes; null where it does. */
export function misfit(shape: readonly number[], wanted: readonly number[]): string | null {
  const fits = shape.length === wanted.length && wanted.every((length, axis) => length < 0 || length === shape[axis]);
  return fits ? null : `the model takes ${showShape(wanted)}`;
}

/** `[1, ?, 16]`: a free axis is a question mark. */
export function showShape(shape: readonly number[]): string {
  return `[${shape.map((length) => (length < 0 ? "any" : length)).join(", ")}]`;
}

export function flatten(data: unknown): unknown[] {
  return Array.isArray(data) ? data.flat(Infinity) : [data];
}

export function nestedShape(data: unknown): number[] {
  return Array.isArray(data) ? [data.length, ...(Array.isArray(data[0]) ? nestedShape(data[0]) : [])] : [];
}

function readTexts(trimmed: string, raw: string): { data: unknown[] } | { message: string } {
  if (/^["[]/.test(trimmed)) {
    try {
      const list = flatten(JSON.parse(trimmed.startsWith("[") ? trimmed : `[${trimmed.replace(/,\s*$/, "")}]`));
      const odd = list.findIndex((item) => typeof item !== "string");
      return odd < 0 ? { data: list } : { message: `element ${odd + 1}: a text in quotes is needed` };
    } catch {
      if (trimmed.startsWith('"')) return { message: "texts in double quotes with commas between, or one text a line without quotes" };
    }
  }
  return { data: raw.replace(/\n$/, "").split("\n") };
}

function readOne(part: string, datatype: string): unknown {
  if (datatype === "BOOL") {
    if (/^(true|1)$/i.test(part)) return true;
    return /^(false|0)$/i.test(part) ? false : undefined;
  }
  const range = RANGES[datatype];
  if (range) {
    const value = /^[+-]?\d+$/.test(part) ? Number(part) : Number.NaN;
    return value >= range[0] && value <= range[1] ? value : undefined;
  }
  if (WORDS.includes(part)) return part;
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(part) ? Number(part) : Number.NaN;
  return Number.isFinite(value) ? value : undefined;
}

function expected(datatype: string, found: string): string {
  const shown = `found ${found.length > 24 ? `${found.slice(0, 24)}…` : found}`;
  const range = RANGES[datatype];
  if (range && /^[+-]?\d{16,}$/.test(found) && datatype.endsWith("64"))
    return `beyond 2^53 a number would be rounded here; upload a .npy file instead (${shown})`;
  if (range) return `a whole number from ${range[0]} to ${range[1]} is needed, ${shown}`;
  return datatype === "BOOL" ? `true or false is needed, ${shown}` : `a number is needed, ${shown}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
