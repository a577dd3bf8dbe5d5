// An address as a person types it, and a name for the server behind it.

/** `gpu.lan:8000` is `http://gpu.lan:8000`; null for what is no address. */
export function address(text: string): string | null {
  const typed = text.trim();
  if (!typed || /\s/.test(typed)) return null;
  const whole = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `http://${typed}`;
  try {
    const url = new URL(whole);
    if (!["http:", "https:"].includes(url.protocol) || !url.hostname || url.search || url.hash || url.username) return null;
    return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
  } catch {
    return null;
  }
}

/** A name that is free: the product or the host, with a number where it is taken. */
export function suggest(url: string, product: string | null | undefined, taken: readonly string[]): string {
  const host = new URL(url).hostname;
  const local = /^(localhost|127\.|\[::1\])/.test(host);
  const base = clean((local ? product : host.split(".")[0]) ?? "") || clean(product ?? "") || "server";
  const used = new Set([...taken, "built-in"].map((name) => name.toLowerCase()));
  let name = base;
  for (let number = 2; used.has(name); number += 1) name = `${base}-${number}`;
  return name;
}

/** Why this cannot be a server's name; null where it can. */
export function nameMistake(name: string, taken: readonly string[]): string | null {
  if (name.trim() === "") return "a server needs a name";
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name) || name.includes("__"))
    return "1 to 64 letters, digits, - and _, a letter first, no two _ together";
  if (name.toLowerCase() === "built-in") return "that is the engine's name";
  return taken.some((other) => other.toLowerCase() === name.toLowerCase()) ? "another server has this name" : null;
}

function clean(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^[^a-z]+|-+$/g, "");
}
