// Light, dark, or as the system has it.

export type Theme = "system" | "light" | "dark";
const KEY = "longshore.theme";

class ThemeStore {
  chosen = $state<Theme>(read());
  /** Grows with each change of the colours in force, whether chosen here or by the system: plots redraw on it. */
  version = $state(0);

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.version += 1;
    });
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Not kept, but in force.
    }
    this.version += 1;
  }
}

/** A custom property as a colour a canvas understands (`light-dark()` resolved). Call it after the page is styled. */
export function cssColour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  probe.hidden = true;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

export const theme = new ThemeStore();

function read(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}
