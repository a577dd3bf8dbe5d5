// Small things kept in this browser: drafts, widths, choices. A value that cannot be read or kept is simply not kept.

export function readKept<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`longshore.${key}`);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function keep(key: string, value: unknown): void {
  try {
    if (value === undefined || value === null || value === "") localStorage.removeItem(`longshore.${key}`);
    else localStorage.setItem(`longshore.${key}`, JSON.stringify(value));
  } catch {
    // Full or off: nothing depends on it.
  }
}

/** Reactive, kept at each change: `const width = kept("chat.width", 280)`, then `width.value`. */
export function kept<T>(key: string, fallback: T): { value: T } {
  let value = $state(readKept(key, fallback));
  return {
    get value() {
      return value;
    },
    set value(next: T) {
      value = next;
      keep(key, next);
    },
  };
}
