// A Problem in words: for the card, and for the clipboard.

import type { Attempt, Problem } from "../api/types";
import { duration, wayName } from "./format";

export function headline(problem: Problem): string {
  if (problem.what) return `Could not ${problem.what}`;
  return sentence(problem.title || problem.detail || kindName(problem.kind) || "It failed");
}

/** "unavailable" → "Unavailable"; "first_token_timeout" → "First token timeout". */
export function kindName(kind: string | undefined | null): string {
  return kind ? sentence(kind.replaceAll("_", " ")) : "";
}

export function attemptWhere(attempt: Attempt): string {
  const way = wayName(attempt.protocol, attempt.dialect);
  return `${attempt.server ?? attempt.endpoint ?? "unknown server"}${way ? ` (${way})` : ""}`;
}

export function attemptError(attempt: Attempt): string {
  return attempt.error ?? kindName(attempt.outcome).toLowerCase();
}

/** Plain text to paste into a report: everything the card shows and the numbers behind it. */
export function diagnostics(problem: Problem, context: Record<string, string | null | undefined> = {}): string {
  const lines = [`Longshore: ${headline(problem)}`];
  if (problem.title && problem.what) lines.push(`problem: ${problem.title}`);
  if (problem.detail && problem.detail !== problem.title) lines.push(`detail: ${problem.detail}`);
  if (problem.kind) lines.push(`kind: ${problem.kind}`);
  if (problem.status) lines.push(`status: ${problem.status}`);
  for (const fact of problem.context ?? []) lines.push(`${fact.what}: ${fact.value}`);
  for (const [name, value] of Object.entries(context)) if (value) lines.push(`${name}: ${value}`);
  for (const [index, attempt] of (problem.attempts ?? []).entries()) {
    const times = [attempt.wait_ms ? `waited ${duration(attempt.wait_ms)}` : "", attempt.elapsed_ms != null ? `took ${duration(attempt.elapsed_ms)}` : ""];
    lines.push(
      `attempt ${index + 1}: ${attemptWhere(attempt)}${attempt.endpoint ? ` at ${attempt.endpoint}` : ""}: ${attemptError(attempt)}` +
        (times.some(Boolean) ? ` (${times.filter(Boolean).join(", ")})` : ""),
    );
  }
  if (problem.next) lines.push(`next: ${problem.next}`);
  lines.push(`at: ${new Date().toISOString()}`);
  return lines.join("\n");
}

export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
