// The hash of everything that the built page is made of. The build puts it into dist/SOURCE_HASH, and a test of the
// program computes it again: a page that was not built after its last change is found without Node.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const FOLDERS = ["public", "src"];
const FILES = ["index.html", "package-lock.json", "package.json", "source-hash.mjs", "svelte.config.js", "tsconfig.json", "vite.config.ts"];

/** Paths with "/" between, sorted by their bytes; tests are left out. Each path and each content is followed by a zero byte. */
export function sourceHash(root) {
  const walk = (folder) =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`],
    );
  const paths = [...FOLDERS.flatMap(walk), ...FILES].filter((path) => !path.endsWith(".test.ts"));
  paths.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const hash = createHash("sha256");
  for (const path of paths) hash.update(path).update("\0").update(readFileSync(join(root, path))).update("\0");
  return hash.digest("hex");
}
