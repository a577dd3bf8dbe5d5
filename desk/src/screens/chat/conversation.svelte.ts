// A conversation that is open: its tree, the answers that are coming in, and everything one can do with it.

import { get, patch, post, toProblem } from "../../api/client";
import type { Answering, Ask, Attachment, Conversation, ConversationChange, Message, Problem, Stopped, Upstream } from "../../api/types";
import { AnswerView } from "./answer.svelte";
import { Tree } from "./tree";

export interface Question {
  content: string;
  attachments: Attachment[];
}

export class OpenConversation {
  id: string;
  data = $state.raw<Conversation | null>(null);
  problem = $state.raw<Problem | null>(null);
  leaf = $state<string | null>(null);

  tree = $derived(new Tree(this.data?.messages ?? []));
  path = $derived(this.tree.path(this.leaf));
  running = $derived((this.data?.messages ?? []).filter((message) => message.answer?.state === "running"));

  /** Replaced, never changed: who looks an answer up is told when it begins to be followed. */
  #views = $state.raw<ReadonlyMap<string, AnswerView>>(new Map());
  #stored = new WeakMap<Message, AnswerView>();

  constructor(id: string, data?: Conversation) {
    this.id = id;
    if (data) this.#take(data);
  }

  async load(): Promise<void> {
    try {
      this.#take(await get<Conversation>(`conversations/${encodeURIComponent(this.id)}`));
      this.problem = null;
    } catch (error) {
      this.problem = toProblem(error);
    }
  }

  /** The page was cut off: what is stored is read again, and running answers are followed again. */
  async recover(): Promise<void> {
    for (const view of this.#views.values()) view.leave();
    this.#views = new Map();
    await this.load();
  }

  close(): void {
    for (const view of this.#views.values()) view.leave();
  }

  viewOf(message: Message): AnswerView | null {
    const followed = this.#views.get(message.id);
    if (followed) return followed;
    if (!message.answer) return null;
    let view = this.#stored.get(message);
    if (!view) {
      view = AnswerView.stored(message.id, message.answer);
      this.#stored.set(message, view);
    }
    return view;
  }

  /** Asks below `parent`; without a question, asks again what `parent` asks. */
  async ask(parent: string | null, question: Question | null, targets: NonNullable<Ask["targets"]>): Promise<void> {
    const given = await post<Answering>(`conversations/${encodeURIComponent(this.id)}/ask`, {
      parent,
      content: question?.content ?? null,
      attachments: question?.attachments ?? [],
      targets,
    } satisfies Ask);
    this.#merge([...(given.message ? [given.message] : []), ...given.answers]);
    this.leaf = given.answers[0]?.id ?? given.message?.id ?? this.leaf;
    for (const answer of given.answers) this.#follow(answer, true);
  }

  async stop(id: string): Promise<Upstream> {
    const { upstream } = await post<Stopped>(`answers/${encodeURIComponent(id)}/stop`);
    const message = this.tree.get(id);
    if (message?.answer) this.#merge([{ ...message, answer: { ...message.answer, upstream } }]);
    return upstream;
  }

  async stopAll(): Promise<Upstream[]> {
    return Promise.all(this.running.map((message) => this.stop(message.id)));
  }

  /** Shows the branch that `message` is on, down to its newest leaf. */
  async show(message: Message): Promise<void> {
    this.leaf = this.tree.newestLeaf(message.id);
    await this.#patch({ leaf: this.leaf });
  }

  /** Takes this very message as the end, to go on from it. */
  async goOnFrom(message: Message): Promise<void> {
    this.leaf = message.id;
    await this.#patch({ leaf: message.id });
  }

  async change(changes: Partial<Pick<Conversation, "title" | "model" | "server" | "system" | "sampling">>): Promise<void> {
    if (this.data) this.data = { ...this.data, ...changes };
    await this.#patch(changes);
  }

  async #patch(changes: ConversationChange): Promise<void> {
    await patch(`conversations/${encodeURIComponent(this.id)}`, changes);
  }

  #take(data: Conversation): void {
    this.data = data;
    this.leaf = data.leaf ?? this.tree.newestLeaf(null);
    for (const message of data.messages) if (message.answer?.state === "running") this.#follow(message, false);
  }

  #follow(message: Message, asked: boolean): void {
    let view = this.#views.get(message.id);
    if (!view) {
      view = new AnswerView(message.id);
      this.#views = new Map(this.#views).set(message.id, view);
    }
    view.follow((done) => {
      const upstream = done.answer?.upstream ?? this.tree.get(done.id)?.answer?.upstream;
      this.#merge([done.answer && upstream ? { ...done, answer: { ...done.answer, upstream } } : done]);
    }, asked);
  }

  #merge(messages: Message[]): void {
    if (!this.data) return;
    const fresh = new Map(messages.map((message) => [message.id, message]));
    const kept = this.data.messages.map((message) => {
      const replaced = fresh.get(message.id);
      fresh.delete(message.id);
      return replaced ?? message;
    });
    this.data = { ...this.data, messages: [...kept, ...fresh.values()], updated_at: Date.now() };
  }
}
