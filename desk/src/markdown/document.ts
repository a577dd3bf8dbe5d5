// Markdown that grows. The text is cut into blocks; a block that can no longer change is frozen and its HTML never made
// again, and only the last one is rendered anew as text comes in. So the cost of a token does not grow with the answer.
//
// Very long blocks are cut too, at places where the eye does not notice (between list items, rows, sentences), or the
// last block of a 50,000-token list would be the whole list.

import type { Token, Tokens } from "marked";
import { Content, languageOf, lex, toHtml } from "./render";

export type Block =
  | { key: number; kind: "html"; content: Content; /** A later part of the block before it. */ continued: boolean }
  | { key: number; kind: "code"; lang: string; text: string; open: boolean };

/** The longest piece that is parsed at once; a block that is longer is cut. */
const WINDOW = 4_000;

export class MarkdownDocument {
  /** Blocks that will not change any more. */
  frozen: Block[] = [];
  /** Blocks that may: usually one. Made by `advance`. */
  tail: Block[] = [];

  /** All that came, piece by piece: as one string it would be copied for every frame. */
  #pieces: string[] = [];
  /** What came, without most of what is frozen; places are counted in it. */
  #rest = "";
  #at = 0;
  #key = 0;
  #ended = false;
  #continued = false;
  /** Lines that a continued table begins with: its head. */
  #prefix = "";
  /** Blocks that are complete and not rendered yet, and where each ends. */
  #cutOff: { token: Token; end: number }[] = [];
  /** The fence that is open at `#at`, and how far its end has been looked for. */
  #fence: { mark: RegExp; lang: string; body: number; searched: number } | null = null;

  /** All the text there is. */
  get source(): string {
    return this.#pieces.join("");
  }

  push(text: string): void {
    this.#pieces.push(text);
    this.#forget();
    this.#rest += text;
  }

  /** No more text will come: everything is frozen by the next `advance`. */
  end(): void {
    this.#ended = true;
  }

  get settled(): boolean {
    return this.#ended && this.#at >= this.#rest.length;
  }

  /**
   * Freezes what is complete and renders the tail. Stops when `late` says so, and returns whether something is left to
   * do; the tail is then as it was.
   */
  advance(late: () => boolean = () => false): boolean {
    while (this.#freeze(late)) {
      if (late()) return true;
    }
    this.tail = this.#renderTail();
    return false;
  }

  /** Cuts off what is frozen. */
  #forget(): void {
    const gone = this.#at;
    if (gone === 0 || this.#cutOff.length > 0) return;
    this.#rest = this.#rest.slice(gone);
    this.#at = 0;
    if (this.#fence) {
      this.#fence.body -= gone;
      this.#fence.searched -= gone;
    }
  }

  /** Freezes at least one block, or returns false. */
  #freeze(late: () => boolean): boolean {
    if (this.#cutOff.length > 0) {
      this.#render(late);
      return true;
    }
    this.#skipBlankLines();
    if (this.#at >= this.#rest.length) return false;
    if (this.#fence || this.#openFence()) return this.#closeFence();
    const rest = this.#rest.length - this.#at;
    const piece = this.#prefix + this.#window();
    const tokens = lex(piece).filter((token) => token.type !== "space");
    const whole = this.#ended && rest <= WINDOW;
    if (tokens.length > 1 || whole) {
      const keep = whole ? 0 : 1;
      // A fence is for #openFence, which knows how to let it grow.
      const stop = tokens.findIndex((token, index) => index > 0 && isFence(token));
      const done = tokens.slice(0, stop > 0 ? stop : tokens.length - keep);
      this.#take(done, piece, stop > 0 || !whole, late);
      return true;
    }
    const only = tokens[0];
    if (only && rest > WINDOW) {
      this.#cut(only);
      return true;
    }
    return false;
  }

  #window(): string {
    return this.#rest.slice(this.#at, whole(this.#rest, this.#at + WINDOW));
  }

