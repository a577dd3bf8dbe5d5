// Chat, with the real program: what a person does first, and what goes wrong.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { readFile } from "node:fs/promises";
import { answered, ask, choose, desk, message, scripted } from "./chat.mjs";
import { openPage, startSim, stopAll } from "./harness.mjs";

after(stopAll);

describe("with the built-in model alone", () => {
  let program;
  let page;
  let problems;
  before(async () => {
    program = await desk();
    ({ page, problems } = await openPage(program.opened, { reduced: true }));
    page.setDefaultTimeout(10_000);
  });
  after(async () => {
    assert.deepEqual(problems, []);
    await page.context().close();
    await program.stop();
  });

  test("from the first run to the first answer", async () => {
    assert.ok(!page.url().includes("token"), "the key is taken out of the address");
    await page.getByRole("heading", { name: "Ask anything" }).waitFor();
    await page.getByRole("button", { name: "What is streaming?" }).click();
    const answer = await answered(page);
    assert.match(await answer.innerText(), /stream/i);
    assert.match(await answer.innerText(), /TTFT \d/);
    assert.match(await answer.innerText(), /tokens\/s/);
    await page.getByRole("link", { name: /What is streaming\?/ }).waitFor();
    assert.match(page.url(), /#\/chat\/[\w-]+$/);
  });

  test("a reload shows the same conversation", async () => {
    await page.reload();
    const answer = await answered(page);
    assert.match(await answer.innerText(), /stream/i);
  });

  test("an edit is another version, and the first is still there", async () => {
    await page.getByText("What is streaming?").last().hover();
    await page.getByRole("button", { name: "Edit the message" }).click();
    await page.getByRole("textbox", { name: "Edit the message" }).fill("What is failover?");
    await page.keyboard.press("Enter");
    await page.locator("[role=log] article[aria-label=You]", { hasText: "What is failover?" }).waitFor();
    await answered(page);
    await page.getByText("2/2").waitFor();
    await page.getByRole("button", { name: "Version before" }).click();
    await page.locator("[role=log] article[aria-label=You]", { hasText: "What is streaming?" }).waitFor();
    await page.getByText("1/2").waitFor();
  });

  test("asking again makes a version of the answer, kept over a reload", async () => {
    await page.getByRole("button", { name: "Answer again" }).last().click();
    await page.waitForFunction(() => document.querySelectorAll("[role=log] .branches").length === 2);
    await answered(page);
    await page.reload();
    await answered(page);
    assert.equal(await page.locator("[role=log] .branches").count(), 2);
  });

  test("the search finds words of an answer", async () => {
    const search = page.getByRole("searchbox", { name: "Search in conversations" });
    await search.fill("stream");
    await page.getByText(/1 match/).waitFor();
    await search.fill("zzzznothing");
    await page.getByText("Nothing found").waitFor();
    await page.getByRole("button", { name: "Clear the search" }).first().click();
    await page.getByText("Today").waitFor();
  });

  test("the search finds words that are not written apart", async () => {
    const { id } = await program.opened.api("POST", "conversations/import", { markdown: "# 港\n\n## You\n\n明日の天気予報を教えて\n\n## Assistant\n\n晴れです" });
    const search = page.getByRole("searchbox", { name: "Search in conversations" });
    await search.fill("予報");
    await page.getByText(/1 match/).waitFor();
    await page.locator("mark", { hasText: "予報" }).first().waitFor();
    await program.opened.api("DELETE", `conversations/${id}`);
    await page.getByRole("button", { name: "Clear the search" }).first().click();
    await page.getByText("Today").waitFor();
  });

  test("the built-in model can be asked by tensors", async () => {
    const before = new URL(page.url()).hash;
    await page.evaluate(() => (location.hash = "#/infer"));
    const input = page.getByRole("region", { name: "Input text_input" });
    await input.getByLabel("Texts").fill("What is streaming?");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByRole("region", { name: "Output text_output" }).getByText(/\w{3}/).first().waitFor();
    await page.evaluate((hash) => (location.hash = hash), before);
    await answered(page);
  });

  test("system prompt and sampling are kept", async () => {
    await page.getByRole("button", { name: "System prompt and sampling" }).click();
    await page.getByRole("textbox", { name: "System prompt" }).fill("Be short.");
    await page.getByRole("textbox", { name: "Temperature" }).fill("hot");
    await page.getByText("This is not a number").waitFor();
    await page.getByRole("textbox", { name: "Temperature" }).fill("0");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.reload();
    await page.getByRole("button", { name: "System prompt and sampling (changed)" }).click();
    assert.equal(await page.getByRole("textbox", { name: "System prompt" }).inputValue(), "Be short.");
    assert.equal(await page.getByRole("textbox", { name: "Temperature" }).inputValue(), "0");
    await page.keyboard.press("Escape");
  });

  test("a conversation goes out and comes in again", async () => {
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      (async () => {
        await page.getByRole("button", { name: "More for this conversation" }).click();
        await page.getByRole("menuitem", { name: "Export as JSON" }).click();
      })(),
    ]);
    const path = await file.path();
    assert.match(file.suggestedFilename(), /\.json$/);
    await page.locator("input[type=file][accept*=markdown]").setInputFiles({ name: "kept.json", mimeType: "application/json", buffer: await readFile(path) });
    await page.getByText(/^Imported/).waitFor();
    await answered(page);
    assert.equal(await page.locator("section[aria-label=Conversations] li").count(), 2);
  });

  test("a conversation is renamed, and deleted after a question", async () => {
    const menu = page.getByRole("button", { name: "More for this conversation" });
    await menu.click();
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await page.getByRole("textbox", { name: "Title" }).fill("To be deleted");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "To be deleted" }).waitFor();
    await menu.click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByRole("heading", { name: "Ask anything" }).waitFor();
    assert.equal(await page.locator("section[aria-label=Conversations] li").count(), 1);
  });

  test("a draft survives a reload and another conversation", async () => {
    await message(page).fill("half a thought");
    await page.reload();
    await page.waitForFunction(() => document.querySelector("textarea[aria-label=Message]")?.value === "half a thought");
    await page.getByRole("link", { name: /What is/ }).first().click();
    await page.waitForFunction(() => document.querySelector("textarea[aria-label=Message]")?.value === "");
    await page.keyboard.press("Alt+n");
    await page.waitForFunction(() => document.querySelector("textarea[aria-label=Message]")?.value === "half a thought");
    await message(page).fill("");
  });

  test("who asks before the list of models has come is answered when it has", async () => {
    const events = /\/desk\/api\/events/;
    let came = false;
    await page.route(events, async (route) => {
      await new Promise((done) => setTimeout(done, 1500));
      came = true;
      await route.continue();
    });
    await page.getByRole("link", { name: "Chat" }).click();
    await page.getByRole("button", { name: "New conversation" }).first().click();
    await page.reload();
    await message(page).fill("What is failover?");
    await page.keyboard.press("Enter");
    await page.waitForTimeout(300);
    assert.ok(!came, "it was asked too late for this test");
    assert.equal(await page.getByText(/no model/i).count(), 0);
    await answered(page);
    await page.unroute(events);
  });
});

