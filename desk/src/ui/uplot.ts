// uPlot reads the browser's language when it is imported, and `Intl.NumberFormat` throws for the language "C" (which
// Chromium reports in the C locale). So the language is checked first, and uPlot is imported only by a plot.

import type uPlot from "uplot";

let loaded: Promise<typeof uPlot> | null = null;

export function loadUPlot(): Promise<typeof uPlot> {
  loaded ??= guarded();
  return loaded;
}

async function guarded(): Promise<typeof uPlot> {
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, "language", { value: "en", configurable: true });
  }
  const [module] = await Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]);
  return module.default;
}
