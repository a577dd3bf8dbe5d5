// An OpenAI server that says a long answer at a given pace: what the program streams to the page when it is measured.

import { createServer } from "node:http";

/** Tokens in a row: a timer is not finer than a millisecond. */
const BURST = 12;

/** What is said: `markdown` has headings, paragraphs, lists, tables and code; `paragraph` is one that never ends; `thoughts` are
 *  what is thought before an answer, here of one word. */
export const KINDS = {
  thoughts: (number) => KINDS.markdown(number),
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

/** Answers every chat with so many tokens, so many a second. */
export function upstream(tokens, kind, pace) {
  const say = (choice) => `data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "long", choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
  // Written before it is asked for: what is measured shares the processors with this.
  const field = kind === "thoughts" ? "reasoning_content" : "content";
  const bursts = [];
  for (let at = 0; at < tokens; at += BURST) {
    bursts.push(Buffer.from(Array.from({ length: Math.min(BURST, tokens - at) }, (_, next) => say({ delta: { [field]: KINDS[kind](at + next) } })).join("")));
  }
  const server = createServer(async (request, response) => {
    for await (const piece of request) void piece;
    const model = { id: "long", object: "model", created: 0, owned_by: "nobody" };
    if (request.url !== "/v1/chat/completions") {
      const known = request.url === "/v1/models";
      response.writeHead(known ? 200 : 404, { "content-type": "application/json" });
      return response.end(JSON.stringify(known ? { object: "list", data: [model] } : { error: { message: "not here", type: "not_found" } }));
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const begun = performance.now();
    for (const [index, burst] of bursts.entries()) {
      const early = begun + (index * BURST * 1000) / pace - performance.now();
      if (early > 0) await new Promise((done) => setTimeout(done, early));
      if (response.destroyed) return;
      if (!response.write(burst)) await new Promise((done) => response.once("drain", done).once("close", done));
    }
    response.end(`${say({ delta: kind === "thoughts" ? { content: "Done." } : {}, finish_reason: "stop" })}data: [DONE]\n\n`);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done({ url: `http://127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); server.close(); } })));
}
