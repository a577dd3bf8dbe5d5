// How large the page is: each file as the program sends it at most, compressed, and the sum.
//
//   node e2e/size.mjs [--sum]

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const DIST = fileURLToPath(new URL("../dist/", import.meta.url));
const names = (await readdir(DIST, { recursive: true })).filter((name) => /\.(js|css|html)$/.test(name)).sort();
const files = {};
for (const name of names) files[name] = gzipSync(await readFile(join(DIST, name)), { level: 9 }).length;
const bytes = Object.values(files).reduce((all, one) => all + one, 0);
console.log(process.argv.includes("--sum") ? bytes : JSON.stringify({ bytes, files }));
