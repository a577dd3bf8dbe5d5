// Numbers and times as people read them. Every function takes null for "not known" and says so with an en dash.

export const UNKNOWN = "–";
type Maybe = number | null | undefined;

export function duration(ms: Maybe): string {
  if (ms == null || !Number.isFinite(ms)) return UNKNOWN;
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const PROTOCOLS: Record<string, string> = { rest: "REST", grpc: "gRPC", in_process: "in process" };

/** How a call travels, in words. */
export function protocolName(name: string): string {
  return PROTOCOLS[name] ?? name;
}

/** The same with what is spoken: "REST · openai". What is not known is left out. */
export function wayName(protocol: string | null | undefined, dialect: string | null | undefined): string {
  return [protocol && protocolName(protocol), dialect].filter(Boolean).join(" · ");
}

export function bytes(count: Maybe): string {
  if (count == null || !Number.isFinite(count)) return UNKNOWN;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function count(value: Maybe): string {
  if (value == null || !Number.isFinite(value)) return UNKNOWN;
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

export function rate(value: Maybe, unit = "tokens/s"): string {
  if (value == null || !Number.isFinite(value)) return UNKNOWN;
  return `${value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

export function percent(share: Maybe): string {
  if (share == null || !Number.isFinite(share)) return UNKNOWN;
  const value = share * 100;
  return `${value !== 0 && Math.abs(value) < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** How long ago, coarsely: "now", "5 min ago", "yesterday", "3 Nov". */
export function ago(at: Maybe, now = Date.now()): string {
  if (at == null) return UNKNOWN;
  const seconds = Math.round((now - at) / 1000);
  if (seconds < 45) return "now";
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  const date = new Date(at);
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return clock(at, false);
  const yesterday = new Date(now);
  yesterday.setDate(today.getDate() - 1);
  if (date.toDateString() === yesterday.toDateString()) return "yesterday";
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return date.getFullYear() === today.getFullYear() ? day : `${day} ${date.getFullYear()}`;
}

/** The time of day, local: "14:03:27". */
export function clock(at: Maybe, seconds = true): string {
  if (at == null) return UNKNOWN;
  const date = new Date(at);
  const parts = [date.getHours(), date.getMinutes(), ...(seconds ? [date.getSeconds()] : [])];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

/** Date and time, local: "2026-11-03 14:03:27". */
export function stamp(at: Maybe): string {
  if (at == null) return UNKNOWN;
  const date = new Date(at);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0"));
  return `${day.join("-")} ${clock(at)}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
