// What the palette (Ctrl+K) offers. The shell offers the screens; a screen adds its own while it is open.

import { untrack, type Component } from "svelte";

export interface Command {
  id: string;
  label: string;
  /** Words that also find it. */
  words?: string;
  group?: string;
  icon?: Component;
  keys?: string;
  run: () => void;
}

class Commands {
  #sources = $state.raw<(() => Command[])[]>([]);

  get all(): Command[] {
    return this.#sources.flatMap((source) => source());
  }

  add(source: () => Command[]): () => void {
    this.#sources = [...this.#sources, source];
    return () => {
      this.#sources = this.#sources.filter((other) => other !== source);
    };
  }
}

export const commands = new Commands();

/** Offers commands for as long as the component lives. */
export function offerCommands(source: () => Command[]): void {
  // Adding reads the list that it changes.
  $effect(() => untrack(() => commands.add(source)));
}

/** Every word of the query is somewhere in the command; better matches first. */
export function matching(all: Command[], query: string): Command[] {
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return all;
  return all
    .map((command) => ({ command, score: score(command, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ command }) => command);
}

function score(command: Command, words: string[]): number {
  const label = command.label.toLowerCase();
  const rest = `${command.group ?? ""} ${command.words ?? ""}`.toLowerCase();
  let total = 0;
  for (const word of words) {
    if (label.startsWith(word)) total += 4;
    else if (label.includes(` ${word}`)) total += 3;
    else if (label.includes(word)) total += 2;
    else if (rest.includes(word)) total += 1;
    else return 0;
  }
  return total;
}
