// A benchmark's set-up as a form, and the request it becomes.

export interface Setup {
  target: string;
  url: string;
  model: string;
  op: string;
  prompt: string;
  tokens: string;
  stream: boolean;
  schedule: "closed" | "rate";
  concurrency: string;
  rate: string;
  stop: "duration" | "requests";
  duration_s: string;
  requests: string;
  repeats: string;
  slo: string;
  certificate: boolean;
}
export type Mistakes = Partial<Record<keyof Setup, string>>;

export const BEGINNING: Setup = {
  target: "", url: "", model: "", op: "chat", prompt: "", tokens: "64", stream: true, schedule: "closed", concurrency: "1, 4", rate: "5", stop: "duration", duration_s: "10", requests: "50", repeats: "1", slo: "", certificate: true,
};
/** The choice of a server by its address; no server has such a name. */
export const BY_URL = "by address";

/** The request for `POST bench`, or what keeps it from being one. */
export function request(setup: Setup): { body: Record<string, unknown> } | { mistakes: Mistakes } {
  const mistakes: Mistakes = {};
  const number = (field: keyof Setup, low: number, high: number, whole = true) => {
    const value = Number(String(setup[field]).trim());
    const fits = String(setup[field]).trim() !== "" && value >= low && value <= high && (!whole || Number.isInteger(value));
    if (!fits) mistakes[field] = `${whole ? "a whole number" : "a number"} from ${low} to ${high}`;
    return value;
  };
  const body: Record<string, unknown> = { op: setup.op, stream: setup.stream, repeats: number("repeats", 1, 20) };
  if (setup.target === BY_URL) {
    if (!/^(https?:\/\/)?[^\s/]+/.test(setup.url.trim())) mistakes.url = "an address such as http://gpu.lan:8000";
    body["url"] = setup.url.trim();
  } else if (setup.target) body["server"] = setup.target;
  if (setup.model.trim()) body["model"] = setup.model.trim();
  if (setup.prompt.trim()) body["prompt"] = setup.prompt;
  if (writes(setup.op)) body["tokens"] = number("tokens", 1, 100_000);
  if (setup.schedule === "closed") {
    const list = setup.concurrency.split(/[\s,]+/).filter(Boolean).map(Number);
    if (!list.length || list.length > 12 || list.some((one) => !Number.isInteger(one) || one < 1 || one > 1024))
      mistakes.concurrency = "up to 12 whole numbers from 1 to 1024, with commas between";
    body["concurrency"] = [...new Set(list)].sort((a, b) => a - b);
  } else body["rate"] = number("rate", 0.01, 10_000, false);
  if (setup.stop === "duration") body["duration_s"] = number("duration_s", 1, 3600, false);
  else body["requests"] = number("requests", 1, 1_000_000);
  const slo = setup.slo.replaceAll(/\s+/g, "").replaceAll(/<=?/g, "=");
  if (slo && !slo.split(",").every((part) => /^(ttft|itl|e2e)=(\d+(\.\d+)?(us|ms|s|m|h))+$/.test(part))) mistakes.slo = "such as ttft=500ms,itl=50ms,e2e=5s";
  if (slo) body["slo"] = slo;
  if (!setup.certificate) body["certificate"] = false;
  return Object.keys(mistakes).length ? { mistakes } : { body };
}

/** Operations whose answers are written token by token. */
export function writes(op: string): boolean {
  return op === "chat" || op === "complete";
}
