// Colours for code: highlight.js with a few languages, loaded when the first code is shown.

import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const languages = { bash, javascript, json, python, rust, xml, yaml };
for (const [name, language] of Object.entries(languages)) hljs.registerLanguage(name, language);
hljs.registerAliases(["shell", "console", "zsh"], { languageName: "bash" });
hljs.registerAliases(["typescript", "ts", "tsx"], { languageName: "javascript" });
// Comments, strings and numbers look the same there.
hljs.registerAliases(["toml", "ini", "conf"], { languageName: "bash" });
hljs.registerAliases(["svelte", "vue", "html", "svg"], { languageName: "xml" });

/** HTML with `hljs-…` classes, the code itself escaped; null for a language that is not known. */
export function highlight(code: string, language: string): string | null {
  if (!hljs.getLanguage(language)) return null;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}
