// Settings as a form: grouped and searched, what was typed read as the value that is sent, and who objects to it.
//
// What can be said at once is said here; the API has the last word, with a problem for each path.

import type { Setting } from "../../api/types";

export interface Group {
  section: string;
  settings: Setting[];
}
export type Typed = Record<string, string>;

/** Settings that fit every word of the search, by section, in the order in which they came. */
export function groups(settings: readonly Setting[], search = "", only: (setting: Setting) => boolean = () => true): Group[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map<string, Setting[]>();
  for (const setting of settings) {
    const text = `${setting.path} ${setting.path.replaceAll(/[._]/g, " ")} ${setting.doc} ${setting.kind}`.toLowerCase();
    if (!only(setting) || !words.every((word) => text.includes(word))) continue;
    const group = found.get(setting.section) ?? [];
    group.push(setting);
    found.set(setting.section, group);
  }
  return [...found].map(([section, list]) => ({ section, settings: list }));
}

/** A value as it stands in its field. */
export function shown(value: unknown): string {
  if (value == null) return "";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What was typed as the value to send; an empty field unsets the setting, so that its default holds. */
export function typed(setting: Pick<Setting, "kind">, text: string): unknown {
  const value = text.trim();
  if (value === "") return null;
  if (setting.kind === "switch") return value === "true";
  if (setting.kind === "whole number" || setting.kind === "number") return Number(value);
  if (setting.kind === "list") return value.split(/\s*[,\n]\s*/).filter(Boolean);
  return value;
}

/** What is wrong with the text of a field as far as it can be told here; null where nothing is. */
export function mistake(setting: Pick<Setting, "kind" | "range" | "choices">, text: string): string | null {
  const value = text.trim();
  if (value === "") return null;
  if (setting.choices?.length) return setting.choices.includes(value) ? null : `one of ${setting.choices.join(", ")}`;
  const measure = measures[setting.kind];
  if (!measure) return null;
  const size = measure.read(value);
  if (size == null) return measure.wrong(value);
  return within(size, setting.range, measure.read);
}

/** What was changed, ready to be sent. A text that is back at its old value is no change. */
export function changes(settings: readonly Setting[], texts: Typed): { path: string; value: unknown }[] {
  return settings
    .filter((setting) => setting.path in texts && texts[setting.path]?.trim() !== shown(setting.value))
    .map((setting) => ({ path: setting.path, value: typed(setting, texts[setting.path] ?? "") }));
}

/** Milliseconds of `1m30s`; null for anything else. */
export function readDuration(text: string): number | null {
  const units: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 0.001 };
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us))+$/.test(text)) return null;
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us)/g)) sum += Number(number) * (units[unit ?? ""] ?? 0);
  return sum;
}

/** Bytes of `64MiB`, `10MB` or `4096`; null for anything else. */
export function readSize(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(?:(K|M|G|T)(iB|B)|B)?$/.exec(text);
  if (!match) return null;
  const power = match[2] ? "KMGT".indexOf(match[2]) + 1 : 0;
  return Number(match[1]) * (match[3] === "iB" ? 1024 : 1000) ** power;
}

interface Measure {
  read: (text: string) => number | null;
  wrong: (text: string) => string;
}
const whole = (text: string) => (/^-?\d+$/.test(text) ? Number(text) : null);
const decimal = (text: string) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
const measures: Record<string, Measure> = {
  duration: {
    read: readDuration,
    wrong: (text) => (decimal(text) != null ? `add a unit: ${text}s is seconds, ${text}ms is milliseconds` : "a duration such as 250ms, 30s or 1m30s"),
  },
  size: { read: readSize, wrong: () => "a size such as 64KiB or 1GiB" },
  "whole number": { read: whole, wrong: () => "a whole number" },
  number: { read: decimal, wrong: () => "a number" },
  address: { read: (text) => (/^(https?:\/\/)?[^\s/]+(:\d+)?(\/\S*)?$/.test(text) ? 0 : null), wrong: () => "an address such as http://gpu.lan:8000" },
  "socket address": { read: (text) => (/^.+:\d{1,5}$/.test(text) ? 0 : null), wrong: () => "an IP address and a port, such as 127.0.0.1:8400" },
  switch: { read: (text) => (/^(true|false)$/.test(text) ? 0 : null), wrong: () => "true or false" },
};

/** Ranges are written as the documentation has them: `10ms to 10m`, `1 to 1000`. */
function within(size: number, range: string | null | undefined, read: (text: string) => number | null): string | null {
  const ends = range?.split(" to ");
  if (ends?.length !== 2) return null;
  const [low, high] = [read(ends[0] ?? ""), read(ends[1] ?? "")];
  return low != null && high != null && (size < low || size > high) ? `use ${range}` : null;
}
