// Markdown to HTML that cannot do anything: raw HTML is shown as text, images are links that nobody follows by
// themselves, links say where they lead, and DOMPurify lets through a short list of elements and attributes.

import DOMPurify from "dompurify";
import { Marked, type MarkedToken, type Token, type TokensList } from "marked";

const marked = new Marked({
  gfm: true,
  breaks: false,
  renderer: {
    html: ({ text }) => escape(text),
    image({ href, text }) {
      const words = `Image: ${text || "no description"}`;
      return link(href, escape(words));
    },
    link({ href, tokens, text }) {
      return link(href, this.parser.parseInline(tokens), text);
    },
    code({ text, lang }) {
      return codeFigure(text, languageOf(lang));
    },
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    table({ header, rows }) {
      const row = (cells: typeof header, tag: "th" | "td") =>
        `<tr>${cells.map((cell) => `<${tag}${cell.align ? ` class="align-${cell.align}"` : ""}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join("")}</tr>`;
      return `<div class="table-scroll" tabindex="0" role="region" aria-label="Table"><table><thead>${row(header, "th")}</thead><tbody>${rows.map((cells) => row(cells, "td")).join("")}</tbody></table></div>`;
    },
  },
});

export function lex(text: string): TokensList {
  return marked.lexer(text);
}

export function toHtml(tokens: Token[]): string {
  return marked.parser(tokens as MarkedToken[]);
}

const CLEAN = {
  ALLOWED_TAGS: [
    "a", "b", "blockquote", "br", "button", "code", "del", "div", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "li", "ol", "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul",
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "rel", "role", "tabindex", "aria-label", "type", "data-copy"],
  ADD_ATTR: ["target"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
};
// Once, or every call would build its lists anew.
if (DOMPurify.isSupported) DOMPurify.setConfig(CLEAN);

/** What stands in a block: HTML, and the clean nodes of it until a page has them. */
export class Content {
  readonly html: string;
  #nodes: DocumentFragment | null;

  constructor(html: string) {
    this.html = html;
    // Without a DOM (unit tests of the parts around it) there is nothing that could run, either.
    this.#nodes = DOMPurify.isSupported ? clean(html) : null;
  }

  /** The nodes, for one place in a page. They are made again for another. */
  take(): DocumentFragment {
    const nodes = this.#nodes ?? clean(this.html);
    this.#nodes = null;
    return nodes;
  }
}

/** As nodes, not as text that would be parsed once more. */
function clean(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, CLEAN);
}

/** A link that opens elsewhere and says where; anything but http, https and mailto stays text. */
function link(href: string, inside: string, text = ""): string {
  const target = safeTarget(href);
  if (!target) return `${inside} <span class="target">(${escape(href)})</span>`;
  const shown = target.protocol === "mailto:" ? target.pathname : target.host;
  const says = text.includes(shown);
  return (
    `<a href="${escape(target.href)}" title="${escape(target.href)}" rel="noopener noreferrer nofollow" target="_blank">${inside}</a>` +
    (says ? "" : ` <span class="target">(${escape(shown)})</span>`)
  );
}

function safeTarget(href: string): URL | null {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** Code inside other blocks (lists, quotes). Code of its own is drawn by a component. */
function codeFigure(text: string, lang: string): string {
  return (
    `<figure class="code"><figcaption><span>${escape(lang || "text")}</span>` +
    `<button type="button" data-copy="code" aria-label="Copy code">Copy</button></figcaption>` +
    `<pre tabindex="0" role="region" aria-label="Code"><code>${escape(text)}</code></pre></figure>`
  );
}

export function languageOf(info: string | undefined): string {
  return /^[\w+#.-]{1,24}/.exec((info ?? "").trim())?.[0] ?? "";
}

export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[char] ?? char);
}
