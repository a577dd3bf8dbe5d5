// Conversations out of Longshore, and into it.

import { getText, post } from "../../api/client";
import type { Conversation } from "../../api/types";
import { saveFile } from "../../lib/clipboard";

export async function exportConversation(id: string, title: string, format: "markdown" | "json"): Promise<void> {
  const text = await getText(`conversations/${encodeURIComponent(id)}/export?format=${format}`);
  const [ending, type] = format === "markdown" ? ["md", "text/markdown"] : ["json", "application/json"];
  saveFile(`${fileName(title)}.${ending}`, text, `${type};charset=utf-8`);
}

/** JSON as exported, or Markdown. */
export async function importConversation(file: File): Promise<Conversation> {
  const text = await file.text();
  let body: unknown = { markdown: text };
  if (/\.json$/i.test(file.name) || file.type === "application/json") {
    try {
      body = JSON.parse(text);
    } catch {
      throw new Error(`${file.name} is not JSON`);
    }
  }
  return post<Conversation>("conversations/import", body);
}

export function fileName(title: string): string {
  const plain = title.normalize("NFKD").replace(/[^\w\s-]/g, "").trim().replace(/\s+/g, "-").toLowerCase();
  return plain.slice(0, 60).replace(/-+$/, "") || "conversation";
}