  /** Freezes these; what there is no time for is remembered, not cut again. */
  #take(tokens: Token[], piece: string, more: boolean, late: () => boolean): void {
    let end = 0;
    this.#cutOff = tokens.map((token) => {
      end = piece.indexOf(token.raw, end) + token.raw.length;
      return { token, end: this.#at + end - this.#prefix.length };
    });
    const whole = this.#at + piece.length - this.#prefix.length;
    const last = this.#cutOff.at(-1);
    if (!last) this.#at = whole;
    else if (!more) last.end = whole;
    this.#prefix = "";
    this.#render(late);
  }

  #render(late: () => boolean): void {
    let done = 0;
    for (const { token, end } of this.#cutOff) {
      done += 1;
      this.#at = end;
      if (token.type === "def") continue;
      const content = this.#content([token]);
      this.frozen.push({ key: this.#key++, kind: "html", content, continued: this.#continued });
      this.#continued = false;
      if (late()) break;
    }
    this.#cutOff = this.#cutOff.slice(done);
  }

  /** Cuts a block that fills the window. */
  #cut(token: Token): void {
    const piece = this.#prefix + this.#window();
    const at = Math.max(cutAt(token, piece), this.#prefix.length + 1);
    const part = piece.slice(0, at);
    const prefix = token.type === "table" ? tableHead(token as Tokens.Table, piece) : "";
    const content = this.#content(lex(part));
    this.frozen.push({ key: this.#key++, kind: "html", content, continued: this.#continued });
    this.#at += at - this.#prefix.length;
    this.#prefix = prefix;
    this.#continued = true;
  }

  #openFence(): boolean {
    const lineEnd = this.#rest.indexOf("\n", this.#at);
    if (lineEnd < 0) return false;
    const open = /^ {0,3}(`{3,}|~{3,})([^\n`]*)$/.exec(this.#rest.slice(this.#at, lineEnd));
    const mark = open?.[1];
    if (!mark) return false;
    this.#fence = {
      mark: new RegExp(`^ {0,3}${mark[0] === "~" ? "~" : "`"}{${mark.length},}[ \\t]*$`),
      lang: languageOf(open[2]),
      body: lineEnd + 1,
      searched: lineEnd + 1,
    };
    return true;
  }

  #closeFence(): boolean {
    const fence = this.#fence;
    if (!fence) return false;
    for (;;) {
      const newline = this.#rest.indexOf("\n", fence.searched);
      const last = newline < 0;
      if (last && !this.#ended) return false;
      const lineEnd = last ? this.#rest.length : newline;
      if (fence.mark.test(this.#rest.slice(fence.searched, lineEnd))) {
        this.#freezeCode(this.#rest.slice(fence.body, fence.searched), lineEnd);
        return true;
      }
      fence.searched = lineEnd + 1;
      if (last || fence.searched >= this.#rest.length) {
        if (!this.#ended) return false;
        this.#freezeCode(this.#rest.slice(fence.body), this.#rest.length);
        return true;
      }
    }
  }

  #freezeCode(text: string, end: number): void {
    this.frozen.push({ key: this.#key++, kind: "code", lang: this.#fence?.lang ?? "", text: text.replace(/\n$/, ""), open: false });
    this.#at = Math.min(end + 1, this.#rest.length);
    this.#fence = null;
    this.#continued = false;
  }

  #renderTail(): Block[] {
    if (this.#at >= this.#rest.length) return [];
    // The key is the one the block will have when it is frozen, so that its element stays.
    if (this.#fence) {
      const body = this.#rest.slice(this.#fence.body);
      const text = body.replace(/\n[ \t]*[`~]*$/, "");
      return [{ key: this.#key, kind: "code", lang: this.#fence.lang, text, open: true }];
    }
    const text = this.#prefix + withoutStub(this.#rest.slice(this.#at));
    if (text.trim() === "") return [];
    const content = this.#content(lex(closed(text)));
    return [{ key: this.#key, kind: "html", content, continued: this.#continued }];
  }

  /** That of the block as it was shown last, if it has not changed. */
  #content(tokens: Token[]): Content {
    const html = toHtml(tokens);
    const shown = this.tail[0];
    return shown?.kind === "html" && shown.key === this.#key && shown.content.html === html ? shown.content : new Content(html);
  }

  #skipBlankLines(): void {
    if (this.#fence || this.#prefix) return;
    // Indentation belongs to the block: only whole blank lines go.
    const blank = /^(?:[ \t]*\n)+/.exec(this.#rest.slice(this.#at, this.#at + 200));
    if (blank) {
      this.#at += blank[0].length;
      this.#continued = false;
    }
    if (this.#ended && this.#rest.slice(this.#at).trim() === "") this.#at = this.#rest.length;
  }
}

function isFence(token: Token): boolean {
  return token.type === "code" && /^ {0,3}(`{3,}|~{3,})/.test(token.raw);
}

/** The place, or the next one if that is inside a character. */
export function whole(text: string, at: number): number {
  return /^[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(at - 1, at + 1)) ? at + 1 : at;
}

/** Where a block that is too long is cut with the least harm. */
function cutAt(token: Token, piece: string): number {
  const least = piece.length / 2;
  const places =
    token.type === "list" ? [/\n(?=(?:[-*+]|\d{1,9}[.)])[ \t])/g, /\n/g] : token.type === "table" ? [/\n/g] : [/\n/g, /[.!?:;] |[。！？；]/g, / |[，、]/g];
  for (const place of places) {
    let at = -1;
    for (const found of piece.matchAll(place)) at = found.index + found[0].length;
    if (at >= least) return at;
  }
  return piece.length;
}

function tableHead(table: Tokens.Table, piece: string): string {
  void table;
  const first = piece.indexOf("\n");
  const second = piece.indexOf("\n", first + 1);
  return second < 0 ? "" : piece.slice(0, second + 1);
}

/**
 * Without a last line that may yet become something else: "-" below a paragraph is a heading's underline until it turns
 * out to be a list.
 */
function withoutStub(text: string): string {
  const lineStart = text.lastIndexOf("\n") + 1;
  return /^[ \t]*(?:[-=*_#>`~|+:]+|\d{1,9}[.)]?)[ \t]*$/.test(text.slice(lineStart)) ? text.slice(0, lineStart) : text;
}

/** With the emphasis, code and link that are still open at the end closed, so that words do not change their look twice. */
export function closed(text: string): string {
  const start = text.lastIndexOf("\n\n") + 1;
  let last = text.slice(start).replace(/!?\[([^\]\n]*)\]\([^)\n]*$/, "$1");
  const ticks = last.match(/`+/g) ?? [];
  if (ticks.length % 2 === 1) return text.slice(0, start) + last + (ticks.at(-1) ?? "`");
  const bare = last.replace(/`[^`]*`/g, "");
  if ((bare.match(/\*\*/g) ?? []).length % 2 === 1) {
    last = /\*\*\s*$/.test(last) ? last.replace(/\*\*\s*$/, "") : `${last.replace(/\*$/, "").replace(/\s+$/, "")}**`;
  }
  return text.slice(0, start) + last;
}
