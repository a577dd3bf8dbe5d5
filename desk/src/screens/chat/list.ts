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

/** A snippet's parts; hits stand between U+0001 and U+0002. */
export function marked(snippet: string): { text: string; hit: boolean }[] {
  return snippet
    .split(/(\u0001[^\u0002]*\u0002)/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("\u0001") ? { text: part.slice(1, -1), hit: true } : { text: part, hit: false }));
}
