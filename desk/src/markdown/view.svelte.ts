// A growing MarkdownDocument as reactive state: groups of blocks that never change again, and the tail that does.

import { inFrames } from "../lib/frames";
import { MarkdownDocument, type Block } from "./document";

/** Full groups keep their identity, so that only the last one is looked at when text comes. */
const GROUP = 12;

export class MarkdownView {
  groups = $state.raw<Block[][]>([]);
  tail = $state.raw<Block[]>([]);

  #document = new MarkdownDocument();
  #taken = 0;

  get text(): string {
    return this.#document.source;
  }

  push(text: string): void {
    this.#document.push(text);
    inFrames(this.#work);
  }

  end(): void {
    this.#document.end();
    inFrames(this.#work);
  }

  /** A whole text: what fits into the time given is there at once, the rest in the next frames. */
  static of(text: string, ms = 12): MarkdownView {
    const view = new MarkdownView();
    view.#document.push(text);
    view.#document.end();
    const started = performance.now();
    if (view.#work(() => performance.now() - started > ms)) inFrames(view.#work);
    return view;
  }

  #work = (late: () => boolean): boolean => {
    const more = this.#document.advance(late);
    const fresh = this.#document.frozen.slice(this.#taken);
    if (fresh.length > 0) {
      this.#taken += fresh.length;
      const last = this.groups.at(-1) ?? [];
      const open = last.length < GROUP ? last : [];
      const kept = open === last ? this.groups.slice(0, -1) : this.groups;
      const blocks = [...open, ...fresh];
      const made: Block[][] = [];
      for (let at = 0; at < blocks.length; at += GROUP) made.push(blocks.slice(at, at + GROUP));
      this.groups = [...kept, ...made];
    }
    if (!more) this.tail = this.#document.tail;
    return more;
  };
}
