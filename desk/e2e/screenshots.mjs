// Pictures of every screen, light and dark, for the README: docs/images/SCREEN-THEME.png. The program is real, the
// servers are simulated.  npm run screenshots [SCREEN…]

import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { answered, ask, choose } from "./chat.mjs";
import { openPage, SCREENS, startDesk, startSim, stopAll, until } from "./harness.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const wanted = process.argv.length > 2 ? process.argv.slice(2) : [...SCREENS, "compare", "failover"];

const TENSOR = { id: "doubler", kind: "tensor", function: "identity", inputs: [{ name: "INPUT0", datatype: "FP32", shape: [-1, 3] }], outputs: [{ name: "OUTPUT0", datatype: "FP32", shape: [-1, 3] }] };
const models = (...ids) => ids.map((id) => ({ id, tokens: 60, size: "5GB" }));

await mkdir(FOLDER, { recursive: true });
const [harbour, pier] = await Promise.all([
  startSim({ config: { latency: { ttft: "normal(90ms, 20ms)", itl: "normal(14ms, 4ms)" }, models: [...models("qwen3-8b"), { id: "gemma-3-27b", loaded: false, size: "18GB", load_time: "20s" }, TENSOR] } }),
  startSim({ config: { latency: { ttft: "normal(160ms, 40ms)", itl: "normal(22ms, 6ms)" }, models: models("qwen3-8b", "llama-3.2-3b") } }),
]);
const desk = await startDesk({
  servers: [
    { name: "harbour", rest: harbour.url, grpc: harbour.url },
    { name: "pier", rest: pier.url },
    { name: "lighthouse", rest: "http://127.0.0.1:9" },
  ],
});

/** What is done on a screen before its picture is taken. */
const VIEWS = {
  async chat(page) {
    await page.getByRole("link", { name: /What is streaming\?/ }).click();
    await answered(page);
  },
  async compare(page) {
    await choose(page, "harbour");
    await choose(page, "qwen3-8b pier", { adds: true });
    await ask(page, "Which of you is faster?");
    await page.waitForFunction(() => document.querySelectorAll(".comparison [data-answer=done]").length === 2);
    await page.evaluate(() => document.querySelector("[role=log]").scrollTo(0, 0));
  },
  async failover(page) {
    const victim = await startSim({ args: ["--model", "qwen3-8b", "--tokens", "400", "--itl", "20ms"] });
    await desk.api("POST", "servers", { name: "skiff", rest: victim.url });
    await choose(page, "qwen3-8b skiff");
    await ask(page, "Will you finish this?");
    await page.locator("[role=log] .markdown p").first().waitFor();
    await until(async () => (await page.locator("[role=log] .markdown").innerText()).length > 220, "some text");
    await victim.kill();
    await page.locator(".divider").waitFor();
    await answered(page);
    await desk.api("DELETE", "servers/skiff");
  },
  async infer(page, go) {
    await go("infer");
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForTimeout(600);
  },
  async models(page, go) {
    await go("models");
    await page.getByText("gemma-3-27b").first().waitFor();
  },
  async servers(page, go) {
    await go("servers");
    await page.getByText("harbour").first().waitFor();
  },
  async metrics(page, go) {
    await go("metrics");
    await page.locator(".u-over, canvas").first().waitFor();
  },
  async bench(page, go) {
    await go("bench");
    await page.getByLabel("Target").selectOption("harbour");
    await page.getByLabel("Model", { exact: true }).selectOption("qwen3-8b");
    await page.getByRole("textbox", { name: "Requests at a time" }).fill("1, 5, 10");
    await page.getByLabel("Seconds").fill("6");
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByRole("region", { name: "Numbers of each load" }).waitFor({ timeout: 90_000 });
  },
  async requests(page, go) {
    await go("requests");
    await page.getByRole("row").nth(3).click();
  },
  async settings(page, go) {
    await go("settings");
    await page.locator("main section").first().waitFor();
  },
};

try {
  await prepare();
  for (const theme of ["light", "dark"]) {
    for (const name of wanted) {
      const { page, go, close } = await openPage(desk, { theme, reduced: true });
      await VIEWS[name](page, go);
      await page.mouse.move(640, 799);
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${FOLDER}${name}-${theme}.png` });
      console.log(`${name}-${theme}.png`);
      await close();
    }
  }
} finally {
  await stopAll();
}

/** Something to look at: conversations, calls, samples. */
async function prepare() {
  const { page, close } = await openPage(desk, { reduced: true });
  for (const question of ["How does failover work?", "What is time to first token?", "What is streaming?"]) {
    await page.evaluate(() => (location.hash = "#/chat"));
    await page.locator("h1", { hasText: "Ask anything" }).waitFor();
    await choose(page, "built-in");
    await ask(page, question);
    await answered(page);
  }
  await ask(page, "And what is a circuit breaker?");
  await page.waitForFunction(() => document.querySelectorAll("[data-answer]").length === 2);
  await answered(page);
  await close();
  if (!wanted.some((name) => ["metrics", "requests", "servers", "models"].includes(name))) return;
  const end = Date.now() + 40_000;
  let asked = 0;
  await Promise.all(
    ["qwen3-8b", "qwen3-8b", "llama-3.2-3b", "missing"].map(async (model, index) => {
      while (Date.now() < end) {
        asked += 1;
        const stream = index < 3;
        await fetch(`${desk.url}/v1/chat/completions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ model, stream, messages: [{ role: "user", content: `Question ${asked}` }] }) }).then((response) => response.text());
        await new Promise((resolve) => setTimeout(resolve, index === 3 ? 6000 : 150));
      }
    }),
  );
}
