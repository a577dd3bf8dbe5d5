// What the program itself takes while a page is open on it: each screen is shown in turn, one question is answered by the
// built-in model, and the page stays open. Linux tells it (`/proc/PID/status`).
//
//   node e2e/memory.mjs

import { readFile } from "node:fs/promises";
import { openPage, SCREENS, startDesk, stopAll } from "./harness.mjs";

const desk = await startDesk();
const taken = async () => {
  const status = await readFile(`/proc/${desk.pid}/status`, "utf8");
  const bytes = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { resident: bytes("VmRSS"), peak: bytes("VmHWM") };
};
try {
  const before = await taken();
  const { page, go } = await openPage(desk);
  for (const screen of SCREENS) {
    await go(screen);
    await page.locator(`[data-screen="${screen}"], main h1, main [role=textbox]`).first().waitFor();
  }
  await go("chat");
  const box = page.getByRole("textbox", { name: "Message", exact: true });
  await box.fill("What is streaming?");
  await page.keyboard.press("Enter");
  await page.locator("[data-answer=done]").first().waitFor();
  console.log(JSON.stringify({ before, with_page: await taken() }));
} finally {
  await stopAll();
}
