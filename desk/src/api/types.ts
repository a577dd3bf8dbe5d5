// What the desk's API says. Times are `*_at` (milliseconds since 1970) and `*_ms` (durations); absent or null means
// "not known", never zero.

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  kind?: string;
  attempts?: Attempt[];
  what?: string;
  next?: string;
  model?: string;
  retry_after_seconds?: number;
  server_code?: string;
  context?: { what: string; value: string }[];
  problems?: { path: string; message: string }[];
}

export interface Attempt {
  server?: string;
  endpoint?: string;
  protocol?: string;
  dialect?: string;
  op?: string;
  wait_ms?: number;
  elapsed_ms?: number;
  hedge?: boolean;
  outcome?: string;
  error?: unknown;
  bytes?: number;
  tokens?: number;
  sent?: string;
}

export interface Hello {
  version: string;
  url: string;
  started_at: number;
  config_file: string | null;
  data_folder: string;
  engine: boolean;
  gateway_token: boolean;
}

export type ServerState = "ok" | "troubled" | "down" | "unknown" | "drained";

export interface Way {
  protocol: "rest" | "grpc" | "in_process";
  dialect: string;
  endpoint: string;
  breaker: "closed" | "open" | "half_open";
  breaker_reason?: string | null;
  reachable: boolean | null;
  latency_ms?: number | null;
  in_flight: number;
  waiting: number;
  connections?: number | null;
}

export interface Server {
  name: string;
  in_process: boolean;
  rest?: string | null;
  grpc?: string | null;
  product?: string | null;
  version?: string | null;
  state: ServerState;
  detail?: string | null;
  ways: Way[];
  capabilities: string[];
  in_flight: number;
  p50_ms?: number | null;
  p95_ms?: number | null;
  draining: boolean;
  history: { at: number; ok: boolean; ms?: number | null; detail?: string | null }[];
  events: { at: number; text: string; kind: "failover" | "breaker" | "health" | "load" }[];
}

export interface Model {
  id: string;
  name: string;
  server: string;
  kind: string;
  family?: string | null;
  quantization?: string | null;
  context_window?: number | null;
  size_bytes?: number | null;
  state: string;
  reason?: string | null;
  loaded_at?: number | null;
  can: { load: boolean; unload: boolean; pull: boolean; why?: string | null };
  pinned: boolean;
}

export interface Load {
  id: string;
  server: string;
  model: string;
  op: "load" | "unload" | "pull";
  state: string;
  done_bytes?: number | null;
  total_bytes?: number | null;
  started_at: number;
  error?: Problem | null;
}

export interface ModelsView {
  models: Model[];
  unavailable: { server: string; error: Problem }[];
  loads: Load[];
}

export interface ServerSample {
  requests: number;
  errors: number;
  tokens_per_second?: number | null;
  ttft_p50_ms?: number | null;
  ttft_p95_ms?: number | null;
  itl_p50_ms?: number | null;
  latency_p50_ms?: number | null;
  latency_p95_ms?: number | null;
  in_flight: number;
  queue?: number | null;
}

export interface Sample {
  at: number;
  servers: Record<string, ServerSample>;
  cache?: { hits: number; misses: number; joined: number } | null;
  running: number;
  rss_bytes?: number | null;
}

export type Outcome = "running" | "ok" | "error" | "cancelled" | "interrupted";

export interface CallSummary {
  id: string;
  at: number;
  op: string;
  model?: string | null;
  server?: string | null;
  protocol?: string | null;
  from: "desk" | "gateway" | "replay";
  dialect_in?: string | null;
  outcome: Outcome;
  error_kind?: string | null;
  ttft_ms?: number | null;
  total_ms?: number | null;
  tokens?: number | null;
  attempts: number;
  cache?: string | null;
}

export interface Sampling {
  temperature?: number | null;
  top_p?: number | null;
  top_k?: number | null;
  seed?: number | null;
  max_tokens?: number | null;
  stop?: string[] | null;
}

export interface Attachment {
  name: string;
  media_type: string;
  data: string;
  bytes: number;
}

