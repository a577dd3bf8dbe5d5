import { describe, expect, it } from "vitest";
import { SseParser, type StreamEvent } from "./sse";

const encoder = new TextEncoder();
function parsed(bytes: Uint8Array, cut: number): StreamEvent[] {
  const parser = new SseParser();
  const found: StreamEvent[] = [];
  for (let at = 0; at < bytes.length; at += cut) found.push(...parser.push(bytes.slice(at, at + cut)));
  return found;
}

const cases: [string, string, StreamEvent[]][] = [
  ["one event", "event: text\ndata: {}\n\n", [{ event: "text", data: "{}" }]],
  ["comments", ": ping\n\nevent: a\n: more\ndata: 1\n\n", [{ event: "a", data: "1" }]],
  ["no name", "data: 1\n\n", [{ event: "message", data: "1" }]],
  ["several lines", "data: a\ndata: b\n\n", [{ event: "message", data: "a\nb" }]],
  ["carriage returns", "event: x\r\ndata: 1\r\n\r\n", [{ event: "x", data: "1" }]],
  ["no space", "event:x\ndata:1\n\n", [{ event: "x", data: "1" }]],
  ["letters of several bytes", 'data: "é…🚢"\n\n', [{ event: "message", data: '"é…🚢"' }]],
  ["an unfinished event is none", "data: 1\n", []],
  ["an event without data is none", "event: x\n\ndata: 2\n\n", [{ event: "message", data: "2" }]],
];

describe("events, however the bytes are cut", () => {
  it.each(cases)("%s", (_, text, expected) => {
    const bytes = encoder.encode(text);
    for (const cut of [1, 2, 3, 5, bytes.length]) expect(parsed(bytes, cut)).toEqual(expected);
  });
});
