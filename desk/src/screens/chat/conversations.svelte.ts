// The list of conversations: pages of it, a search, and those that are open.

import { del, get, patch, post, toProblem } from "../../api/client";
import type { Conversation, ConversationChange, Conversations as Page, ConversationSummary, NewConversation, Problem, Sampling, Target } from "../../api/types";
import { OpenConversation } from "./conversation.svelte";

const PAGE = 50;
/** Conversations that stay in memory, and whose answers go on being followed, when another one is shown. */
const KEPT_OPEN = 6;

class Conversations {
  items = $state.raw<ConversationSummary[]>([]);
  more = $state(false);
  loading = $state(false);
  /** The first page has come. */
  loaded = $state(false);
  problem = $state.raw<Problem | null>(null);
  query = $state("");

  #open: OpenConversation[] = [];
  #latest = 0;

  async refresh(): Promise<void> {
    const ticket = ++this.#latest;
    this.loading = true;
    try {
      const page = await this.#page();
      if (ticket !== this.#latest) return;
      this.items = page.conversations;
      this.more = page.more;
      this.loaded = true;
      this.problem = null;
    } catch (error) {
      if (ticket === this.#latest) this.problem = toProblem(error);
    } finally {
      if (ticket === this.#latest) this.loading = false;
    }
  }

  async loadMore(): Promise<void> {
    const last = this.items.at(-1);
    if (!this.more || this.loading || !last) return;
    const ticket = ++this.#latest;
    this.loading = true;
    try {
      const page = await this.#page(last.id);
      if (ticket !== this.#latest) return;
      const known = new Set(this.items.map(({ id }) => id));
      this.items = [...this.items, ...page.conversations.filter(({ id }) => !known.has(id))];
      this.more = page.more;
    } catch {
      this.more = false;
    } finally {
      if (ticket === this.#latest) this.loading = false;
    }
  }

  open(id: string): OpenConversation {
    let found = this.#open.find((conversation) => conversation.id === id);
    if (!found) {
      found = new OpenConversation(id);
      void found.load();
    } else if (!found.data && found.problem) {
      void found.load();
    }
    this.#keep(found);
    return found;
  }

  async create(first: { title: string; target: Target | null; system: string; sampling: Sampling }): Promise<OpenConversation> {
    const data = await post<Conversation>("conversations", {
      title: first.title,
      model: first.target?.model ?? null,
      server: first.target?.server ?? null,
      system: first.system,
      sampling: first.sampling,
    } satisfies NewConversation);
    const made = new OpenConversation(data.id, data);
    this.#keep(made);
    void this.refresh();
    return made;
  }

  async rename(id: string, title: string): Promise<void> {
    this.items = this.items.map((item) => (item.id === id ? { ...item, title } : item));
    const open = this.#open.find((conversation) => conversation.id === id);
    if (open) await open.change({ title });
    else await patch(`conversations/${encodeURIComponent(id)}`, { title } satisfies ConversationChange);
  }

  async remove(id: string): Promise<void> {
    await del(`conversations/${encodeURIComponent(id)}`);
    this.items = this.items.filter((item) => item.id !== id);
    this.#open.find((conversation) => conversation.id === id)?.close();
    this.#open = this.#open.filter((conversation) => conversation.id !== id);
  }

  /** After a lost connection: everything is read again. */
  async recover(): Promise<void> {
    await Promise.all([this.refresh(), ...this.#open.map((conversation) => conversation.recover())]);
  }

  #page(before?: string): Promise<Page> {
    const search = new URLSearchParams({ limit: String(PAGE) });
    if (this.query.trim()) search.set("q", this.query.trim());
    if (before !== undefined) search.set("before", before);
    return get(`conversations?${search}`);
  }

  #keep(conversation: OpenConversation): void {
    this.#open = [conversation, ...this.#open.filter((other) => other !== conversation)];
    for (const left of this.#open.slice(KEPT_OPEN)) left.close();
    this.#open = this.#open.slice(0, KEPT_OPEN);
  }
}

export const conversations = new Conversations();
