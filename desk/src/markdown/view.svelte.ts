// A growing MarkdownDocument as reactive state: groups of blocks, of which only the last one still changes.

import { inFrames } from "../lib/frames";
import { MarkdownDocument, type Block } from "./document";

/** Full groups keep their identity, so that only the last one is looked at when text comes. */
const GROUP = 12;

export class MarkdownView {
  groups = $state.raw<Block[][]>([]);

  #document = new MarkdownDocument();
  /** Full groups of frozen blocks. */
  #full: Block[][] = [];
  /** Frozen blocks that are not a full group yet. */
  #open: Block[] = [];
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
    const { frozen, tail } = this.#document;
    const full = [...this.#full];
    let open = [...this.#open, ...frozen.slice(this.#taken)];
    this.#taken = frozen.length;
    for (; open.length >= GROUP; open = open.slice(GROUP)) full.push(open.slice(0, GROUP));
    this.#full = full;
    this.#open = open;
    // Beside the frozen blocks, so that the last one's element stays when it is frozen. One that was has a key of theirs.
    const growing = [...open, ...tail.filter(({ key }) => key >= frozen.length)];
    this.groups = growing.length > 0 ? [...full, growing] : full;
    return more;
  };
}
