// How soon the page is there: first paint and readiness to write, over several fresh starts of a page on one program,
// and how long it takes until a press of a key is seen.
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
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    const bytes = await page.evaluate(() => performance.getEntriesByType("resource").reduce((all, { encodedBodySize }) => all + encodedBodySize, 0));
    const interaction = page.evaluate(
      () =>
        new Promise((done) => {
          const seen = [];
          new PerformanceObserver((list) => seen.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "event", durationThreshold: 16 });
          setTimeout(() => done(Math.max(0, ...seen)), 1500);
        }),
    );
    await page.keyboard.type("Hello there", { delay: 30 });
    await page.keyboard.press("Control+k");
    rows.push({ paint, bytes, interaction: await interaction });
    await close();
  }
} finally {
  await stopAll();
}
const median = (name) => rows.map((row) => row[name]).sort((a, b) => a - b)[Math.floor(rows.length / 2)];
const worst = (name) => Math.max(...rows.map((row) => row[name]));
console.log(JSON.stringify({ starts, first_paint_ms: { median: median("paint"), worst: worst("paint") }, interaction_ms: { median: median("interaction"), worst: worst("interaction") }, loaded_bytes: median("bytes") }));
