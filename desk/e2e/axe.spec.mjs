// Every screen, light and dark, with something on it: no violation that axe-core can find.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { openPage, SCREENS, startDesk, startSim, stopAll } from "./harness.mjs";

let desk;
before(async () => {
  const sim = await startSim({
    config: {
      models: [{ id: "small" }, { id: "large", loaded: false }, { id: "tensors", kind: "tensor", inputs: [{ name: "X", datatype: "FP32", shape: [-1, 2] }] }],
    },
  });
  desk = await startDesk({ servers: [{ name: "harbour", rest: sim.url, grpc: sim.url }, { name: "ghost", rest: "http://127.0.0.1:9" }] });
  for (const model of ["small", "no-such-model"])
    await fetch(`${desk.url}/v1/chat/completions`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ model, messages: [{ role: "user", content: "Hello" }] }) });
});
after(stopAll);

/** What is opened on a screen before it is looked at, beside how it comes up. */
const STATES = {
  servers: [["adding", (page) => page.getByRole("button", { name: "Add server" }).click()]],
  requests: [["detail", (page) => page.getByRole("row").filter({ hasText: "small" }).first().click()]],
  metrics: [["table", (page) => page.getByRole("button", { name: /as table/ }).first().click()]],
  infer: [["ran", (page) => page.getByRole("button", { name: "Run" }).click()]],
  settings: [
    ["retry", (page) => page.getByRole("link", { name: "Retry" }).click()],
    ["shortcuts", (page) => page.getByRole("link", { name: "Shortcuts" }).click()],
  ],
  models: [["menu", (page) => page.getByRole("button", { name: /^Actions for/ }).first().click()]],
};

for (const theme of ["light", "dark"]) {
  describe(theme, () => {
    for (const screen of SCREENS) {
      test(screen, async () => {
        const { page, problems, close } = await openPage(desk, { theme, hash: screen, reduced: true });
        await page.locator("#screen-title, h1").first().waitFor();
        await page.locator("[aria-busy=true]").waitFor({ state: "detached" });
        await clean(page, screen);
        for (const [name, open] of STATES[screen] ?? []) {
          await open(page);
          await page.waitForTimeout(300);
          await clean(page, `${screen}: ${name}`);
          await page.keyboard.press("Escape");
        }
        assert.deepEqual(problems, []);
        await close();
      });
    }
  });
}

async function clean(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const told = violations.map(({ id, help, nodes }) => `${what}: ${id}: ${help}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary ?? ""}`).join("; ")}`);
  assert.deepEqual(told, []);
}
