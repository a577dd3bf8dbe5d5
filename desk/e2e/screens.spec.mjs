// The screens beside the chat, against the program and simulated servers.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFile } from "node:fs/promises";
import { openPage, startDesk, startSim, stopAll, until } from "./harness.mjs";

const MODELS = [
  { id: "small", tokens: 24, size: "2GB" },
  { id: "large", tokens: 24, size: "9GB", loaded: false, load_time: "3s" },
  { id: "endless", tokens: 24, size: "9GB", loaded: false, load_time: "10m" },
  { id: "broken", size: "30GB", loaded: false, load_error: "out of memory" },
  {
    id: "doubler",
    kind: "tensor",
    function: "identity",
    inputs: [{ name: "INPUT0", datatype: "FP32", shape: [-1, 3] }],
    outputs: [{ name: "OUTPUT0", datatype: "FP32", shape: [-1, 3] }],
  },
];
const LATENCY = { ttft: "20ms", itl: "3ms" };

let desk, other;
before(async () => {
  const one = await startSim({ config: { models: MODELS, latency: LATENCY } });
  other = await startSim({ config: { models: [{ id: "elsewhere" }], latency: LATENCY } });
  desk = await startDesk({
    servers: [
      { name: "harbour", rest: one.url, grpc: one.url },
      // The same one by its own dialect, which tells how far a load is.
      { name: "pier", rest: one.url, dialect: "native" },
      { name: "ghost", rest: "http://127.0.0.1:9" },
    ],
  });
});
after(stopAll);

