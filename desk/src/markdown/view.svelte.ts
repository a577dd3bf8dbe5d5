// A growing MarkdownDocument as reactive state: groups of blocks, of which only the last one still changes.

import { inFrames } from "../lib/frames";
import { MarkdownDocument, whole, type Block } from "./document";

/** Full groups keep their identity, so that only the last one is looked at when text comes. */
const GROUP = 12;
/** Of the text that waits, each frame shows this part, but never fewer characters than these: so what came all at once, or
 *  while nothing could be drawn, is shown over several frames. */
const SHOWN_AT_ONCE = 0.12;
const LEAST_AT_ONCE = 240;

export class MarkdownView {
  groups = $state.raw<Block[][]>([]);

  #document = new MarkdownDocument();
  /** Full groups of frozen blocks. */
  #full: Block[][] = [];
  /** Frozen blocks that are not a full group yet. */
  #open: Block[] = [];
  #taken = 0;
  /** Text that is not in the document yet. */
  #waiting = "";
  #ended = false;
  /** The document is not done with what it has. */
  #behind = false;

  get text(): string {
    return this.#document.source + this.#waiting;
  }

  push(text: string): void {
    this.#waiting += text;
    inFrames(this.#work);
  }

  end(): void {
    this.#ended = true;
    if (this.#waiting === "") this.#document.end();
    inFrames(this.#work);
  }

  /** A whole text: what fits into the time given is there at once, the rest in the next frames. */
  static of(text: string, ms = 12): MarkdownView {
    const view = new MarkdownView();
    view.#document.push(text);
    view.#document.end();
    view.#ended = true;
    const started = performance.now();
    if (view.#work(() => performance.now() - started > ms)) inFrames(view.#work);
    return view;
  }

  #work = (late: () => boolean): boolean => {
    if (!this.#behind) this.#take(Math.max(LEAST_AT_ONCE, this.#waiting.length * SHOWN_AT_ONCE));
    this.#behind = this.#document.advance(late);
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
    return this.#behind || this.#waiting !== "";
  };

  #take(characters: number): void {
    const at = whole(this.#waiting, Math.ceil(characters));
    this.#document.push(this.#waiting.slice(0, at));
    this.#waiting = this.#waiting.slice(at);
    if (this.#ended && this.#waiting === "") this.#document.end();
  }
}
