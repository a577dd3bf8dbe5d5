// `npm run types`: src/api/openapi.ts out of docs/desk-openapi.json, which the program's own types make. With --check,
// nothing is written, and it fails when the file is not what it would write.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const FROM = new URL("../docs/desk-openapi.json", import.meta.url);
const TO = new URL("src/api/openapi.ts", import.meta.url);

const description = JSON.parse(await readFile(FROM, "utf8"));
// A default says what is taken for what is missing; not that it is never missing. An object of which nothing is said may
// have anything in it.
const made = astToString(await openapiTS(description, { defaultNonNullable: false, emptyObjectsUnknown: true }));
const text = `// Made of docs/desk-openapi.json by \`npm run types\`; not to be edited.\n\n${made}`;

if (!process.argv.includes("--check")) {
  await writeFile(TO, text);
} else if ((await readFile(TO, "utf8").catch(() => "")) !== text) {
  console.error("desk/src/api/openapi.ts is stale: run 'npm run types' in desk/ and commit it");
  process.exit(1);
}
