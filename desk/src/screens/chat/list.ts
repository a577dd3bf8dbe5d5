// The list's words: days, and what a search has hit.

import type { ConversationSummary } from "../../api/types";

export interface Day {
  label: string;
  items: ConversationSummary[];
}

/** Today, yesterday, the last week, and then by month. The order of the items is kept. */
export function daysOf(items: readonly ConversationSummary[], now: number): Day[] {
  const days: Day[] = [];
  for (const item of items) {
    const label = dayOf(item.updated_at, now);
    const last = days.at(-1);
    if (last?.label === label) last.items.push(item);
    else days.push({ label, items: [item] });
  }
  return days;
}

function dayOf(at: number, now: number): string {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const day = 86_400_000;
  if (at >= midnight) return "Today";
  if (at >= midnight - day) return "Yesterday";
  if (at >= midnight - 6 * day) return "Last seven days";
  const date = new Date(at);
  const month = MONTHS[date.getMonth()] ?? "";
  return date.getFullYear() === new Date(now).getFullYear() ? month : `${month} ${date.getFullYear()}`;
}

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** Writings that join words: there each character is a word, as the index has it. */
const ALONE = "\\p{sc=Han}\\p{sc=Hira}\\p{sc=Kana}\\p{sc=Hang}\\p{sc=Bopo}";
const IN_WORD = `(?![${ALONE}])[\\p{L}\\p{N}]`;

/** A snippet's parts: words that begin as one of the query's does are hits, and where words are joined, what stands anywhere. */
export function marked(snippet: string, query: string): { text: string; hit: boolean }[] {
  const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
  if (words.length === 0) return [{ text: snippet, hit: false }];
  const hits = new RegExp(`((?:(?=[${ALONE}])|(?<!${IN_WORD}))(?:${words.join("|")})(?:(?<![${ALONE}])${IN_WORD})*)`, "giu");
  return snippet
    .split(hits)
    .map((text, index) => ({ text, hit: index % 2 === 1 }))
    .filter(({ text }) => text !== "");
}
