// How long it takes until what a person does is seen: from a key or a click to the next frame that shows it, as the
// browser counts it for each interaction (Event Timing, in steps of 8 ms; what is quicker than 16 ms is told as 16). On a
// desk that is in use: two hundred conversations, two servers, calls in the table.
//
//   node e2e/interaction.mjs [rounds]

import { openPage, SCREENS, startDesk, startSim, stopAll } from "./harness.mjs";

const rounds = Number(process.argv[2] ?? 5);
const one = await startSim({ config: { models: [{ id: "small", tokens: 200 }, { id: "large", tokens: 200 }], latency: { ttft: "1ms", itl: "200us" } } });
const desk = await startDesk({ servers: [{ name: "harbour", rest: one.url }, { name: "pier", rest: one.url, dialect: "native" }] });
for (let at = 0; at < 200; at++) {
  const markdown = `# Conversation ${at}\n\n## You\n\nQuestion ${at} about ${at % 7 ? "boats" : "harbours"}?\n\n## Assistant\n\n${"An answer of some length. ".repeat(40)}`;
  await desk.api("POST", "conversations/import", { markdown });
}
for (let at = 0; at < 60; at++) {
  await fetch(`${desk.url}/v1/chat/completions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ model: "small", max_tokens: 4, messages: [{ role: "user", content: `${at}` }] }) }).then((response) => response.text());
}
const rows = [];
try {
  for (let round = 0; round < rounds; round++) {
    const { page, close } = await openPage(desk);
    await page.locator(".composer .trigger .model").waitFor();
    await page.evaluate(() => {
      window.doing = "";
      window.seen = [];
      new PerformanceObserver((list) => {
        for (const { duration, interactionId } of list.getEntries()) if (interactionId) window.seen.push({ what: window.doing, duration });
      }).observe({ type: "event", durationThreshold: 16 });
    });
    /** Does something, and waits until the browser has told of it. */
    const act = async (what, run) => {
      await page.evaluate((what) => (window.doing = what), what);
      await run();
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))));
    };
    const press = (...keys) => async () => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const message = page.getByRole("textbox", { name: "Message", exact: true });
    await act("focus the message", () => message.click());
    await act("type", () => page.keyboard.type("What is streaming, and when is it worth it?"));
    await act("send", press("Enter"));
    await page.locator("[data-answer=done]").first().waitFor();
    await act("search conversations", async () => {
      await page.getByRole("searchbox").first().click();
      await page.keyboard.type("harbours");
    });
    await act("open a conversation", () => page.getByRole("link", { name: /Conversation 1\d\d/ }).first().click());
    await act("open the palette", press("Control+k"));
    await act("search in the palette", () => page.keyboard.type("sett"));
    await act("leave the palette", press("Escape"));
    await act("open the help", press("?"));
    await act("leave the help", press("Escape"));
    for (const [at, screen] of SCREENS.entries()) await act(`show ${screen}`, press(`Control+${at + 1}`));
    for (const screen of SCREENS) await act(`click ${screen}`, () => page.getByRole("navigation", { name: "Screens" }).getByRole("link").nth(SCREENS.indexOf(screen)).click());
    rows.push(...(await page.evaluate(() => window.seen)));
    await close();
  }
} finally {
  await stopAll();
}
const sorted = rows.map((row) => row.duration).sort((a, b) => a - b);
const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 16;
const slowest = [...rows].sort((a, b) => b.duration - a.duration)[0];
console.log(JSON.stringify({ rounds, slow_enough_to_be_told: rows.length, median_ms: at(0.5), p98_ms: at(0.98), worst_ms: at(1), worst: slowest?.what ?? "", over_100_ms: rows.filter((row) => row.duration > 100).length }));