/** A page on a screen, which ends without a problem in it. */
async function on(screen, run, options) {
  const opened = await openPage(desk, { hash: screen, ...options });
  try {
    await run(opened);
    assert.deepEqual(opened.problems, []);
  } catch (error) {
    // With DESK_SHOTS set to a folder, what could be seen when a test failed is kept there.
    if (process.env.DESK_SHOTS) await opened.page.screenshot({ path: `${process.env.DESK_SHOTS}/failed-${Date.now()}.png` });
    throw error;
  } finally {
    await opened.close();
  }
}
const chat = (model = "small") =>
  fetch(`${desk.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Where is the harbour?" }] }),
  }).then((response) => response.json());
const cell = (page, model) => page.getByRole("row").filter({ has: page.getByRole("rowheader", { name: model }) });

describe("models", () => {
  test("a model is loaded with progress, and unloaded", () =>
    on("models", async ({ page }) => {
      const row = cell(page, "large").getByRole("cell").nth(1);
      await row.getByText("Not loaded").waitFor();
      await row.getByRole("button", { name: "Load large on pier" }).click();
      const bar = row.getByRole("progressbar", { name: "Loading" });
      await bar.waitFor();
      await until(async () => Number(await bar.getAttribute("aria-valuenow")) > 0, "progress");
      await row.getByText("Ready").waitFor();
      await row.getByRole("button", { name: "Unload large on pier" }).click();
      await row.getByText("Not loaded").waitFor();
    }));

  test("a load can be cancelled", () =>
    on("models", async ({ page }) => {
      const row = cell(page, "endless");
      await row.getByRole("button", { name: "Load endless on harbour" }).click();
      await row.getByRole("button", { name: "Cancel: load endless" }).click();
      await row.getByRole("progressbar").waitFor({ state: "detached" });
    }));

  test("a load that fails says why", () =>
    on("models", async ({ page }) => {
      await cell(page, "broken").getByRole("button", { name: "Load broken on harbour" }).click();
      await page.getByRole("alert").filter({ hasText: "broken on harbour" }).getByText(/out of memory/).first().waitFor();
    }));

  test("one dead server does not keep the others from being shown", () =>
    on("models", async ({ page }) => {
      await cell(page, "small").getByText("Ready").first().waitFor();
      await page.getByRole("columnheader", { name: /ghost/ }).getByText("not reachable").waitFor();
      await page.getByRole("alert").filter({ hasText: "ghost" }).first().waitFor();
    }));

  test("the filter and the pin", () =>
    on("models", async ({ page }) => {
      await page.getByLabel("Filter models").fill("doub");
      await cell(page, "small").waitFor({ state: "detached" });
      await page.getByLabel("Filter models").fill("");
      await cell(page, "small").getByRole("button", { name: "Actions for small on harbour" }).click();
      await page.getByRole("menuitem", { name: "Pin" }).click();
      await page.getByRole("rowheader", { name: "small" }).getByLabel("Pinned").waitFor();
    }));
});

describe("servers", () => {
  test("one is added by its address, asked first, and saved with the file's comments", () =>
    on("servers", async ({ page }) => {
      await page.getByRole("button", { name: "Add server" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Address").fill(other.url);
      await dialog.getByRole("button", { name: "Ask it" }).click();
      await dialog.getByText("Found").waitFor();
      await dialog.getByText(/elsewhere/).first().waitFor();
      await dialog.getByLabel("Name").fill("annex");
      await dialog.getByRole("button", { name: "Save" }).click();
      await page.getByRole("article", { name: "annex" }).getByText("OK").waitFor();
      const file = await desk.readConfig();
      assert.match(file, /# Kept by hand\./);
      assert.match(file, /name: "?annex/);
      assert.match(file, /name: harbour/);
    }));

  test("nobody at an address is said, with what was tried", () =>
    on("servers", async ({ page }) => {
      await page.getByRole("button", { name: "Add server" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Address").fill("127.0.0.1:9");
      await dialog.getByRole("button", { name: "Ask it" }).click();
      await dialog.getByText(/Nothing that can be used answers there|refused|unreachable|does not answer/i).first().waitFor();
      assert.equal(await dialog.getByRole("button", { name: "Save" }).isDisabled(), true);
    }));

  test("one is drained and gets calls again", () =>
    on("servers", async ({ page }) => {
      const card = page.getByRole("article", { name: "harbour" });
      await card.getByRole("button", { name: "Actions for harbour" }).click();
      await page.getByRole("menuitem", { name: /Drain/ }).click();
      await card.getByText("Drained").waitFor();
      await card.getByRole("button", { name: "Actions for harbour" }).click();
      await page.getByRole("menuitem", { name: /calls again/ }).click();
      await card.getByText("Drained").waitFor({ state: "detached" });
    }));

  test("a dead one says so, beside a healthy one", () =>
    on("servers", async ({ page }) => {
      await page.getByRole("article", { name: "ghost" }).getByText("Down", { exact: true }).waitFor();
      await page.getByRole("article", { name: "harbour" }).getByText("OK", { exact: true }).waitFor();
    }));

  test("one is removed after a question", () =>
    on("servers", async ({ page }) => {
      const card = page.getByRole("article", { name: "annex" });
      await card.getByRole("button", { name: "Actions for annex" }).click();
      await page.getByRole("menuitem", { name: "Remove" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await card.waitFor({ state: "detached" });
      assert.doesNotMatch(await desk.readConfig(), /annex/);
    }));
});

describe("requests", () => {
  test("a call of the gateway is listed, and shows its attempts, request, answer and frames", async () => {
    await chat();
    await on("requests", async ({ page }) => {
      await page.getByRole("row").filter({ hasText: "small" }).first().click();
      const detail = page.getByRole("region", { name: /^Request / });
      await detail.getByText(/committed/).waitFor();
      // The dead server's too, if it was asked for its models on the way.
      await detail.getByText(/^[12] attempts?$/).waitFor();
      await detail.getByRole("tab", { name: "Request" }).click();
      await detail.getByText("Where is the harbour?").waitFor();
      await detail.getByRole("tab", { name: "Response" }).click();
      assert.notEqual((await detail.locator("pre").first().innerText()).trim(), "");
      await detail.getByRole("tab", { name: "Frames" }).click();
      await detail.getByRole("region", { name: "Frames of the answer" }).waitFor();
    });
  });

  test("a call is sent again", async () => {
    await chat();
    await on("requests", async ({ page }) => {
      await page.getByRole("row").filter({ hasText: "small" }).first().click();
      const before = page.url();
      await page.getByRole("button", { name: "Replay" }).click();
      await page.waitForURL((url) => url.href !== before);
      await page.getByRole("region", { name: /^Request / }).getByText(/committed/).waitFor();
    });
  });

  test("by the keyboard alone: down, enter, and the filters", async () => {
    await chat();
    await on("requests", async ({ page }) => {
      await page.getByRole("grid", { name: "Requests" }).focus();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByRole("region", { name: /^Request / }).waitFor();
      await page.getByLabel("Filter requests").fill("no such call");
      await page.getByText("No call fits the filter").waitFor();
      await page.getByRole("button", { name: "Show all" }).click();
      await page.getByRole("row").filter({ hasText: "small" }).first().waitFor();
    });
  });

  test("the list is saved as CSV", async () => {
    await chat();
    await on("requests", async ({ page }) => {
      await page.getByRole("row").filter({ hasText: "small" }).first().waitFor();
      await page.getByRole("button", { name: "Export" }).click();
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: "As CSV" }).click()]);
      assert.match(await readFile(await download.path(), "utf8"), /^id,at,op,model[\s\S]*small/);
    });
  });
});

describe("metrics", () => {
  test("plots are drawn, and each can be read as a table", async () => {
    for (let index = 0; index < 3; index += 1) await chat();
    await on("metrics", async ({ page }) => {
      await page.locator("figure.plot canvas").first().waitFor();
      await page.getByRole("button", { name: "Requests: as table" }).click();
      const table = page.getByRole("region", { name: "Requests, values" });
      await table.getByRole("columnheader", { name: "harbour" }).waitFor();
      await page.getByRole("button", { name: "Requests: as plot" }).click();
      await table.waitFor({ state: "detached" });
    });
  });

  test("what a server does not tell is said", () =>
    on("metrics", async ({ page }) => {
      await page.locator("figure.plot").first().waitFor();
      await page.getByText(/Not exposed by|No answers from .*ghost/).first().waitFor();
    }));

  test("pause holds the picture, and going on brings it up to date", () =>
    on("metrics", async ({ page }) => {
      await page.locator("figure.plot").first().waitFor();
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByText("Paused", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Go on" }).click();
      await page.getByText("Paused", { exact: true }).waitFor({ state: "detached" });
    }));
});

describe("infer", () => {
  test("tensors go there and come back, by form and by JSON", () =>
    on("infer?model=doubler&server=harbour", async ({ page }) => {
      const input = page.getByRole("region", { name: "Input INPUT0" });
      await input.getByLabel("Shape").fill("2, 3");
      await input.getByLabel("Elements").fill("1, 2, 3, 4.5, 5, 6");
      await page.getByRole("button", { name: "Run" }).click();
      const output = page.getByRole("region", { name: "Output OUTPUT0" });
      await output.getByRole("cell", { name: "4.5" }).waitFor();
      await page.getByRole("tab", { name: "JSON" }).first().click();
      const editor = page.getByLabel("Inputs as JSON");
      assert.match(await editor.inputValue(), /4\.5/);
      await editor.fill('{"inputs":[{"name":"INPUT0","datatype":"FP32","data":[[7,8,9]]}]}');
      await page.getByRole("tab", { name: "Form" }).click();
      assert.equal(await input.getByLabel("Shape").inputValue(), "1, 3");
      await page.keyboard.press("Control+Enter");
      await output.getByRole("cell", { name: "9", exact: true }).waitFor();
    }));

  test("over gRPC too, if that is asked for", () =>
    on("infer?model=doubler&server=harbour", async ({ page }) => {
      await page.getByRole("region", { name: "Input INPUT0" }).waitFor();
      await page.getByLabel("Protocol").selectOption("gRPC");
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByText(/gRPC · oip-grpc/).waitFor();
    }));

  test("what does not fit is said at its field, and not sent", () =>
    on("infer?model=doubler&server=harbour", async ({ page }) => {
      const input = page.getByRole("region", { name: "Input INPUT0" });
      await input.getByLabel("Elements").fill("1, x");
      await input.getByText("element 2: a number is needed, found x").waitFor();
      await input.getByLabel("Elements").fill("1, 2");
      await input.getByText(/needs 3 elements, here are 2/).waitFor();
    }));

  test("a tensor is saved as .npy and read again", () =>
    on("infer?model=doubler&server=harbour", async ({ page }) => {
      const input = page.getByRole("region", { name: "Input INPUT0" });
      await input.getByLabel("Elements").fill("0.5, 1.5, 2.5");
      const [download] = await Promise.all([page.waitForEvent("download"), input.getByRole("button", { name: "Save INPUT0 as .npy" }).click()]);
      const file = await readFile(await download.path());
      assert.equal(file.subarray(1, 6).toString(), "NUMPY");
      await input.getByLabel("Elements").fill("0, 0, 0");
      await input.locator("input[type=file]").setInputFiles({ name: "x.npy", mimeType: "application/octet-stream", buffer: file });
      await until(async () => (await input.getByLabel("Elements").inputValue()).includes("1.5"), "the file's elements");
    }));

  test("the same as a curl command", () =>
    on("infer?model=doubler&server=harbour", async ({ page }) => {
      await page.getByRole("region", { name: "Input INPUT0" }).waitFor();
      await page.getByRole("button", { name: "Copy as curl" }).click();
      await page.getByText("Copied as curl").waitFor();
      assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^curl [\s\S]*doubler/);
    }));
});

describe("settings", () => {
  test("a setting is saved to the file, its comments kept, and is in force", () =>
    on("settings/retry", async ({ page }) => {
      await page.getByLabel("retry.max_attempts").fill("3");
      await page.getByText("1 change", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText(/1 setting saved/).waitFor();
      const file = await desk.readConfig();
      assert.match(file, /# Kept by hand\./);
      assert.match(file, /max_attempts: 3/);
      await page.getByText(/from .*longshore\.yaml/).first().waitFor();
    }));

  test("a mistake is told at its field before anything is sent", () =>
    on("settings/retry", async ({ page }) => {
      await page.getByLabel("retry.max_attempts").fill("99");
      await page.getByText("use 1 to 10").waitFor();
      assert.equal(await page.getByRole("button", { name: "Save" }).isDisabled(), true);
      await page.getByRole("button", { name: "Discard" }).click();
      await page.getByText("No changes").waitFor();
    }));

  test("what only the program can tell comes back to its field", () =>
    on("settings/retry", async ({ page }) => {
      // Each is within its range; together they contradict each other.
      await page.getByLabel("retry.base_delay").fill("30s");
      await page.getByLabel("retry.max_delay").fill("5s");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("The settings were not saved").waitFor();
      assert.doesNotMatch(await desk.readConfig(), /30s/);
    }));

  test("a setting is found by what it is about", () =>
    on("settings", async ({ page }) => {
      await page.getByLabel("Search settings").fill("hedge");
      await page.getByLabel("retry.hedge_after").waitFor();
    }));

  test("the theme is chosen and kept", () =>
    on("settings/appearance", async ({ page }) => {
      await page.getByRole("radio", { name: /Dark/ }).check();
      await until(() => page.evaluate(() => document.documentElement.dataset.theme === "dark"), "the dark theme");
      await page.reload();
      assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    }));
});

describe("bench", () => {
  async function bench(page, { seconds = "1.5", proof = false } = {}) {
    await page.getByLabel("Target").selectOption("harbour");
    await page.getByLabel("Model", { exact: true }).selectOption("small");
    await page.getByRole("textbox", { name: "Requests at a time" }).fill("1, 2");
    await page.getByLabel("Seconds").fill(seconds);
    if (!proof) await page.getByRole("switch", { name: "Prove the client's accuracy" }).click();
    await page.getByRole("button", { name: "Run", exact: true }).click();
    await page.getByText(/C=1|first request/i).first().waitFor();
    if (proof) await page.getByText("Proving the client's accuracy: C=1").waitFor();
    await page.getByRole("region", { name: "Numbers of each load" }).waitFor({ timeout: 60_000 });
  }

  test("a run is set up, watched, kept and exported", () =>
    on("bench", async ({ page }) => {
      await bench(page, { proof: true });
      const numbers = page.getByRole("region", { name: "Numbers of each load" });
      await numbers.getByRole("cell", { name: "C=1" }).waitFor();
      await numbers.getByRole("cell", { name: "C=2" }).waitFor();
      const truth = page.getByRole("region", { name: "The client beside the truth" });
      await truth.getByRole("cell", { name: "TTFT" }).first().waitFor();
      await page.getByText(/With a server that takes no time/).waitFor();
      await page.getByRole("button", { name: "Export" }).click();
      const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("menuitem", { name: "Report as HTML" }).click()]);
      const report = await readFile(await download.path(), "utf8");
      assert.match(report, /<html/i);
      assert.match(report, /The same load against known timings/);
    }));

  test("two runs are compared, with intervals", () =>
    on("bench", async ({ page }) => {
      await bench(page);
      await page.getByText("Not proven: the load was not replayed").waitFor();
      const boxes = page.getByRole("checkbox", { name: /for a comparison/ });
      await until(async () => (await boxes.count()) >= 2, "two runs");
      await boxes.nth(0).check();
      await boxes.nth(1).check();
      await page.getByRole("button", { name: "Compare two" }).click();
      const table = page.getByRole("table", { name: /compared with/ });
      await table.getByText(/TTFT p50/).first().waitFor();
      await table.getByText(/ % to /).first().waitFor();
    }));

  test("a set-up that makes no sense is not begun", () =>
    on("bench", async ({ page }) => {
      await page.getByRole("textbox", { name: "Requests at a time" }).fill("many");
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await page.getByText(/whole numbers from 1 to 1024/).waitFor();
    }));
});
