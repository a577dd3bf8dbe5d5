// The calls in the list as a file.

import type { CallSummary } from "../../api/types";
import { saveFile } from "../../lib/clipboard";

const COLUMNS = ["id", "at", "op", "model", "server", "protocol", "from", "dialect_in", "outcome", "error_kind", "ttft_ms", "total_ms", "tokens", "attempts", "cache"] as const;

export function exportCalls(calls: readonly CallSummary[], format: "json" | "csv"): void {
  if (format === "json") saveFile("longshore-requests.json", JSON.stringify(calls, null, 2), "application/json");
  else saveFile("longshore-requests.csv", csv(calls), "text/csv");
}

export function csv(calls: readonly CallSummary[]): string {
  const lines = calls.map((call) => COLUMNS.map((name) => field(name === "at" ? new Date(call.at).toISOString() : call[name])).join(","));
  return `${[COLUMNS.join(","), ...lines].join("\r\n")}\r\n`;
}

/** Quoted where needed; a text that a spreadsheet would run as a formula is made a text again. */
function field(value: unknown): string {
  if (value == null) return "";
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
