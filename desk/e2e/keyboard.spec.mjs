// Everything without a mouse, and for those who do not see.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answered, desk, message, violations } from "./chat.mjs";
import { openPage, SCREENS, stopAll } from "./harness.mjs";

after(stopAll);

describe("the keyboard alone", () => {
  let program;
  let page;
  let problems;
  before(async () => {
    program = await desk();
    ({ page, problems } = await openPage(program.opened, { reduced: true }));
    page.setDefaultTimeout(10_000);
    await page.getByRole("heading", { name: "Ask anything" }).waitFor();
  });
  after(async () => {
    assert.deepEqual(problems, []);
    await page.context().close();
    await program.stop();
  });
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent?.trim() ?? "");

  test("asks, edits and goes through versions", async () => {
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Message");
    await page.locator(".composer .trigger .model").waitFor();
    await page.keyboard.type("What is streaming?");
    await page.keyboard.press("Enter");
    await answered(page);
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Message");
    await page.keyboard.press("ArrowUp");
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Edit the message");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("What is failover?");
    await page.keyboard.press("Enter");
    await page.getByText("2/2").waitFor();
    await answered(page);
    await page.keyboard.type("And what is a breaker?");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("[data-answer]").length === 2);
    await answered(page);
    await page.keyboard.press("ArrowUp");
    await page.waitForFunction(() => document.activeElement?.value === "And what is a breaker?");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Version before" }).focus();
    await page.keyboard.press("Alt+ArrowLeft");
    await page.getByText("1/2").waitFor();
  });

  test("goes to every screen, by digit and by palette", async () => {
    for (const [index, screen] of SCREENS.entries()) {
      await page.keyboard.press(`Alt+${index + 1}`);
      await page.waitForFunction((screen) => location.hash.startsWith(`#/${screen}`), screen);
      await page.locator(`nav a[aria-current=page][href="#/${screen}"]`).waitFor();
    }
    await page.keyboard.press("Control+k");
    await page.getByRole("combobox", { name: /Find screens/ }).waitFor();
    await page.keyboard.type("metr");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash === "#/metrics");
    // Servers and models are found by their names.
    await page.keyboard.press("Control+k");
    await page.keyboard.type("server built");
    await page.getByRole("option", { name: /built-in/ }).first().waitFor();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => location.hash.startsWith("#/servers/built-in"));
    await page.keyboard.press("Control+k");
    await page.keyboard.type("what is str");
    await page.getByRole("option", { name: /What is streaming/ }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Escape");
    await page.getByRole("combobox", { name: /Find screens/ }).waitFor({ state: "detached" });
  });

  test("opens the help with ? and closes it with Esc; focus comes back", async () => {
    await page.keyboard.press("Alt+3");
    const link = page.locator('nav a[href="#/models"]');
    await link.focus();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await focused(), "Models");
  });

  test("works a menu: opens, walks, closes, and gives the focus back", async () => {
    await page.keyboard.press("Alt+1");
    await page.getByRole("link", { name: /What is/ }).first().focus();
    await page.keyboard.press("Enter");
    const button = page.getByRole("button", { name: "More for this conversation" });
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Rename" }).waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute("role") === "menuitem");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focused(), "Export as Markdown");
    await page.keyboard.press("d");
    assert.equal(await focused(), "Delete");
    await page.keyboard.press("Escape");
    assert.equal(await focused(), "More for this conversation");
  });

  test("Alt+N begins anew, with the cursor where one writes", async () => {
    await page.keyboard.press("Alt+n");
    await page.getByRole("heading", { name: "Ask anything" }).waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Message");
    assert.equal(await message(page).inputValue(), "");
  });
});

describe("axe finds nothing in the chat and over it", () => {
  let program;
  before(async () => {
    program = await desk();
  });
  after(() => program.stop());

  for (const theme of ["light", "dark"]) {
    test(theme, async () => {
      const { page, problems } = await openPage(program.opened, { theme, reduced: true });
      await page.getByRole("heading", { name: "Ask anything" }).waitFor();
      await page.locator(".composer .trigger .model").waitFor();
      assert.deepEqual(await violations(page), [], "the beginning");
      await page.getByRole("button", { name: "What is streaming?", exact: true }).click();
      await answered(page);
      assert.deepEqual(await violations(page), [], "an answer");
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: /Find screens/ }).waitFor();
      assert.deepEqual(await violations(page), [], "the palette");
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Keys" }).click();
      await page.getByRole("dialog", { name: "Keys" }).waitFor();
      assert.deepEqual(await violations(page), [], "the help");
      assert.deepEqual(problems, []);
      await page.context().close();
    });
  }
});