describe("with servers", () => {
  let one;
  let two;
  let program;
  let page;
  let problems;
  before(async () => {
    [one, two] = await Promise.all([
      startSim({ args: ["--model", "shared", "--tokens", "400", "--itl", "20ms", "--ttft", "50ms"] }),
      startSim({ args: ["--model", "shared", "--tokens", "30", "--itl", "5ms", "--ttft", "50ms"] }),
    ]);
    program = await desk({ servers: [{ name: "sim-one", rest: one.url }, { name: "sim-two", rest: two.url }] });
    ({ page, problems } = await openPage(program.opened, { reduced: true }));
    page.setDefaultTimeout(10_000);
  });
  after(async () => {
    assert.deepEqual(problems, []);
    await page.context().close();
    await Promise.all([program.stop(), one.stop(), two.stop()]);
  });

  test("an answer is stopped with Esc", async () => {
    await choose(page, "shared sim-one");
    await ask(page, "Another long one");
    await page.locator(".phases .now", { hasText: "Writing" }).waitFor();
    await page.keyboard.press("Escape");
    await answered(page, "stopped");
    await page.goto(page.url().replace(/#.*/, "#/chat"));
    await page.getByRole("heading", { name: "Ask anything" }).waitFor();
  });

  test("an answer shows its phases, and is stopped; what is written meanwhile stays", async () => {
    await choose(page, "shared sim-one");
    await ask(page, "A long one");
    await page.locator(".phases .now", { hasText: "Writing" }).waitFor();
    await page.getByText(/TTFT \d/).waitFor();
    await page.locator("[role=log] .markdown p").first().waitFor();
    // Who writes on meanwhile is told to wait, and loses nothing.
    await ask(page, "And then?");
    await page.getByText("An answer is coming.").waitFor();
    assert.equal(await message(page).inputValue(), "And then?");
    await page.getByRole("region", { name: "Notices" }).getByRole("button", { name: "Stop the answer" }).click();
    const answer = await answered(page, "stopped");
    await message(page).fill("");
    assert.match(await answer.innerText(), /Stopped by you/);
    assert.match(await answer.innerText(), /The server was told to stop/);
  });

  test("two answers side by side, and one is gone on with", async () => {
    await choose(page, "shared sim-two", { adds: true });
    await page.getByPlaceholder("Ask 2 models").waitFor();
    await ask(page, "Which of you is better?");
    const both = page.locator(".comparison article");
    await both.nth(1).waitFor();
    assert.equal(await both.count(), 2);
    await page.waitForFunction(() => document.querySelectorAll(".comparison [data-answer]")[1]?.dataset.answer === "done");
    await page.getByRole("button", { name: "Go on with this" }).click();
    await page.locator(".comparison article.chosen", { hasText: "sim-two" }).waitFor();
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => !document.querySelector(".comparison [data-answer=running]"));
    await page.reload();
    await page.locator(".comparison article.chosen", { hasText: "sim-two" }).waitFor();
  });

  test("a server that dies in the middle of its answer is told of, and the other goes on", async () => {
    await page.goto(page.url().replace(/#.*/, "#/chat"));
    await choose(page, "shared sim-one");
    await ask(page, "Do not break off");
    await page.locator("[role=log] .markdown p").first().waitFor();
    await one.kill();
    const divider = page.locator(".divider");
    await divider.waitFor();
    assert.match(await divider.innerText(), /sim-one stopped/);
    assert.match(await divider.innerText(), /sim-two answered anew/);
    await answered(page);
    await page.reload();
    await divider.waitFor();
    assert.match(await divider.innerText(), /sim-one stopped/);
  });

  test("when no server is left, the error says what was tried, and it can be tried again", async () => {
    await two.kill();
    await ask(page, "Is anybody there?");
    const answer = await answered(page, "failed");
    const card = answer.getByRole("alert");
    assert.match(await card.innerText(), /attempt/);
    await card.getByRole("button", { name: "Copy diagnostics" }).waitFor();
    await card.getByRole("button", { name: "Try again" }).click();
    await page.getByText("2/2").waitFor();
  });
});

describe("with a server that says what it is told", () => {
  const EVIL = [
    "Before <script>window.pwned = 1</script> and <img src=x onerror=\"window.pwned = 2\"> after.\n\n",
    "<iframe src=\"javascript:parent.pwned=3\"></iframe>\n\n<svg onload=\"window.pwned=4\">\n\n",
    "![tracker](http://127.0.0.1:9/pixel.png) [go](javascript:window.pwned=5) [site](https://example.org/a)\n\n",
    "- in a list <b onclick=\"window.pwned=6\">bold</b> <style>body{display:none}</style>\n\n",
    "```html\n<script>window.pwned = 7</script>\n```\n\nThe end.",
  ];
  /** All that blocks are made of, and more blocks than one group has. */
  const LONG = Array.from({ length: 9 }, (_, n) => `## Part ${n}\n\nSome **bold** and \`code\`, a [site](https://example.org/${n}).\n\n- one\n- two\n  1. inside\n  2. *more*\n\n| a | b |\n|---|--:|\n| ${n} | x |\n| y | **z** |\n\n> quoted\n\n`).join("");
  const THOUGHT = [..."Two <img src=x onerror=\"window.pwned = 8\"> ways:\n\n1. this\n2. **that**\n\n".match(/[^]{1,3}/g).map((reasoning_content) => ({ reasoning_content })), ...Array.from({ length: 60 }, () => ({})), "That."];
  const SAID = { evil: EVIL.join(""), long: LONG };
  let server;
  let program;
  let page;
  let problems;
  before(async () => {
    server = await scripted((question) => (/think/.test(question) ? THOUGHT : SAID[Object.keys(SAID).find((word) => question.includes(word))]?.match(/[^]{1,7}/g) ?? ["A ", "plain ", "answer."]));
    program = await desk({ servers: [{ name: "script", rest: server.url, dialect: "openai" }] });
    ({ page, problems } = await openPage(program.opened, { reduced: true }));
    page.setDefaultTimeout(10_000);
  });
  after(async () => {
    await page.context().close();
    await program.stop();
    server.stop();
  });

  test("a script in an answer stays words", async () => {
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await choose(page, "scripted");
    await ask(page, "Say something evil");
    const answer = await answered(page);
    await answer.getByText("The end.").waitFor();
    const text = await answer.innerText();
    assert.match(text, /<script>window\.pwned = 1<\/script>/);
    assert.match(text, /Image: tracker/);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await answer.locator("img, script, iframe, svg:not(.lucide-icon), style").count(), 0);
    assert.equal(await answer.locator('a[href^="javascript:"]').count(), 0);
    const link = answer.getByRole("link", { name: "site" });
    assert.equal(await link.getAttribute("rel"), "noopener noreferrer nofollow");
    assert.match(text, /\(example\.org\)/);
    assert.deepEqual(asked.filter((url) => !url.startsWith(program.base)), [], "nothing is loaded from elsewhere");
    assert.deepEqual(problems, [], "not even the Content-Security-Policy had to refuse anything");
  });

  test("what is thought is drawn like an answer, and folded away when the answer comes", async () => {
    await page.getByRole("button", { name: "New conversation" }).first().click();
    await ask(page, "Please think first");
    await page.locator(".phases .now", { hasText: "Thinking" }).waitFor();
    const thoughts = page.locator("[role=log] details");
    await thoughts.locator("ol li strong").waitFor();
    const answer = await answered(page);
    assert.equal(await thoughts.getAttribute("open"), null);
    for (const when of ["as it came", "as it is kept"]) {
      assert.match(await answer.innerText(), /That\./, when);
      assert.match(await thoughts.locator("summary").innerText(), /Reasoning\s+11 words/, when);
      await thoughts.locator("summary").click();
      await thoughts.getByText("<img src=x").waitFor();
      assert.equal(await thoughts.locator("img").count(), 0, when);
      await page.reload();
      await answered(page);
    }
    assert.equal(await page.evaluate(() => window.pwned), undefined);
  });

  test("what grew piece by piece is what is drawn at once", async () => {
    await page.getByRole("button", { name: "New conversation" }).first().click();
    await ask(page, "Say something long");
    const drawn = async () => {
      const answer = await answered(page);
      await answer.getByRole("heading", { name: "Part 8" }).waitFor();
      // The last words are drawn a frame or two after they came.
      await answer.locator("blockquote").nth(8).getByText("quoted", { exact: true }).waitFor();
      return answer.locator(".markdown").innerHTML();
    };
    const grown = await drawn();
    await page.reload();
    assert.equal(await drawn(), grown);
    assert.equal(await page.locator(".markdown td").count(), 9 * 4);
  });

  test("an answer that was cut off by the program's end is there afterwards, and the page says that it is alone", async () => {
    server.stop();
    await program.kill();
    await page.getByText("Connection lost.").waitFor();
    await message(page).fill("written while nobody listened");
    await program.start();
    // The page's key is of the launch before: a new launch opens it anew, and the draft is still there.
    await page.getByText(/Connection lost|not allowed in/).waitFor({ state: "attached" });
    await page.goto("about:blank");
    await page.goto(program.opened.page);
    await page.getByRole("link", { name: /Say something long/ }).click();
    await answered(page);
    await page.waitForFunction(() => document.querySelector("textarea[aria-label=Message]")?.value === "written while nobody listened");
  });
});
