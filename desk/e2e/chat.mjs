// What the chat's tests need beside the harness: a scripted model server, and a person's steps.

import { once } from "node:events";
import { createServer } from "node:http";
import { AxeBuilder } from "@axe-core/playwright";
import { startDesk } from "./harness.mjs";

/** The program, to be killed and started again with the same home and on the same port. */
export async function desk(options = {}) {
  let running = await startDesk(options);
  const made = {
    base: running.url,
    get opened() {
      return running;
    },
    kill: () => running.kill(),
    stop: () => running.stop(),
    async start() {
      running = await startDesk({ folder: running.folder, env: { LONGSHORE_GATEWAY__LISTEN: new URL(made.base).host } });
    },
  };
  return made;
}

/**
 * A model server with OpenAI's interface that says what it is told to: `reply(question)` gives the pieces of its answer,
 * one each `delay` milliseconds: words, or a delta of the protocol.
 */
export async function scripted(reply, { delay = 5 } = {}) {
  const server = createServer(async (request, response) => {
    if (request.url.startsWith("/v1/models")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ object: "list", data: [{ id: "scripted", object: "model", created: 1, owned_by: "test" }] }));
      return;
    }
    if (!request.url.startsWith("/v1/chat/completions")) {
      response.writeHead(404).end();
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { messages } = JSON.parse(Buffer.concat(chunks).toString());
    const last = messages.at(-1).content;
    const question = typeof last === "string" ? last : last.map((part) => part.text ?? "").join("");
    response.writeHead(200, { "content-type": "text/event-stream" });
    const say = (delta, finish_reason = null) =>
      response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "scripted", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    say({ role: "assistant", content: "" });
    for (const piece of reply(question)) {
      if (response.destroyed) return;
      const room = say(typeof piece === "string" ? { content: piece } : piece);
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
      else if (!room) await once(response, "drain");
    }
    say({}, "stop");
    response.end("data: [DONE]\n\n");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What axe finds wrong, in words. */
export async function violations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.failureSummary})`).join("; ")}`);
}

export const message = (page) => page.getByRole("textbox", { name: "Message", exact: true });

export async function ask(page, text) {
  await message(page).fill(text);
  await page.keyboard.press("Enter");
}

/** Chooses whom to ask, by words of the model's and the server's name; `adds` asks one more. */
export async function choose(page, words, { adds = false } = {}) {
  await page.locator(".composer .trigger .model").first().waitFor();
  await page.locator(adds ? ".composer .trigger.adds" : ".composer .trigger").first().click();
  await page.getByRole("combobox", { name: "Find a model or a server" }).fill(words);
  // Servers tell their models one after the other.
  await page.getByRole("option").and(page.locator(":not([aria-disabled])")).first().waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("combobox", { name: "Find a model or a server" }).waitFor({ state: "detached" });
}

/** The last answer, once it is in this state. */
export async function answered(page, state = "done") {
  await page.waitForFunction((wanted) => [...document.querySelectorAll("[role=log] [data-answer]")].at(-1)?.dataset.answer === wanted, state);
  return page.locator("[role=log] [data-answer]").last();
}
