// An OpenAI server that says a long answer as fast as it is told: what the program streams to the page when it is measured.

import { createServer } from "node:http";

/** Tokens in a row before a moment's rest. */
const BURST = 12;
const REST_MS = 2;

/** What is said: `markdown` has headings, paragraphs, lists, tables and code; `paragraph` is one that never ends. */
export const KINDS = {
  paragraph: (number) => `word${number % 97}${number % 31 === 30 ? "." : ""} `,
  markdown: (number) => {
    const [section, at] = [Math.floor(number / 400), number % 400];
    if (at === 0) return `\n\n## Part ${section}\n\n`;
    if (at < 120) return at % 40 === 39 ? "\n\n" : `word${at} `;
    if (at < 200) return at % 16 === 8 ? "\n- item " : `word${at} `;
    if (at === 200) return "\n\n| name | value |\n|---|--:|\n";
    if (at < 240) return `| row ${at} | ${number} |\n`;
    if (at === 240) return "\n```rust\n";
    if (at < 340) return at % 5 === 0 ? `let value${at} = call(${number})?;\n` : `// ${at} `;
    if (at === 340) return "\n```\n\n";
    return `**word${at}** `;
  },
};

/** Answers every chat with so many tokens. */
export function upstream(tokens, kind) {
  const server = createServer(async (request, response) => {
    for await (const piece of request) void piece;
    const model = { id: "long", object: "model", created: 0, owned_by: "nobody" };
    if (request.url !== "/v1/chat/completions") {
      const known = request.url === "/v1/models";
      response.writeHead(known ? 200 : 404, { "content-type": "application/json" });
      return response.end(JSON.stringify(known ? { object: "list", data: [model] } : { error: { message: "not here", type: "not_found" } }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const say = (choice) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "long", choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
    for (let at = 0; at < tokens && !response.destroyed; at += BURST) {
      const count = Math.min(BURST, tokens - at);
      const more = response.write(Array.from({ length: count }, (_, next) => say({ delta: { content: KINDS[kind](at + next) } })).join(""));
      await new Promise((done) => setTimeout(done, REST_MS));
      if (!more && !response.destroyed) await new Promise((done) => response.once("drain", done).once("close", done));
    }
    response.end(`${say({ delta: {}, finish_reason: "stop" })}data: [DONE]\n\n`);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close(); } })));
}
