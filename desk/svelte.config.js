import { readdirSync } from "node:fs";
import { vitePreprocess } from "@sveltejs/vite-plugin-svelte";

// A component's number among all: shorter than a hash, which does not compress.
const components = readdirSync(new URL("src", import.meta.url), { recursive: true })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".svelte"))
  .sort();

export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    runes: true,
    cssHash: ({ hash, filename }) => {
      const name = (filename ?? "").replace(/^(?:.*\/)?src\//, "");
      const number = components.indexOf(name);
      return number < 0 ? `s${hash(name)}` : `s${number.toString(36)}`;
    },
  },
};
