// What the desk's API says, by the names that the page uses. The types come from the program's own, over
// docs/desk-openapi.json and openapi.ts (`npm run types`). Times are `*_at` (milliseconds since 1970) and `*_ms`
// (durations); absent or null means "not known", never zero.
//
// Whatever is said here beyond the document is said about a field that the document has, so that a field that is
// renamed or gone breaks the build here.

import type { components } from "./openapi";

type Schemas = components["schemas"];

/** `T` with its fields written out. */
type Flat<T> = { [K in keyof T]: T[K] };
/** `T`, all of whose fields the program always writes, but for these: the document knows only that they have a default. */
type Whole<T, Except extends keyof T = never> = Flat<Required<Omit<T, Except>> & Pick<T, Except>>;
/** `T` with narrower fields: types that are narrowed here. */
type Narrow<T, N extends { [K in keyof N]: K extends keyof T ? T[K] : never }> = Flat<Omit<T, keyof N> & N>;
/** `T` with other fields where the document is wrong about them. */
type Mend<T, N extends { [K in keyof N]: K extends keyof T ? unknown : never }> = Flat<Omit<T, keyof N> & N>;

export type Attempt = Schemas["Attempt"];
export type Problem = Narrow<Schemas["Problem"], { attempts?: Attempt[] }>;

export type Hello = Schemas["Hello"];

export type ServerState = Schemas["ServerState"];

export type Way = Schemas["Way"];
export type ServerEvent = Schemas["ServerEvent"];
export type Server = Schemas["Server"];
export type Servers = Schemas["Servers"];
export type NewServer = Schemas["NewServer"];
export type Address = Schemas["Address"];
export type Drain = Schemas["Drain"];
export type ProbeFound = Schemas["Found"];
export type Probe = Schemas["Probe"];
export type Scan = Schemas["Scan"];

export type Model = Schemas["Model"];
export type ModelDescription = Schemas["Description"];
export type TensorSpec = Schemas["TensorShape"];
export type Load = Narrow<Schemas["Load"], { error?: Problem | null }>;
type Unavailable = Narrow<Schemas["Unavailable"], { error: Problem }>;
export type ModelsView = Narrow<Schemas["ModelsView"], { loads: Load[]; unavailable: Unavailable[] }>;
export type Subject = Schemas["Subject"];
export type Pin = Schemas["Pin"];

export type ServerSample = Schemas["ServerSample"];
export type Sample = Schemas["Sample"];
export type Metrics = Schemas["Metrics"];

export type Outcome = Schemas["CallOutcome"];
export type CallSummary = Schemas["CallSummary"];
export type Calls = Schemas["Calls"];
/** `request` is whatever JSON was asked; the document says an object. */
export type CallDetail = Mend<
  Narrow<Schemas["CallDetail"], { usage?: Usage | null; error?: Problem | null }>,
  { request: unknown }
>;
export type Begun = Schemas["Begun"];

export type Sampling = Schemas["Sampling"];
export type Attachment = Whole<Schemas["Attachment"]>;
export type Usage = Schemas["TokenCounts"];
export type AnswerState = Schemas["AnswerState"];
export type Upstream = Schemas["Upstream"];
export type PhaseName = Schemas["Phase"];
export type Stopped = Schemas["Stopped"];

/** `continues` by hand: that a segment goes on where the one before it stopped is nothing that the program tells yet. */
interface Continues {
  continues?: boolean;
}
export type Segment = Narrow<Whole<Schemas["Segment"], "reasoning" | "error">, { error?: Problem | null }> & Continues;
/** `upstream` by hand: the page notes here what it was told when it stopped the answer (`Stopped`). */
export type Answer = Narrow<
  Whole<Schemas["Answer"], "error" | "unsaved">,
  { segments: Segment[]; attempts: Attempt[]; error?: Problem | null; unsaved?: Problem | null }
> & { upstream?: Upstream | null };
export type Message = Narrow<Whole<Schemas["Message"], "answer">, { attachments: Attachment[]; answer?: Answer | null }>;
export type Conversation = Narrow<Whole<Schemas["Conversation"]>, { messages: Message[] }>;
export type ConversationSummary = Schemas["ConversationSummary"];
export type Conversations = Schemas["Conversations"];
export type NewConversation = Schemas["NewConversation"];
export type ConversationChange = Schemas["Change"];
/** Whom to ask: the page always names the model. */
export type Target = Narrow<Schemas["Target"], { model: string }>;
export type Ask = Schemas["Ask"];
export type Answering = Narrow<Schemas["Answering"], { message?: Message | null; answers: Message[] }>;

/** The events of `answers/ID/events`: the document lists what they carry, and has their names in words only. */
export interface AnswerEvents {
  phase: Extract<Schemas["AnswerEvent"], { phase: PhaseName }>;
  text: Extract<Schemas["AnswerEvent"], { segment: number; text: string }>;
  reasoning: Extract<Schemas["AnswerEvent"], { segment: number; text: string }>;
  attempt: Attempt;
  segment: Extract<Schemas["AnswerEvent"], { segment: number; server: string }> & Continues;
  done: Message;
}

/** The events of `events`: the document has their names in words, and `running` is no schema of its own. */
export interface LiveEvents {
  servers: Servers;
  models: ModelsView;
  running: { running: CallSummary[] };
  sample: Sample;
  call: CallSummary;
}

export type Setting = Schemas["Setting"];
export type SettingsView = Schemas["Settings"];
export type Saved = Schemas["Saved"];

/** `data` is a list, or null with `raw` (base64) in its place where the bytes are no text; the document says an object. */
type NamedTensor = Mend<Whole<Schemas["NamedTensor"], "raw">, { data: unknown[] | null }>;
export type InferReply = Mend<Schemas["Inferred"], { outputs: NamedTensor[] }>;
export type Curl = Schemas["Curl"];

export type RunSummary = Schemas["RunSummary"];
export type Runs = Schemas["Runs"];
