// The keyboard. Screens bind names that the shell knows; whoever bound last is asked first.
//
// A browser keeps some keys for itself (Ctrl+N and Ctrl+1 in a tab), so these have a second form with Alt; in the app
// window both work.

export type KeyName = "new" | "send" | "stop" | "search";
type Handler = () => boolean | void;

const bound = new Map<KeyName, Handler[]>();

/** Binds for as long as the component lives. A handler that returns false passes the key on. */
export function onKey(name: KeyName, handler: Handler): void {
  $effect(() => {
    const handlers = bound.get(name) ?? [];
    bound.set(name, [...handlers, handler]);
    return () => {
      bound.set(name, (bound.get(name) ?? []).filter((other) => other !== handler));
    };
  });
}

/** Asks the bound handlers, last bound first; true when one took it. */
export function press(name: KeyName): boolean {
  for (const handler of [...(bound.get(name) ?? [])].reverse()) {
    if (handler() !== false) return true;
  }
  return false;
}

export const isMac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);

/** Ctrl, or the command key on a Mac. */
export function mod(event: KeyboardEvent): boolean {
  return isMac ? event.metaKey : event.ctrlKey;
}

export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.getAttribute("role") === "textbox")
  );
}
