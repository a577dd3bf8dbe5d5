// How smoothly a long answer streams: an upstream says 50,000 tokens, 5,000 a second, the program hands them on, and
// every frame of the page is watched. Says wall time and, from the trace, processor time: on a machine that does other
// things at once, the first says how busy it is, the second what the page costs. Keeps the trace, if told where, for
// Perfetto or Chrome's own tools.
//
//   node e2e/frames.mjs [tokens] [trace.json] [markdown|paragraph|thoughts] [tokens a second]

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { openPage, startDesk, stopAll } from "./harness.mjs";
import { upstream } from "./mock/upstream.mjs";

const tokens = Number(process.argv[2] ?? 50_000);
const file = process.argv[3];
const kind = process.argv[4] ?? "markdown";
const pace = Number(process.argv[5] ?? 5_000);
const PATIENCE_MS = 300_000;
/** The page's clock has steps of 0.1 ms, so three refreshes of the screen may be 50.1 ms. */
const LONG_MS = 50.2;

const server = await upstream(tokens, kind, pace);
const desk = await startDesk({ servers: [{ name: "upstream", rest: server.url, dialect: "openai" }], yaml: "engine:\n  enabled: false\n" });
try {
  const { page, context } = await openPage(desk);
  const browser = context.browser();
  await page.locator(".composer .trigger .model").waitFor();
  await browser.startTracing(page, { categories: ["devtools.timeline", "disabled-by-default-devtools.timeline"] });
  await page.evaluate(() => {
    const seen = { frames: [], tasks: [] };
    window.seen = seen;
    let last = performance.now();
    const tick = (now) => {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
  });
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Tell me all of it");
  await page.keyboard.press("Enter");
  await page.locator("[role=log] .markdown .block").first().waitFor();
  const started = Date.now();
  // Seldom: a locator would search the whole answer in every frame.
  await page.waitForFunction(() => document.querySelector("[data-answer=done]"), null, { polling: 200, timeout: PATIENCE_MS });
  const took = Date.now() - started;
  const { frames, tasks } = await page.evaluate(() => window.seen);
  const trace = await browser.stopTracing();
  if (file) {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, trace);
  }
  const { traceEvents } = JSON.parse(trace.toString());
  const renderer = traceEvents.find(({ name }) => name === "FireAnimationFrame");
  const begun = traceEvents.find(({ name, args }) => name === "EventDispatch" && args.data?.type === "keydown")?.ts ?? 0;
  const work = traceEvents
    .filter(({ ph, pid, tid, ts, tdur, name }) => ph === "X" && name === "RunTask" && pid === renderer.pid && tid === renderer.tid && ts > begun && tdur !== undefined)
    .map(({ tdur }) => tdur / 1000);
  const sorted = [...frames].sort((a, b) => a - b);
  const at = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1));
  const longest = work.reduce((most, ms) => Math.max(most, ms), 0);
  console.log(
    JSON.stringify({
      kind,
      tokens,
      seconds: took / 1000,
      tokens_per_second: Math.round((tokens / took) * 1000),
      frames: frames.length,
      median_ms: at(0.5),
      p99_ms: at(0.99),
      longest_ms: at(1),
      over_50_ms: frames.filter((frame) => frame > LONG_MS).length,
      long_tasks: tasks.length,
      longest_task_cpu_ms: Number(longest.toFixed(1)),
      tasks_over_50_cpu_ms: work.filter((ms) => ms > 50).length,
      tasks: work.length,
      blocks: await page.locator(".markdown .block").count(),
      characters: await page.locator(".markdown").first().evaluate((node) => node.textContent.length),
      trace: file ?? null,
    }),
  );
} finally {
  await stopAll();
  server.close();
}
