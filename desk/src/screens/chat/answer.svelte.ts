// One answer on the page: as it is stored, or as it comes in. Both are the same view of segments, so that the end of a
// stream changes nothing on the screen.

import { stream, toProblem } from "../../api/client";
import type { Answer, AnswerEvents, Attempt, Message, PhaseName, Problem } from "../../api/types";
import { MarkdownView } from "../../markdown/view.svelte";

/** How often the pace is said: a number that changes with every frame is not read. */
const PACE_MS = 250;

export class SegmentView {
  server = $state("");
  protocol = $state("");
  model = $state("");
  /** What the model thought before it answered, and how many words that is. */
  thoughts = $state.raw(new MarkdownView());
  thoughtWords = $state(0);
  /** Why the segment before this one ended. */
  because = $state.raw<Problem | null>(null);
  continues = $state(false);
  ended = $state<"running" | "done" | "interrupted">("running");
  hasText = $state(false);
  view = $state.raw(new MarkdownView());

  #insideWord = false;

  think(text: string): void {
    if (text === "") return;
    this.thoughts.push(text);
    // The first may be the rest of the word before it.
    this.thoughtWords += (text.match(/\S+/g)?.length ?? 0) - (this.#insideWord && /^\S/.test(text) ? 1 : 0);
    this.#insideWord = /\S$/.test(text);
  }

  /** All is there. What came is what is stored; should it not be, the stored text is the truth. */
  settle(text: string, reasoning: string): void {
    this.hasText = text !== "";
    this.view = settled(this.view, text);
    if (this.thoughts.text !== reasoning) this.thoughtWords = reasoning.match(/\S+/g)?.length ?? 0;
    // Folded away: no hurry.
    this.thoughts = settled(this.thoughts, reasoning, 0);
  }
}

function settled(view: MarkdownView, text: string, ms?: number): MarkdownView {
  if (view.text !== text) return MarkdownView.of(text, ms);
  view.end();
  return view;
}

export class AnswerView {
  id: string;
  phase = $state<PhaseName>("queued");
  /** Where it is being asked now. */
  server = $state<string | null>(null);
  protocol = $state<string | null>(null);
  segments = $state.raw<SegmentView[]>([]);
  attempts = $state.raw<Attempt[]>([]);
  /** Milliseconds from asking to the first text, when this page saw both. */
  ttft_ms = $state<number | null>(null);
  /** Pieces of text in the last two seconds: about the tokens per second. Null where nobody counts them. */
  pace = $state<number | null>(null);
  /** The stream itself broke (not the answer): the page, or the program, lost the other. */
  lost = $state.raw<Problem | null>(null);

  #abort: AbortController | null = null;
  #askedAt: number | null = null;
  /** When pieces came, and how many had come by then. */
  #arrivals: [number, number][] = [];
  #pieces = 0;
  #paceAt = 0;
  #ondone: (message: Message) => void = () => {};

  constructor(id: string) {
    this.id = id;
  }

  /** An answer that has ended. */
  static stored(id: string, answer: Answer): AnswerView {
    const made = new AnswerView(id);
    made.server = answer.server ?? null;
    made.attempts = answer.attempts;
    made.segments = answer.segments.map((segment, index) => {
      const view = new SegmentView();
      Object.assign(view, { server: segment.server, protocol: segment.protocol, model: segment.model });
      view.continues = segment.continues ?? false;
      view.because = answer.segments[index - 1]?.error ?? null;
      view.ended = segment.ended;
      view.settle(segment.text, segment.reasoning ?? "");
      return view;
    });
    return made;
  }

  /** Follows an answer that is being written. `asked`: this page asked it just now, so its first text can be timed. */
  follow(ondone: (message: Message) => void, asked: boolean): void {
    this.#ondone = ondone;
    this.#abort?.abort();
    this.#abort = new AbortController();
    this.#askedAt = asked ? performance.now() : null;
    this.#restart();
    const signal = this.#abort.signal;
    stream(`answers/${encodeURIComponent(this.id)}/events`, { signal, onEvent: (event, data) => !signal.aborted && this.#take(event as keyof AnswerEvents, data) }).catch(
      (error: unknown) => {
        this.lost = toProblem(error);
      },
    );
  }

  /** Follows again, from the beginning, after the connection was lost. */
  followAgain(): void {
    this.lost = null;
    this.follow(this.#ondone, false);
  }

  leave(): void {
    this.#abort?.abort();
  }

  #restart(): void {
    this.segments = [];
    this.attempts = [];
    this.#arrivals = [];
    this.#pieces = 0;
    this.phase = "queued";
  }

  #take<Name extends keyof AnswerEvents>(event: Name, data: unknown): void {
    switch (event) {
      case "phase": {
        const { phase, server, protocol } = data as AnswerEvents["phase"];
        this.phase = phase;
        if (server) this.server = server;
        if (protocol) this.protocol = protocol;
        break;
      }
      case "text": {
        const { segment, text, pieces } = data as AnswerEvents["text"];
        this.#arrived(pieces);
        const view = this.#segment(segment);
        view.hasText = true;
        view.view.push(text);
        break;
      }
      case "reasoning": {
        const { segment, text, pieces } = data as AnswerEvents["reasoning"];
        this.#arrived(pieces);
        this.#segment(segment).think(text);
        break;
      }
      case "attempt":
        this.attempts = [...this.attempts, data as AnswerEvents["attempt"]];
        break;
      case "segment": {
        const { segment, server, protocol, model, because, continues } = data as AnswerEvents["segment"];
        const before = this.segments[segment - 1];
        if (before) {
          before.ended = "interrupted";
          before.view.end();
        }
        const view = this.#segment(segment);
        Object.assign(view, { server, protocol, model, because: because ?? null, continues: continues ?? false });
        this.server = server;
        this.protocol = protocol;
        break;
      }
      case "done": {
        const message = data as AnswerEvents["done"];
        message.answer?.segments.forEach((segment, index) => {
          const view = this.#segment(index);
          view.settle(segment.text, segment.reasoning ?? "");
          Object.assign(view, { server: segment.server, protocol: segment.protocol, model: segment.model, ended: segment.ended });
        });
        this.#ondone(message);
        break;
      }
    }
  }

  #segment(index: number): SegmentView {
    let view = this.segments[index];
    while (!view) {
      const made = new SegmentView();
      made.server = this.server ?? "";
      made.protocol = this.protocol ?? "";
      this.segments = [...this.segments, made];
      view = this.segments[index];
    }
    return view;
  }

  #arrived(pieces: number | null | undefined): void {
    const now = performance.now();
    this.phase = "decoding";
    if (this.ttft_ms === null && this.#askedAt !== null) this.ttft_ms = now - this.#askedAt;
    if (pieces == null) return;
    this.#pieces += pieces;
    this.#arrivals.push([now, this.#pieces]);
    if (now - this.#paceAt < PACE_MS) return;
    this.#paceAt = now;
    while (this.#arrivals.length > 2 && now - (this.#arrivals[0]?.[0] ?? now) > 2000) this.#arrivals.shift();
    const [since, before] = this.#arrivals[0] ?? [now, 0];
    if (now - since > 400) this.pace = Math.round(((this.#pieces - before) / (now - since)) * 1000);
  }
}
