import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { sourceHash } from "./source-hash.mjs";

// The built page is committed and embedded in the binary, which serves it with an ETag. So names carry no hashes, and
// nothing may differ from one build to the next: continuous integration builds it anew and compares.
export default defineConfig({
  base: "/desk/",
  plugins: [
    svelte(),
    {
      name: "source-hash",
      apply: "build",
      generateBundle() {
        this.emitFile({ type: "asset", fileName: "SOURCE_HASH", source: `${sourceHash(import.meta.dirname)}\n` });
      },
    },
  ],
  build: {
    target: ["chrome125", "firefox128", "safari18"],
    modulePreload: { polyfill: false },
    // One stylesheet: the screens' share most of their words, so together they compress to less than apart.
    cssCodeSplit: false,
    reportCompressedSize: true,
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
        // Icons are a few lines each: in one file they compress, in files of their own they do not. What they stand on goes
        // along, so this is the file that all others share.
        codeSplitting: { groups: [{ name: "shared", test: /@lucide/ }] },
      },
    },
  },
  server: { proxy: { "/desk/api": "http://127.0.0.1:8400" } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
