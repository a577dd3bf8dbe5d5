// Server-sent events out of a byte stream, whatever way the bytes are cut. Only what the desk's own API sends: `event`,
// `data` and comments; no `id`, no `retry`.

export interface StreamEvent {
  event: string;
  data: string;
}

export class SseParser {
  #decoder = new TextDecoder();
  #rest = "";
  #event = "";
  #data: string[] = [];

  push(bytes: Uint8Array): StreamEvent[] {
    return this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  #take(text: string): StreamEvent[] {
    const found: StreamEvent[] = [];
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (this.#data.length > 0) found.push({ event: this.#event || "message", data: this.#data.join("\n") });
        this.#event = "";
        this.#data = [];
        continue;
      }
      if (line.startsWith(":")) continue;
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
      if (name === "event") this.#event = value;
      else if (name === "data") this.#data.push(value);
    }
    return found;
  }
}
