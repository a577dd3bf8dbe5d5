// Files as attachments: images and text, checked before they are read.

import type { Attachment } from "../../api/types";
import { bytes } from "../../lib/format";

export const LARGEST_FILE = 8 * 1024 * 1024;
export const MOST_FILES = 8;
const IMAGES = /^image\/(png|jpeg|gif|webp)$/;
const TEXTS = /^(text\/.*|application\/(json|xml|yaml|x-yaml|toml|javascript|x-sh|sql))$/;
const TEXT_NAMES = /\.(txt|md|csv|tsv|json|ya?ml|toml|ini|conf|log|xml|html?|css|js|mjs|ts|tsx|jsx|svelte|rs|py|go|java|c|h|cc|cpp|hpp|sh|sql|diff|patch|rb|php|swift|kt|lua|r|tex)$/i;

/** Why a file cannot be attached, or null. */
export function refusal(file: Pick<File, "name" | "type" | "size">): string | null {
  if (!mediaTypeOf(file)) return `${file.name}: only images (PNG, JPEG, GIF, WebP) and text files can be attached`;
  if (file.size > LARGEST_FILE) return `${file.name}: ${bytes(file.size)} is too large; the limit is ${bytes(LARGEST_FILE)}`;
  return null;
}

export function mediaTypeOf(file: Pick<File, "name" | "type">): string | null {
  if (IMAGES.test(file.type)) return file.type;
  if (TEXTS.test(file.type) || TEXT_NAMES.test(file.name)) return TEXTS.test(file.type) ? file.type : "text/plain";
  return null;
}

export async function readAttachment(file: File): Promise<Attachment> {
  const media_type = mediaTypeOf(file) ?? "application/octet-stream";
  const data = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error("the file could not be read"));
    reader.readAsDataURL(file);
  });
  return { name: file.name, media_type, data, bytes: file.size };
}

export function isImage(attachment: Pick<Attachment, "media_type">): boolean {
  return IMAGES.test(attachment.media_type);
}

export function imageSource(attachment: Attachment): string {
  return `data:${attachment.media_type};base64,${attachment.data}`;
}

/** A title from the first line of what is asked. */
export function titleOf(content: string, attachments: readonly Attachment[] = []): string {
  const line = content.trim().split("\n", 1)[0]?.trim() ?? "";
  if (line === "") return attachments[0]?.name ?? "New conversation";
  return line.length <= 60 ? line : `${line.slice(0, 58).replace(/\s+\S*$/, "")}…`;
}
