// One answer on the page: as it is stored, or as it comes in. Both are the same view of segments, so that the end of a
// stream changes nothing on the screen.

import { stream, toProblem } from "../../api/client";
import type { Answer, AnswerEvents, Attempt, Message, PhaseName, Problem } from "../../api/types";
import { inFrames } from "../../lib/frames";
import { MarkdownView } from "../../markdown/view.svelte";

export class SegmentView {
  server = $state("");
  protocol = $state("");
  model = $state("");
  reasoning = $state("");
  /** Why the segment before this one ended. */
  because = $state.raw<Problem | null>(null);
  continues = $state(false);
  ended = $state<"running" | "done" | "interrupted">("running");
  hasText = $state(false);
  view = new MarkdownView();
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
  /** Pieces of text in the last two seconds: about the tokens per second. */
  pace = $state<number | null>(null);
  /** The stream itself broke (not the answer): the page, or the program, lost the other. */
  lost = $state.raw<Problem | null>(null);

  #abort: AbortController | null = null;
  #askedAt: number | null = null;
  /** When pieces came, and how many had come by then. */
  #arrivals: [number, number][] = [];
  #pieces = 0;
  #reasoning = new Map<number, string>();
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
      Object.assign(view, { server: segment.server, protocol: segment.protocol, model: segment.model, reasoning: segment.reasoning ?? "" });
      view.continues = segment.continues ?? false;
      view.because = answer.segments[index - 1]?.error ?? null;
      view.ended = segment.ended;
      view.hasText = segment.text !== "";
      view.view = MarkdownView.of(segment.text);
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
    this.#reasoning.clear();
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
        this.#segment(segment);
        this.#reasoning.set(segment, (this.#reasoning.get(segment) ?? "") + text);
        inFrames(this.#showReasoning);
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
          // What came is what is stored; should it not be, the stored text is the truth.
          if (view.view.text === segment.text) view.view.end();
          else view.view = MarkdownView.of(segment.text);
          Object.assign(view, { server: segment.server, protocol: segment.protocol, model: segment.model, reasoning: segment.reasoning ?? "", ended: segment.ended });
          view.hasText = segment.text !== "";
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

  #showReasoning = (): boolean => {
    for (const [index, text] of this.#reasoning) {
      const view = this.segments[index];
      if (view) view.reasoning = text;
    }
    return false;
  };

  #arrived(pieces: number): void {
    const now = performance.now();
    if (this.#arrivals.length === 0) {
      this.phase = "decoding";
      if (this.#askedAt !== null) this.ttft_ms = now - this.#askedAt;
    }
    this.#pieces += pieces;
    this.#arrivals.push([now, this.#pieces]);
    inFrames(this.#showPace);
  }

  #showPace = (): boolean => {
    const now = performance.now();
    while (this.#arrivals.length > 2 && now - (this.#arrivals[0]?.[0] ?? now) > 2000) this.#arrivals.shift();
    const [since, before] = this.#arrivals[0] ?? [now, 0];
    if (now - since > 400) this.pace = Math.round(((this.#pieces - before) / (now - since)) * 1000);
    return false;
  };
}
