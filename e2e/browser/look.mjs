// Opens a report in Chromium as somebody would who has no network, and prints what there was to see, as JSON.
//
//     node look.mjs report.html
//
// test_browser.py says what must hold.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const flags = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const address = pathToFileURL(process.argv[2]).href;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags });

// Every shape inside a plot that has a place on the page; in an element without a drawing, none has.
function plots() {
  return [...document.querySelectorAll("figure")].map((figure) => {
    const svg = figure.querySelector("svg");
    const frame = svg.getBoundingClientRect();
    const shapes = [...svg.querySelectorAll("polyline, path, circle")].map((shape) => shape.getBoundingClientRect());
    const inside = shapes.filter((box) => box.width + box.height > 0 && box.left >= frame.left - 1 && box.right <= frame.right + 1);
    return {
      title: figure.querySelector("figcaption").textContent,
      name: svg.getAttribute("aria-label"),
      width: frame.width,
      height: frame.height,
      shapes: inside.length,
      texts: [...svg.querySelectorAll("text")].map((text) => text.textContent.trim()),
    };
  });
}

// Opens each plot's table as a keyboard does.
async function tables(page) {
  const seen = [];
  for (const figure of await page.locator("figure").all()) {
    const table = figure.locator("details table");
    const before = await table.isVisible();
    await figure.locator("summary").focus();
    await page.keyboard.press("Enter");
    await table.waitFor({ state: "visible" });
    seen.push({
      before,
      rows: await table.locator("tbody tr").count(),
      columns: await table.locator('thead th[scope="col"]').count(),
      caption: (await table.locator("caption").textContent()).trim(),
    });
  }
  return seen;
}

async function look(colorScheme) {
  const context = await browser.newContext({ colorScheme, offline: true, viewport: { width: 900, height: 900 } });
  const page = await context.newPage();
  const requests = [], errors = [];
  page.on("request", (request) => request.url() === address || requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(address);
  const drawn = await page.evaluate(plots);
  const opened = await tables(page);
  // Evaluated by the debugger, which the page's own policy does not bind.
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => axe.run());
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  const printed = colorScheme === "light" ? (await page.pdf({ format: "A4" })).length : undefined;
  const narrow = await context.newPage();
  await narrow.setViewportSize({ width: 360, height: 740 });
  await narrow.goto(address);
  const narrowOverflow = await narrow.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await context.close();
  return {
    plots: drawn,
    tables: opened,
    requests,
    errors,
    violations: violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.slice(0, 3).map((node) => node.html) })),
    passes: passes.length,
    overflow,
    narrowOverflow,
    printed,
  };
}

try {
  console.log(JSON.stringify({ light: await look("light"), dark: await look("dark") }));
} finally {
  await browser.close();
}
