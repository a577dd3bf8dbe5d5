// A conversation as a tree: every message has a parent, edits and repetitions are siblings, and what is shown is the way
// from the root to one leaf.

import type { Message } from "../../api/types";

export class Tree {
  #byId: Map<string, Message>;
  #children: Map<string | null, Message[]>;

  constructor(messages: readonly Message[]) {
    this.#byId = new Map(messages.map((message) => [message.id, message]));
    this.#children = new Map();
    for (const message of [...messages].sort((a, b) => a.created_at - b.created_at)) {
      // A message whose parent is gone would be out of reach; it begins a branch of its own.
      const parent = message.parent !== null && this.#byId.has(message.parent) ? message.parent : null;
      const siblings = this.#children.get(parent);
      if (siblings) siblings.push(message);
      else this.#children.set(parent, [message]);
    }
  }

  get(id: string | null | undefined): Message | undefined {
    return id == null ? undefined : this.#byId.get(id);
  }

  children(id: string | null): readonly Message[] {
    return this.#children.get(id) ?? [];
  }

  /** The message and its siblings, oldest first. */
  siblings(message: Message): readonly Message[] {
    const parent = message.parent !== null && this.#byId.has(message.parent) ? message.parent : null;
    return this.children(parent);
  }

  /** From the root to `leaf`; without a leaf, to the newest one. */
  path(leaf: string | null | undefined): Message[] {
    const found: Message[] = [];
    const seen = new Set<string>();
    let at = this.get(leaf) ?? this.get(this.newestLeaf(null));
    while (at && !seen.has(at.id)) {
      seen.add(at.id);
      found.push(at);
      at = this.get(at.parent);
    }
    return found.reverse();
  }

  /** The leaf one comes to by always taking the newest child. */
  newestLeaf(from: string | null): string | null {
    let at = from;
    for (;;) {
      const next = this.children(at).at(-1);
      if (!next) return at;
      at = next.id;
    }
  }

  /**
   * The answers that were asked for together with this one (a comparison): siblings of the same role and the same
   * instant. Alone, it is a list of one.
   */
  together(message: Message): readonly Message[] {
    if (message.role !== "assistant") return [message];
    return this.siblings(message).filter((other) => other.role === "assistant" && other.created_at === message.created_at);
  }
}
