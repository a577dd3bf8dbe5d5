// A stand-in for the program, for looking at the page while one works on it and for what a real one cannot be made to do
// on demand (an answer of 50,000 tokens at full speed). Tests of behaviour run against the real program.
//   node e2e/mock/server.mjs [port]

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { extname, join } from "node:path";

const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; font-src 'self'; connect-src 'self'; " +
  "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const model = (id, server, state = "ready", more = {}) => ({ id, name: id, server, kind: "chat", state, can: { load: true, unload: true, pull: false }, pinned: false, ...more });
const way = (endpoint, more = {}) => ({ protocol: "rest", dialect: "openai", endpoint, breaker: "closed", reachable: true, latency_ms: 2.1, in_flight: 0, waiting: 0, ...more });
const serverOf = (name, state, more = {}) => ({
  name, in_process: false, rest: `http://127.0.0.1:84${name.length}0`, state, ways: [way(`http://127.0.0.1:84${name.length}0`)], capabilities: ["chat"], in_flight: 0,
  p50_ms: 12, p95_ms: 31, draining: false, history: [], events: [], ...more,
});
const servers = [
  serverOf("built-in", "ok", { in_process: true }),
  serverOf("harbour", "ok"),
  serverOf("pier-2", "down", { detail: "connection refused", ways: [way("http://127.0.0.1:8420", { breaker: "open", breaker_reason: "5 faults in a row" })] }),
];
const models = { models: [model("longshore-tiny", "built-in"), model("qwen3-8b", "harbour"), model("qwen3-8b", "pier-2"), model("gemma-3-4b", "harbour", "unloaded")], unavailable: [{ server: "pier-2", error: { title: "no connection", detail: "connection refused" } }], awaited: [], loads: [] };

const MARKDOWN = `Streaming sends an answer **as it is made**, token by token, instead of waiting for all of it.

## How it works

1. The client asks with \`"stream": true\`.
2. The server answers with *server-sent events*.
3. Each event carries a piece of text; the last one says why it ended.

\`\`\`rust
// Every answer is a stream of events.
let mut events = fleet.call(call).await?.events;
while let Some(event) = events.next().await {
    print!("{}", event?.text());
}
\`\`\`

| Number | What it is | Good |
|:-------|:-----------|-----:|
| TTFT | time to the first token | 200 ms |
| ITL | time between tokens | 20 ms |

> A proxied token costs a copy, not a parse and a print.

- See [the documentation](https://example.org/docs) for more
  - nested, with \`code\`
- and an image: ![a tracker](https://tracker.example/x.png)

<script>window.pwned = true</script><img src=x onerror="window.pwned = true">
`;

const conversations = new Map();
const running = new Map();

function title(words) {
  return words.split("\n")[0].slice(0, 60);
}

async function answer(message, conversation, question) {
  const state = { events: [], listeners: new Set(), stopped: false };
  running.set(message.id, state);
  const say = (event, data) => {
    state.events.push([event, data]);
    for (const listener of state.listeners) listener(event, data);
  };
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const { answer } = message;
  say("phase", { phase: "queued" });
  await wait(80);
  say("phase", { phase: "connecting", server: answer.server, protocol: "rest" });
  await wait(120);
  say("phase", { phase: "prompt", server: answer.server, protocol: "rest" });
  await wait(200);
  const started = Date.now();
  const long = /long (\d+)/.exec(question);
  const fails = /fail/.test(question);
  const breaks = /break/.test(question);
  if (fails) {
    answer.state = "failed";
    answer.error = { title: "no connection", what: "ask the model", detail: "connection refused by 127.0.0.1:8420", kind: "connect", next: "check that the server runs and that its address is right, under Servers", attempts: [{ server: "pier-2", protocol: "rest", dialect: "openai", endpoint: "http://127.0.0.1:8420", elapsed_ms: 3, outcome: "fault", error: "connection refused" }, { server: "pier-2", protocol: "rest", dialect: "openai", endpoint: "http://127.0.0.1:8420", elapsed_ms: 2, outcome: "fault", error: "connection refused" }] };
    say("done", message);
    running.delete(message.id);
    return;
  }
  const text = long ? Array.from({ length: Number(long[1]) }, (_, i) => (i % 200 === 199 ? "\n\n" : i % 40 === 0 ? `\n\n${i % 400 === 0 ? "## " : ""}Part ${i} ` : `word${i % 97} `)).join("") : MARKDOWN;
  const pieces = text.match(long ? /\S*\s+/g : /\s*\S{1,6}/g) ?? [text];
  answer.segments = [{ server: answer.server, protocol: "rest", model: answer.model, text: "", reasoning: "", ended: "running" }];
  if (/think/.test(question)) for (const word of "The person asks about streaming. I should say what it is, and show how it looks in code.".split(" ")) {
    say("reasoning", { segment: 0, text: `${word} ` });
    answer.segments[0].reasoning += `${word} `;
    await wait(40);
  }
  let at = 0;
  for (let i = 0; i < pieces.length; i++) {
    if (state.stopped) break;
    if (breaks && i === Math.floor(pieces.length / 3)) {
      const because = { title: "interrupted", detail: "connection reset after 812 bytes of the answer", kind: "interrupted", attempts: [] };
      Object.assign(answer.segments[0], { ended: "interrupted", error: because });
      answer.segments.push({ server: "harbour", protocol: "rest", model: answer.model, text: "", reasoning: "", ended: "running" });
      at = 1;
      say("segment", { segment: 1, server: "harbour", protocol: "rest", model: answer.model, because });
      i = -1;
      question = "";
      for (const piece of pieces) {
        answer.segments[1].text += piece;
        say("text", { segment: 1, text: piece, pieces: 1 });
        await wait(8);
      }
      break;
    }
    answer.segments[at].text += pieces[i];
    say("text", { segment: at, text: pieces[i], pieces: 1 });
    if (!long || i % 12 === 0) await wait(long ? 2 : 12);
  }
  answer.segments[at].ended = state.stopped ? "interrupted" : "done";
  message.content = answer.segments[at].text;
  answer.state = state.stopped ? "stopped" : "done";
  answer.server = answer.segments[at].server;
  Object.assign(answer, { finish: "stop", ttft_ms: 212, total_ms: Date.now() - started + 212, usage: { prompt_tokens: 12, completion_tokens: pieces.length } });
  answer.tokens_per_second = (pieces.length / answer.total_ms) * 1000;
  if (answer.segments.length > 1) answer.attempts = [{ server: "built-in", protocol: "rest", elapsed_ms: 300, outcome: "fault", error: "connection reset" }, { server: "harbour", protocol: "rest", elapsed_ms: 800, outcome: "success" }];
  conversation.updated_at = Date.now();
  say("done", message);
  running.delete(message.id);
}

