// What the program is doing now: one event stream, connected again whenever it breaks, kept as reactive state that all
// screens read. Lists are replaced, not mutated, so that a screen redraws only for what changed.

import { ApiError, get, stream } from "../api/client";
import type { CallSummary, Hello, LiveEvents, ModelsView, Sample, Server } from "../api/types";

const KEPT_SAMPLES = 3600;
const KEPT_CALLS = 500;
const LONGEST_WAIT_MS = 5000;
/** The stream sends something at least each 15 s; longer silence means that it is dead. */
const SILENCE_MS = 40_000;

class Live {
  /** The stream is up. */
  connected = $state(false);
  /** It was up, or should be, and is not: the page shows a banner. */
  lost = $state(false);
  /** The launch key is wrong: connecting again would not help. */
  unauthorized = $state(false);
  hello = $state.raw<Hello | null>(null);
  servers = $state.raw<Server[]>([]);
  models = $state.raw<ModelsView>({ models: [], unavailable: [], awaited: [], loads: [] });
  running = $state.raw<CallSummary[]>([]);
  samples = $state.raw<Sample[]>([]);
  /** Newest first, bounded. */
  calls = $state.raw<CallSummary[]>([]);
  /** The first snapshots of servers and models have come. */
  ready = $state(false);
  /** There is a model, or every server has said that it has none, or could not be asked. */
  modelsKnown = $derived(this.ready && (this.models.models.length > 0 || this.models.awaited.length === 0));

  #started = false;
  #retry: (() => void) | null = null;
  #listeners = new Set<() => void>();

  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run();
  }

  /** Does not wait for the next attempt. */
  reconnect(): void {
    this.#retry?.();
  }

  /** Runs `then` each time the stream comes back after it was lost. Returns the way to stop that. */
  onReconnect(then: () => void): () => void {
    this.#listeners.add(then);
    return () => this.#listeners.delete(then);
  }

  /** Waits until {@link modelsKnown}, at most `ms`. Not longer where the stream is lost. */
  untilModelsKnown(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = $effect.root(() => {
        $effect(() => {
          if (this.modelsKnown || this.lost) end();
        });
      });
      const timer = setTimeout(end, ms);
      function end() {
        clearTimeout(timer);
        stop();
        resolve();
      }
    });
  }

  async #run(): Promise<void> {
    let wait = 250;
    for (;;) {
      let wasUp = false;
      const abort = new AbortController();
      let silence = setTimeout(() => abort.abort(), SILENCE_MS);
      try {
        this.hello = await get<Hello>("hello", AbortSignal.timeout(10_000));
        await stream("events", {
          signal: abort.signal,
          onOpen: () => {
            wasUp = true;
            wait = 250;
            this.#up();
          },
          onEvent: (event, data) => {
            clearTimeout(silence);
            silence = setTimeout(() => abort.abort(), SILENCE_MS);
            this.#take(event, data);
          },
        });
      } catch (error) {
        if (error instanceof ApiError && error.problem.status === 401) {
          this.unauthorized = true;
        }
      }
      clearTimeout(silence);
      this.connected = false;
      this.lost = true;
      if (this.unauthorized) return;
      if (!wasUp) wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      await this.#pause(wait);
    }
  }

  #up(): void {
    const again = this.lost;
    this.connected = true;
    this.lost = false;
    if (again) for (const then of this.#listeners) then();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      const online = () => done();
      window.addEventListener("online", online, { once: true });
      const self = this;
      this.#retry = done;
      function done() {
        clearTimeout(timer);
        window.removeEventListener("online", online);
        self.#retry = null;
        resolve();
      }
    });
  }

  #take(event: string, data: unknown): void {
    switch (event) {
      case "servers":
        this.servers = (data as LiveEvents["servers"]).servers;
        break;
      case "models":
        this.models = data as LiveEvents["models"];
        this.ready = true;
        break;
      case "running":
        this.running = (data as LiveEvents["running"]).running;
        break;
      case "sample": {
        const sample = data as LiveEvents["sample"];
        const kept = this.samples.length >= KEPT_SAMPLES ? this.samples.slice(1 - KEPT_SAMPLES) : this.samples;
        this.samples = [...kept, sample];
        break;
      }
      case "call": {
        const call = data as LiveEvents["call"];
        const rest = this.calls.filter((known) => known.id !== call.id);
        this.calls = [call, ...rest].sort((a, b) => b.at - a.at).slice(0, KEPT_CALLS);
        break;
      }
    }
  }
}

export const live = new Live();
