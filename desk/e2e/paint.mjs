// How soon the page is there: first paint, and readiness to write, over several fresh starts of a page on one program, each
// with nothing in its cache.
//
//   node e2e/paint.mjs [starts]

import { openPage, startDesk, stopAll } from "./harness.mjs";

const starts = Number(process.argv[2] ?? 10);
const desk = await startDesk();
const rows = [];
try {
  for (let at = 0; at < starts; at++) {
    const { page, close } = await openPage(desk, { reduced: true });
    await page.locator(".composer .trigger .model").waitFor();
    rows.push(
      await page.evaluate(() => ({
        ready: performance.now(),
        paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
        bytes: performance.getEntriesByType("resource").reduce((all, { encodedBodySize }) => all + encodedBodySize, 0),
      })),
    );
    await close();
  }
} finally {
  await stopAll();
}
const of = (name) => {
  const sorted = rows.map((row) => row[name]).sort((a, b) => a - b);
  return { median: sorted[Math.floor(sorted.length / 2)], worst: sorted.at(-1) };
};
console.log(JSON.stringify({ starts, first_paint_ms: of("paint"), ready_ms: of("ready"), loaded_bytes: of("bytes").median }));
