// What the browser tests stand on: simulated servers, the program with folders of its own, and a page in Chromium.
//
// LONGSHORE_BIN is the program (default: ../target/debug/longshore), CHROMIUM the browser. The page that is tested is the
// one inside the program; with DESK_DIST=dist it is the one that was built last, under the program's own headers.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const BIN = process.env.LONGSHORE_BIN ?? resolve(here, "../../target/debug/longshore");
const DIST = process.env.DESK_DIST ? resolve(here, "..", process.env.DESK_DIST) : null;
const PATIENCE_MS = 20_000;
/** A browser that keeps to itself. */
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const SCREENS = ["chat", "infer", "models", "servers", "metrics", "bench", "requests", "settings"];

/** Everything that was started, in order; `stopAll` ends it, the last first. */
const started = [];

/** A simulated server. `config` is its configuration as an object, `args` are flags. */
export async function startSim({ config, args = [], listen = "127.0.0.1:0" } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "longshore-sim-"));
  const flags = ["sim", "--listen", listen, "--json", ...args];
  if (config) {
    await writeFile(join(folder, "sim.yaml"), JSON.stringify(config));
    flags.push("--config", join(folder, "sim.yaml"));
  }
  const running = await run(flags, folder, {});
  const { listening: url, token } = running.first;
  return { url, port: Number(new URL(url).port), token, ...running };
}

/**
 * The program with a desk. `servers` are lines of its configuration, `yaml` is more of it. `port` 0 takes a free one.
 * It has its own home, so that nothing of this machine is read or written.
 */
export async function startDesk({ servers = [], yaml = "", env = {}, folder, port = 0 } = {}) {
  const home = folder ?? (await mkdtemp(join(tmpdir(), "longshore-desk-")));
  const config = join(home, "longshore.yaml");
  if (!existsSync(config)) {
    const list = servers.map(({ name, ...rest }) => `  - name: ${name}\n${Object.entries(rest).map(([key, value]) => `    ${key}: ${value}\n`).join("")}`);
    const gateway = yaml.includes("gateway:") ? "" : `gateway:\n  listen: 127.0.0.1:${port}\n`;
    await writeFile(config, `# Kept by hand.\n${list.length ? `servers:\n${list.join("")}` : ""}${gateway}${yaml}`);
  }
  await mkdir(join(home, "data"), { recursive: true });
  const own = { HOME: home, XDG_DATA_HOME: join(home, "data"), XDG_CONFIG_HOME: join(home, "config"), ...env };
  const running = await run(["--no-open", "--json", "--config", config], home, own, !folder);
  const { listening: url, desk } = running.first;
  const token = new URL(desk).hash.replace("#token=", "");
  return { url, page: desk, token, folder: home, config, readConfig: () => readFile(config, "utf8"), api: api(url, token), ...running };
}

/** The desk's API, for what a test arranges without the page. */
function api(url, token) {
  return async (method, path, body) => {
    const response = await fetch(`${url}/desk/api/${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
}

let browser;

/** A page on the desk. `problems` collects everything that went wrong in it; a test ends with it empty. */
export async function openPage(desk, { theme = "light", width = 1280, height = 800, reduced = false, hash = "" } = {}) {
  browser ??= await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: reduced ? "reduce" : "no-preference",
    acceptDownloads: true,
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A refused request is told by the screen; the browser's own line about it is no problem of the page.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  if (DIST) await context.route(/\/desk\/(?!api\/)/, (route) => fromDist(route));
  await page.goto(desk.page);
  const go = async (to) => {
    await page.evaluate((hash) => (location.hash = hash), `#/${to}`);
  };
  if (hash) await go(hash);
  return { page, context, problems, go, close: () => context.close() };
}

async function fromDist(route) {
  const path = new URL(route.request().url()).pathname.replace(/^\/desk\/?/, "") || "index.html";
  const file = join(DIST, path);
  if (!existsSync(file)) return route.continue();
  const type = { html: "text/html", js: "text/javascript", css: "text/css", svg: "image/svg+xml" }[path.split(".").at(-1)];
  const document = await route.fetch({ url: new URL("/desk/", route.request().url()).href });
  const headers = Object.fromEntries(Object.entries(document.headers()).filter(([name]) => /^(content-security-policy|x-|referrer|cross-origin|permissions)/.test(name)));
  return route.fulfill({ status: 200, headers: { ...headers, "content-type": type ?? "application/octet-stream", "cache-control": "no-store" }, body: await readFile(file) });
}

/** Waits until `get` gives something that is true, and gives it. */
export async function until(get, what = "the condition", patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await get();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${patience} ms for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Ends the browser and every program. For `after(stopAll)`. */
export async function stopAll() {
  await browser?.close();
  browser = undefined;
  for (const one of started.splice(0).reverse()) await one.stop();
}

/** Starts the program and reads its first line, which says where it listens. */
async function run(flags, folder, env, temporary = true) {
  // A variable of this name would be a setting, and LONGSHORE_BIN is none.
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LONGSHORE_")));
  const child = spawn(BIN, flags, { cwd: folder, env: { ...clean, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let [said, complained] = ["", ""];
  child.stderr.on("data", (piece) => (complained = `${complained}${piece}`.slice(-8000)));
  const ended = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  const first = await new Promise((done, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`${BIN} ${flags.join(" ")} ended with ${code}: ${complained}`)));
    const read = (piece) => {
      said += piece;
      const end = said.indexOf("\n");
      if (end < 0) return;
      child.stdout.off("data", read);
      // What follows is a log; it is let go, so that the pipe never fills.
      child.stdout.resume();
      try {
        done(JSON.parse(said.slice(0, end)));
      } catch {
        fail(new Error(`${flags.join(" ")} said: ${said}`));
      }
    };
    child.stdout.on("data", read);
  });
  const kill = async (signal = "SIGKILL") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended;
  };
  const stop = async () => {
    await kill();
    if (temporary) await rm(folder, { recursive: true, force: true });
  };
  const running = { first, pid: child.pid, kill, stop, ended, complaints: () => complained };
  started.push(running);
  return running;
}
