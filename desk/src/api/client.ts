// The desk's API: JSON over fetch, and event streams read with fetch too, because EventSource cannot carry the key.
// Everything that goes wrong is an ApiError with a Problem that says what was being done.

import { SseParser } from "./sse";
import { currentToken } from "./token";
import type { Problem } from "./types";

const BASE = "/desk/api/";

export class ApiError extends Error {
  problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title ?? "the request failed");
    this.name = "ApiError";
    this.problem = problem;
  }
}

/** The kind of problem the page makes itself: the program did not answer at all. */
export const UNREACHABLE = "desk_unreachable";

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => request<T>("GET", path, undefined, signal);
export const post = <T>(path: string, body: unknown = {}, signal?: AbortSignal): Promise<T> =>
  request<T>("POST", path, body, signal);
export const put = <T>(path: string, body: unknown): Promise<T> => request<T>("PUT", path, body);
export const patch = <T>(path: string, body: unknown): Promise<T> => request<T>("PATCH", path, body);
export const del = <T = void>(path: string): Promise<T> => request<T>("DELETE", path);

/** Text as it is (exports, reports). */
export async function getText(path: string): Promise<string> {
  return (await send("GET", path)).text();
}

export async function getBytes(path: string): Promise<ArrayBuffer> {
  return (await send("GET", path)).arrayBuffer();
}

/** Bytes up (`.npy`), JSON or bytes down: the caller reads the Response. */
export async function postRaw(path: string, body: BodyInit, contentType: string): Promise<Response> {
  return send("POST", path, body, contentType);
}

export interface StreamOptions {
  onEvent: (event: string, data: unknown) => void;
  signal?: AbortSignal;
  body?: unknown;
  /** Called once, when the program has accepted the stream. */
  onOpen?: () => void;
}

/** Reads an event stream to its end. Resolves when it ends, rejects with ApiError when it fails; aborting resolves. */
export async function stream(path: string, { onEvent, signal, body, onOpen }: StreamOptions): Promise<void> {
  try {
    const response = await send(
      body === undefined ? "GET" : "POST",
      path,
      body === undefined ? undefined : JSON.stringify(body),
      "application/json",
      signal,
      "text/event-stream",
    );
    onOpen?.();
    if (!response.body) return;
    const reader = response.body.getReader();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { event, data } of parser.push(value)) onEvent(event, parse(data));
    }
  } catch (error) {
    if (signal?.aborted) return;
    if (error instanceof ApiError) throw error;
    throw unreachable(path, error);
  }
}

/** Any thrown value as a Problem, so that a card can be drawn for it. */
export function toProblem(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  return { title: "Something went wrong in the page", detail: error instanceof Error ? error.message : String(error), kind: "page" };
}

async function request<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const response = await send(method, path, payload, "application/json", signal);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : parse(text)) as T;
}

async function send(
  method: string,
  path: string,
  body?: BodyInit,
  contentType = "application/json",
  signal?: AbortSignal,
  accept = "application/json",
): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept, Authorization: `Bearer ${currentToken()}` };
  if (body !== undefined) headers["Content-Type"] = contentType;
  let response: Response;
  try {
    response = await fetch(BASE + path, { method, headers, body, signal, cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable(path, error);
  }
  if (!response.ok) throw new ApiError(await problemOf(response, method, path));
  return response;
}

async function problemOf(response: Response, method: string, path: string): Promise<Problem> {
  const fallback: Problem = {
    title: response.status === 401 ? "This page's key is not valid any more" : `The desk answered ${response.status}`,
    status: response.status,
    context: [{ what: "request", value: `${method} ${path.split("?")[0]}` }],
    kind: response.status === 401 ? "unauthorized" : undefined,
    next: response.status === 401 ? "Run longshore again; it opens the page with a new key." : undefined,
  };
  try {
    const said = parse(await response.text());
    if (said && typeof said === "object") return { ...fallback, ...(said as Problem) };
  } catch {
    // Not JSON: the fallback says what is known.
  }
  return fallback;
}

function unreachable(path: string, cause: unknown): ApiError {
  return new ApiError({
    title: "Longshore does not answer",
    detail: cause instanceof Error ? cause.message : String(cause),
    kind: UNREACHABLE,
    context: [{ what: "request", value: path.split("?")[0] ?? path }],
    next: "Check that longshore is still running; the page connects again by itself.",
  });
}

function parse(text: string): unknown {
  return JSON.parse(text) as unknown;
}