export interface Segment {
  server: string;
  protocol: string;
  model: string;
  text: string;
  reasoning: string;
  ended: "running" | "done" | "interrupted";
  error?: Problem | null;
  /** It goes on where the segment before it stopped; otherwise it began anew. */
  continues?: boolean;
}

export interface Usage {
  prompt_tokens?: number | null;
  completion_tokens?: number | null;
  [key: string]: unknown;
}

export type AnswerState = "running" | "done" | "interrupted" | "stopped" | "failed";

export interface Answer {
  state: AnswerState;
  model: string;
  server?: string | null;
  segments: Segment[];
  finish?: string | null;
  usage?: Usage | null;
  ttft_ms?: number | null;
  total_ms?: number | null;
  tokens_per_second?: number | null;
  attempts: Attempt[];
  cache?: string | null;
  error?: Problem | null;
  /** When it was stopped: whether the server was told to. */
  upstream?: Upstream | null;
}

export type Upstream = "cancelled" | "already_ended";

export interface Message {
  id: string;
  parent: string | null;
  role: "user" | "assistant";
  content: string;
  attachments: Attachment[];
  created_at: number;
  answer?: Answer | null;
}

export interface ConversationSummary {
  id: string;
  title: string;
  updated_at: number;
  messages: number;
  snippet?: string | null;
  model?: string | null;
}

export interface Conversation {
  id: string;
  title: string;
  model: string | null;
  server: string | null;
  system: string;
  sampling: Sampling;
  leaf: string | null;
  created_at: number;
  updated_at: number;
  messages: Message[];
}

export interface Target {
  model: string;
  server?: string | null;
}

export interface Setting {
  path: string;
  section: string;
  kind: string;
  value: unknown;
  default: unknown;
  origin: string;
  doc: string;
  range?: string | null;
  choices?: string[] | null;
  secret: boolean;
  effect: "live" | "restart";
}

export interface SettingsView {
  file: string | null;
  settings: Setting[];
}

export interface ProbeFound {
  protocol: "rest" | "grpc";
  dialect: string;
  product?: string | null;
  version?: string | null;
  capabilities: string[];
  models: string[];
}

export interface Probe {
  url: string;
  found: ProbeFound[];
  tried: { what: string; error: string }[];
}

export interface Scan {
  found: { url: string; product?: string | null; version?: string | null; models?: number | string[] | null; known_as?: string | null }[];
  scanned: string[];
}

export interface TensorSpec {
  name: string;
  datatype: string;
  shape: number[];
}

export interface ModelDescription extends Partial<Omit<Model, "id" | "name">> {
  id: string;
  name: string;
  versions?: string[];
  platform?: string | null;
  max_output_tokens?: number | null;
  inputs?: TensorSpec[];
  outputs?: TensorSpec[];
  metadata?: Record<string, string>;
}

export interface CallDetail extends CallSummary {
  ledger: Attempt[];
  request: unknown;
  request_bytes?: number | null;
  response_text?: string | null;
  frames: { at_ms: number; event: string; text: string }[];
  usage?: Usage | null;
  truncated: boolean;
  headers?: Record<string, string> | null;
  /** Where it was sent to on the gateway. */
  path?: string | null;
  error?: Problem | null;
  /** What was too large to keep cannot be sent again. */
  replayable?: boolean;
}

export interface InferReply {
  route?: { server: string; endpoint: string; protocol: string; dialect: string } | null;
  /** `raw` is base64, in place of `data`, where the bytes are no text. */
  outputs: (TensorSpec & { data: unknown[] | null; raw?: string | null })[];
  parameters?: Record<string, unknown> | null;
  total_ms: number;
  attempts: Attempt[];
  curl?: string | null;
}

export type PhaseName = "queued" | "connecting" | "prompt" | "decoding";

/** The events of `answers/ID/events`. */
export interface AnswerEvents {
  phase: { phase: PhaseName; server?: string | null; protocol?: string | null };
  text: { segment: number; text: string };
  reasoning: { segment: number; text: string };
  attempt: Attempt;
  segment: { segment: number; server: string; protocol: string; model: string; because?: Problem | null; continues?: boolean };
  done: Message;
}