const summary = ({ id, title, updated_at, messages, model }) => ({ id, title, updated_at, messages: messages.length, model });

function events(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  return (event, data) => response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

async function api(method, path, query, body, response) {
  const json = (value, status = 200) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };
  const missing = () => json({ title: "not found", status: 404, detail: "there is no such thing" }, 404);
  if (path === "hello") return json({ version: "0.3.0", url: "", started_at: Date.now(), config_file: null, data_folder: "/data", engine: true, gateway_token: false });
  if (path === "events") {
    const say = events(response);
    say("servers", { servers });
    say("models", models);
    say("running", { running: [] });
    const timer = setInterval(() => say("sample", { at: Date.now(), servers: {}, running: running.size }), 1000);
    response.on("close", () => clearInterval(timer));
    return;
  }
  if (path === "conversations" && method === "GET") {
    const q = (query.get("q") ?? "").toLowerCase();
    const found = [...conversations.values()].filter((one) => !q || JSON.stringify(one).toLowerCase().includes(q)).sort((a, b) => b.updated_at - a.updated_at);
    return json({ conversations: found.slice(0, 50).map((one) => (q ? { ...summary(one), snippet: `… a word \u0001${q}\u0002 in its place …` } : summary(one))), more: false });
  }
  if (path === "conversations" && method === "POST") {
    const made = { id: randomUUID(), title: "", model: null, server: null, system: null, sampling: {}, leaf: null, created_at: Date.now(), updated_at: Date.now(), messages: [], ...body };
    conversations.set(made.id, made);
    return json(made, 201);
  }
  const [kind, id, action] = path.split("/");
  if (kind === "conversations") {
    const one = conversations.get(id);
    if (!one) return missing();
    if (!action && method === "GET") return json(one);
    if (!action && method === "PATCH") return json(Object.assign(one, body));
    if (!action && method === "DELETE") {
      conversations.delete(id);
      response.writeHead(204).end();
      return;
    }
    if (action === "export") {
      response.writeHead(200).end(query.get("format") === "json" ? JSON.stringify(one) : `# ${one.title}\n`);
      return;
    }
    if (action === "ask") {
      const at = Date.now();
      let parent = body.parent;
      let message = null;
      if (body.content !== null) {
        message = { id: randomUUID(), parent, role: "user", content: body.content, attachments: body.attachments ?? [], created_at: at };
        one.messages.push(message);
        parent = message.id;
      }
      const question = one.messages.find((other) => other.id === parent)?.content ?? "";
      const answers = (body.targets?.length ? body.targets : [{ model: one.model }]).map((target) => ({
        id: randomUUID(), parent, role: "assistant", content: "", attachments: [], created_at: at,
        answer: { state: "running", model: target.model, server: target.server ?? "built-in", segments: [], attempts: [] },
      }));
      one.messages.push(...answers);
      one.leaf = answers[0].id;
      one.updated_at = at;
      if (!one.title) one.title = title(question);
      json({ message, answers: structuredClone(answers) });
      for (const given of answers) void answer(given, one, question);
      return;
    }
  }
  if (kind === "answers") {
    const state = running.get(id);
    if (action === "stop") {
      if (state) state.stopped = true;
      return json({ state: "stopped", upstream: state ? "cancelled" : "already_ended", tokens: 1 });
    }
    const say = events(response);
    if (!state) return response.end();
    const listener = (event, data) => {
      say(event, data);
      if (event === "done") response.end();
    };
    for (const [event, data] of state.events) listener(event, data);
    state.listeners.add(listener);
    response.on("close", () => state.listeners.delete(listener));
    return;
  }
  return missing();
}

export function serve(port = 0) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://x");
    response.setHeader("content-security-policy", CSP);
    if (url.pathname.startsWith("/desk/api/")) {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
      return api(request.method, url.pathname.slice("/desk/api/".length), url.searchParams, body, response);
    }
    const path = url.pathname.replace(/^\/desk\/?/, "") || "index.html";
    try {
      const data = await readFile(join(DIST, path));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(data);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${server.address().port}/desk/#token=mock`, close: () => { server.closeAllConnections(); server.close(); } })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await serve(Number(process.argv[2] ?? 8499))).url);
