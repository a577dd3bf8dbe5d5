// Made of docs/desk-openapi.json by `npm run types`; not to be edited.

export interface paths {
    "/desk/api/hello": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whose desk it is. */
        get: operations["hello"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How everything is, and from then on what changes: `servers`, `models`, `running`, `sample` and `call`. */
        get: operations["events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Conversations, the latest first. */
        get: operations["list_conversations"];
        put?: never;
        /** Begins a conversation. */
        post: operations["create"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A conversation with all its branches. */
        get: operations["read"];
        put?: never;
        post?: never;
        /** Deletes a conversation. Answers that are coming in it are stopped. */
        delete: operations["delete_conversation"];
        options?: never;
        head?: never;
        /** Changes what is said about a conversation, or which branch is shown. */
        patch: operations["change_conversation"];
        trace?: never;
    };
    "/desk/api/conversations/{id}/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A conversation to take along: as JSON with everything, as Markdown for people. */
        get: operations["export"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/conversations/import": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Brings a conversation back that was exported. Ids that are taken already are replaced throughout. */
        post: operations["import"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/conversations/{id}/ask": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks one model, or several to compare them. The answers are tasks of the program: they go on when the page is closed. */
        post: operations["ask"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/answers/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The events of an answer, from its beginning, and then as they come: `phase`, `segment`, `text`, `reasoning`, `attempt`,
         *     `done`.
         */
        get: operations["answer_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/answers/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops an answer; says what became of the server's work. */
        post: operations["stop_answer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/calls": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Recorded calls, the latest first. */
        get: operations["list_calls"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/calls/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All that is kept of one call. */
        get: operations["detail"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/calls/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a recorded call again. */
        post: operations["replay"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/infer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a tensor model. */
        post: operations["infer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/infer/curl": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The request as a line for a shell, in the words of the server that would be asked. Nothing is asked of the model. */
        post: operations["curl_line"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/npy/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** The tensor in a NumPy file. */
        post: operations["npy_read"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/npy/write": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A tensor as a NumPy file. */
        post: operations["npy_write"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All servers, as they were when they were last asked; they are asked anew beside this. */
        get: operations["servers"];
        put?: never;
        /** Adds a server to the configuration file and calls it from now on. */
        post: operations["add"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/servers/probe": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks who is at an address. */
        post: operations["probe"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/servers/scan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks this machine's usual ports. Ports where nobody listens are not asked further. */
        post: operations["scan"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/servers/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a server out of the configuration file. Calls that it works on go on. */
        delete: operations["remove_server"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/servers/{name}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a server come to rest, or ends that. Holds until the program ends. */
        post: operations["drain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All models. Servers that take too long are told of as unavailable, or with what they had before. */
        get: operations["models"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models/describe": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a model takes and gives. */
        get: operations["describe"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models/load": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins to make a model ready. */
        post: operations["load"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models/unload": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins to give a model's memory back. */
        post: operations["unload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models/pull": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins to have a server fetch a model. */
        post: operations["pull"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/models/pin": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pins a model, or lets it go. */
        post: operations["pin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/loads/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Calls a load, unload or pull off. */
        post: operations["cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The numbers of the last minutes. */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/settings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All settings. */
        get: operations["settings"];
        /** Changes settings in the configuration file, whose comments stay, and puts into effect what can be. */
        put: operations["change_settings"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Begins a benchmark, which goes on when the page is closed. One at a time. */
        post: operations["begin"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What happens in a benchmark, from its beginning: `stage`, `progress` each second, then `done` or `error`. */
        get: operations["bench_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/{id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a benchmark; what was measured is kept. */
        post: operations["stop_bench"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The runs that are kept, those of the command line too. */
        get: operations["runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A run, as it is kept: `docs/benchmark.md` describes it. */
        get: operations["run"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/runs/{id}/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A run as a file: HTML with plots, JSON, CSV or Markdown. */
        get: operations["written"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/desk/api/bench/compare": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What has changed from one run to another, with confidence intervals. */
        get: operations["comparison"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description An address that may be a server's. */
        Address: {
            /** @description Such as `http://127.0.0.1:11434`; without a scheme, `http://`. */
            url: string;
            /** @description The environment variable whose value is sent as a token. */
            token_env?: string | null;
        };
        /** @description How an answer came. */
        Answer: {
            /**
             * @description How far it is.
             * @default running
             */
            state?: components["schemas"]["AnswerState"];
            /**
             * @description The model that was asked for.
             * @default null
             */
            model?: string | null;
            /**
             * @description The server that was asked for, or that answered last.
             * @default null
             */
            server?: string | null;
            /**
             * @description Several if the answer broke off and was asked for anew elsewhere.
             * @default []
             */
            segments?: components["schemas"]["Segment"][];
            /**
             * @description Why it ended, in OpenAI's word.
             * @default null
             */
            finish?: string | null;
            /** @default null */
            usage?: components["schemas"]["TokenCounts"] | null;
            /**
             * Format: double
             * @description From asking to the first content of the last segment.
             * @default null
             */
            ttft_ms?: number | null;
            /**
             * Format: double
             * @description From asking to the end.
             * @default null
             */
            total_ms?: number | null;
            /**
             * Format: double
             * @description Tokens per second after the first one, of the last segment.
             * @default null
             */
            tokens_per_second?: number | null;
            /**
             * @description Every attempt.
             * @default []
             */
            attempts?: components["schemas"]["Attempt"][];
            /**
             * @description What the response cache did.
             * @default null
             */
            cache?: string | null;
            /** @default null */
            error?: components["schemas"]["Problem"] | null;
            /** @default null */
            unsaved?: components["schemas"]["Problem"] | null;
        };
        /** @description Something about an answer that is coming. On the wire the name is the event's. */
        AnswerEvent: {
            /** @description How far. */
            phase: components["schemas"]["Phase"];
            /** @description With which server. */
            server?: string | null;
            /** @description Over what. */
            protocol?: string | null;
        } | {
            /** @description Which segment they belong to. */
            segment: number;
            /** @description The words. */
            text: string;
            /**
             * Format: int32
             * @description In how many pieces the server sent them: about as many tokens. Not known of what another process hears.
             */
            pieces?: number | null;
        } | {
            /** @description Which segment it belongs to. */
            segment: number;
            /** @description The words. */
            text: string;
            /**
             * Format: int32
             * @description In how many pieces the server sent them, where that is known.
             */
            pieces?: number | null;
        } | components["schemas"]["Attempt"] | {
            /** @description Which segment begins, counted from 0. */
            segment: number;
            /** @description The server. */
            server: string;
            /** @description Over what. */
            protocol: string;
            /** @description The model. */
            model: string;
            because?: components["schemas"]["Problem"] | null;
        } | components["schemas"]["Message"];
        /**
         * @description How far an answer is.
         * @enum {string}
         */
        AnswerState: "running" | "done" | "interrupted" | "stopped" | "failed";
        /** @description What was begun. */
        Answering: {
            message?: components["schemas"]["Message"] | null;
            /** @description The answers, one for each target; running. */
            answers: components["schemas"]["Message"][];
        };
        /** @description A question. */
        Ask: {
            /**
             * @description The message that this follows; `null` begins a branch of its own.
             * @default null
             */
            parent?: string | null;
            /**
             * @description The person's words; `null` asks for another answer below `parent`, which is a person's message then.
             * @default null
             */
            content?: string | null;
            /**
             * @description What goes with the words.
             * @default []
             */
            attachments?: components["schemas"]["Attachment"][];
            /**
             * @description Whom to ask, one to four; the conversation's own if there are none.
             * @default []
             */
            targets?: components["schemas"]["Target"][];
        };
        /** @description A file or picture that goes with a message. */
        Attachment: {
            /**
             * @description The file's name.
             * @default
             */
            name?: string;
            /**
             * @description What it is, such as `image/png`.
             * @default
             */
            media_type?: string;
            /**
             * @description Its content, in base64.
             * @default
             */
            data?: string;
            /**
             * Format: int64
             * @description Its size.
             * @default 0
             */
            bytes?: number;
        };
        /** @description An attempt at a call, and what became of it. */
        Attempt: {
            /**
             * @description The server's name in the configuration.
             * @default
             */
            server?: string;
            /**
             * @description Its address; empty in this process.
             * @default
             */
            endpoint?: string;
            /**
             * @description `rest`, `grpc` or `in_process`.
             * @default
             */
            protocol?: string;
            /**
             * @description What was spoken; empty in this process, and where it never came to that.
             * @default
             */
            dialect?: string;
            /**
             * @description What was asked.
             * @default
             */
            op?: string;
            /**
             * Format: double
             * @description How long the call had waited before it.
             * @default 0
             */
            wait_ms?: number;
            /**
             * Format: double
             * @description From its beginning until it was committed, failed or was given up.
             * @default 0
             */
            elapsed_ms?: number;
            /**
             * @description It was begun while another one was still running.
             * @default false
             */
            hedge?: boolean;
            /**
             * @description `committed`, or the error's kind.
             * @default
             */
            outcome?: string;
            /**
             * @description What went wrong.
             * @default null
             */
            error?: string | null;
            /**
             * Format: int64
             * @description Bytes of the reply's body.
             * @default 0
             */
            bytes?: number;
            /**
             * Format: int64
             * @description Tokens that came.
             * @default 0
             */
            tokens?: number;
            /**
             * @description Whether the request had left: `no`, `maybe` or `yes`.
             * @default
             */
            sent?: string;
        };
        /** @description A call that was begun. */
        Begun: {
            /** @description The call's id. */
            id: string;
        };
        /** @description What shall be measured. */
        BenchOrder: {
            /** @description A configured server, or the engine; without it the fleet chooses. */
            server?: string | null;
            /** @description An address that nobody configured, in place of a server. */
            url?: string | null;
            /** @description What is spoken at that address; found out where nobody says. */
            dialect?: string | null;
            /** @description The model; the configured or first one that is ready, if none is named. */
            model?: string | null;
            /** @description `chat`, `complete`, `embed` or `infer`. */
            op: string;
            /** @description What is asked. */
            prompt?: string | null;
            /**
             * Format: int32
             * @description The most tokens of an answer.
             */
            tokens?: number | null;
            /** @description Whether answers come in pieces. */
            stream?: boolean | null;
            /** @description So many at a time, each a load of its own. */
            concurrency?: number[] | null;
            /**
             * Format: double
             * @description So many a second, in place of so many at a time.
             */
            rate?: number | null;
            /**
             * Format: double
             * @description How long each load is measured.
             */
            duration_s?: number | null;
            /**
             * Format: int64
             * @description After how many requests each load is enough.
             */
            requests?: number | null;
            /**
             * Format: int32
             * @description How often each load is measured.
             */
            repeats?: number | null;
            /** @description What counts as good, such as `ttft=200ms,e2e=2s`. */
            slo?: string | null;
            /** @description Whether the load is replayed against a simulator afterwards, to prove the client's accuracy; yes, if nothing is said. */
            certificate?: boolean | null;
        };
        /**
         * @description Whether calls are let through.
         * @enum {string}
         */
        Breaker: "closed" | "open" | "half_open";
        /** @description What the response cache did in a second. */
        CacheSample: {
            /**
             * Format: int64
             * @description Answers that were kept.
             */
            hits: number;
            /**
             * Format: int64
             * @description Answers that had to be made.
             */
            misses: number;
            /**
             * Format: int64
             * @description Answers that were made for another call too.
             */
            joined: number;
        };
        /** @description All that is kept of a call. */
        CallDetail: components["schemas"]["CallSummary"] & {
            /** @description The request: JSON where it is JSON, else what can be told of it. What looks like a secret is masked. */
            request: Record<string, unknown>;
            /** @description Bytes of the request's body, as it came in; about as many, where it was made here. */
            request_bytes: number;
            /** @description Where it was sent to on the gateway. */
            path?: string | null;
            /** @description Headers of the request as it came in over the gateway. What looks like a secret is masked. */
            headers: {
                [key: string]: string;
            };
            /** @description The answer's text. */
            response_text: string;
            /** @description The events, as they came. */
            frames: components["schemas"]["Frame"][];
            /** @description Every attempt. */
            ledger: components["schemas"]["Attempt"][];
            error?: components["schemas"]["Problem"] | null;
            /** @description Token counts, where the server told. */
            usage?: Record<string, unknown> | null;
            /** @description Whether more came than is kept. */
            truncated: boolean;
            /** @description Whether it can be asked again: what was too large to keep cannot. */
            replayable: boolean;
        };
        /**
         * @description What became of a call.
         * @enum {string}
         */
        CallOutcome: "running" | "ok" | "error" | "cancelled" | "interrupted";
        /**
         * @description Whose call it is.
         * @enum {string}
         */
        CallSource: "desk" | "gateway" | "replay";
        /** @description A call in a few words. */
        CallSummary: {
            /** @description Its id, as long as the program runs. */
            id: string;
            /**
             * Format: int64
             * @description When it came, in milliseconds since 1970.
             */
            at: number;
            /** @description What was asked. */
            op: string;
            /** @description The model that was asked for, or that answered. */
            model?: string | null;
            /** @description Who answered. */
            server?: string | null;
            protocol?: components["schemas"]["WayProtocol"] | null;
            /** @description Who asked. */
            from: components["schemas"]["CallSource"];
            /** @description The dialect in which it came in over the gateway. */
            dialect_in?: string | null;
            /** @description What became of it. */
            outcome: components["schemas"]["CallOutcome"];
            /** @description The error's kind. */
            error_kind?: string | null;
            /**
             * Format: double
             * @description From the call to its first content.
             */
            ttft_ms?: number | null;
            /**
             * Format: double
             * @description From the call to its end.
             */
            total_ms?: number | null;
            /**
             * Format: int64
             * @description Tokens of the answer.
             */
            tokens?: number | null;
            /** @description How many attempts were made. */
            attempts: number;
            /** @description What the response cache did. */
            cache?: string | null;
        };
        /** @description Recorded calls, the latest first. */
        Calls: {
            /** @description The calls. */
            calls: components["schemas"]["CallSummary"][];
            /** @description Whether there are more. */
            more: boolean;
        };
        /** @description What can be done with a model. */
        Can: {
            /** @description Make it ready. */
            load: boolean;
            /** @description Give its memory back. */
            unload: boolean;
            /** @description Have the server fetch it anew. */
            pull: boolean;
            /** @description Why not. */
            why?: string | null;
        };
        /** @description What is to be changed; what is left out stays. `null` for a model or server leaves the choice to the fleet. */
        Change: {
            /**
             * @description The title.
             * @default null
             */
            title?: string | null;
            /**
             * @description The model.
             * @default null
             */
            model?: string | null;
            /**
             * @description The server.
             * @default null
             */
            server?: string | null;
            /**
             * @description What the model is told before everything else.
             * @default null
             */
            system?: string | null;
            /** @default null */
            sampling?: components["schemas"]["Sampling"] | null;
            /**
             * @description The last message of the branch to show.
             * @default null
             */
            leaf?: string | null;
        };
        /** @description Settings that shall be changed, all or none. */
        Changes: {
            /** @description One by one. */
            changes: components["schemas"]["Change"][];
        };
        /** @description A conversation with all its branches. */
        Conversation: {
            /**
             * @description Its id.
             * @default
             */
            id?: string;
            /**
             * @description Its title; made from the first message if nobody gave one.
             * @default
             */
            title?: string;
            /**
             * @description The model that is asked.
             * @default null
             */
            model?: string | null;
            /**
             * @description The server that is asked; `null` leaves the choice to the fleet.
             * @default null
             */
            server?: string | null;
            /**
             * @description What the model is told before everything else; may be empty.
             * @default
             */
            system?: string;
            /**
             * @description How the next token is chosen.
             * @default {}
             */
            sampling?: components["schemas"]["Sampling"];
            /**
             * @description The last message of the branch that is shown.
             * @default null
             */
            leaf?: string | null;
            /**
             * Format: int64
             * @description When it was begun, in milliseconds since 1970.
             * @default 0
             */
            created_at?: number;
            /**
             * Format: int64
             * @description When it was last changed, in milliseconds since 1970.
             * @default 0
             */
            updated_at?: number;
            /**
             * @description All messages, in the order in which they were made.
             * @default []
             */
            messages?: components["schemas"]["Message"][];
        };
        /** @description A conversation in a list. */
        ConversationSummary: {
            /** @description Its id. */
            id: string;
            /** @description Its title. */
            title: string;
            /**
             * Format: int64
             * @description When it was last changed, in milliseconds since 1970.
             */
            updated_at: number;
            /**
             * Format: int64
             * @description How many messages it has.
             */
            messages: number;
            /** @description Where what was searched for stands; `null` if it is the title, or if nothing was searched for. */
            snippet?: string | null;
            /** @description The model that is asked. */
            model?: string | null;
        };
        /** @description Conversations, the latest first. */
        Conversations: {
            /** @description The conversations. */
            conversations: components["schemas"]["ConversationSummary"][];
            /** @description Whether there are more. */
            more: boolean;
        };
        /** @description A request as a line for a shell. */
        Curl: {
            /**
             * @description The line; `null` where there is none.
             * @default null
             */
            curl?: string | null;
            /**
             * @description What is to be known about it, or why there is none.
             * @default null
             */
            note?: string | null;
        };
        /** @description What a model takes and gives, as far as its server tells. */
        Description: {
            /** @description What it is called by. */
            id: string;
            /** @description What people call it. */
            name: string;
            /** @description Where it is. */
            server: string;
            /** @description What it is for. */
            kind: components["schemas"]["ModelKind"];
            /** @description How it stands. */
            state: components["schemas"]["ModelState"];
            /** @description Such as `llama`. */
            family?: string | null;
            /** @description Such as `Q4_K_M`. */
            quantization?: string | null;
            /**
             * Format: int64
             * @description In tokens.
             */
            context_window?: number | null;
            /**
             * Format: int64
             * @description Size of its weights.
             */
            size_bytes?: number | null;
            /** @description The versions that the server has. */
            versions: string[];
            /** @description What runs it, in the server's words. */
            platform?: string | null;
            /** @description The tensors that it takes. */
            inputs: components["schemas"]["TensorShape"][];
            /** @description The tensors that it gives. */
            outputs: components["schemas"]["TensorShape"][];
            /** @description What else the server tells. */
            metadata: {
                [key: string]: string;
            };
        };
        /** @description Whether a server takes calls. */
        Drain: {
            /** @description It gets no more calls that do not name it. */
            drain: boolean;
        };
        /**
         * @description When a changed setting holds.
         * @enum {string}
         */
        Effect: "live" | "restart";
        /** @description What a conversation is taken along as, and brought back from. */
        Exported: {
            /**
             * Format: int32
             * @description The form of what follows: 1.
             */
            longshore_conversation: number;
            /** @description The conversation. */
            conversation: components["schemas"]["Conversation"];
        } | {
            /** @description The text. */
            markdown: string;
        };
        /** @description A fact that helps to find what went wrong. */
        Fact: {
            /** @description What it is about. */
            what: string;
            /** @description The fact. */
            value: string;
        };
        /** @description What is spoken at an address. */
        Found: {
            /** @description How it is spoken to. */
            protocol: components["schemas"]["WireProtocol"];
            /** @description The preferred one of what is spoken there. */
            dialect: string;
            /** @description What the server calls itself. */
            product?: string | null;
            /** @description And which version. */
            version?: string | null;
            /** @description What it can be asked for. */
            capabilities: string[];
            /** @description Its models. */
            models: string[];
        };
        /** @description An event of an answer. */
        Frame: {
            /**
             * Format: double
             * @description How long after the call.
             */
            at_ms: number;
            /** @description What kind of event. */
            event: string;
            /** @description What it says. */
            text: string;
        };
        /** @description One answer to the question how a server is. */
        HealthPoint: {
            /**
             * Format: int64
             * @description When it was asked, in milliseconds since 1970.
             */
            at: number;
            /** @description It answered, and can take work as far as it tells. */
            ok: boolean;
            /**
             * Format: double
             * @description How long the quickest way took; null if none answered.
             */
            ms?: number | null;
            /** @description What was wrong. */
            detail?: string | null;
        };
        /** @description Whose desk it is. */
        Hello: {
            /** @description The program's version. */
            version: string;
            /** @description Where it listens. */
            url: string;
            /**
             * Format: int64
             * @description Since when, in milliseconds since 1970.
             */
            started_at: number;
            /** @description The configuration file that was read. */
            config_file?: string | null;
            /** @description Where conversations and the like are kept. */
            data_folder: string;
            /** @description Whether there is an engine in this process. */
            engine: boolean;
            /** @description Whether the gateway wants a token of its clients. */
            gateway_token: boolean;
            /** @description Whether benchmarks can prove the client's accuracy with a simulator. */
            simulator: boolean;
        };
        /** @description What is asked of a tensor model. */
        InferRequest: {
            /**
             * @description The model.
             * @default
             */
            model?: string;
            /**
             * @description Its version; `null` for the server's own choice.
             * @default null
             */
            version?: string | null;
            /**
             * @description The server; `null` leaves the choice to the fleet.
             * @default null
             */
            server?: string | null;
            /**
             * @description `rest` or `grpc`; `null` leaves the choice to the fleet.
             * @default null
             */
            protocol?: string | null;
            /**
             * @description What goes in.
             * @default []
             */
            inputs?: components["schemas"]["NamedTensor"][];
            /** @description Options of the request: texts, numbers, truth values. */
            parameters?: Record<string, unknown>;
            /**
             * @description The names of what shall come out; all, if there are none.
             * @default []
             */
            outputs?: string[];
        };
        /** @description Who answered, and over what. */
        InferWay: {
            /** @description The server's name. */
            server: string;
            /** @description Its address; empty in this process. */
            endpoint: string;
            /** @description `rest`, `grpc` or `in_process`. */
            protocol: string;
            /** @description What was spoken. */
            dialect: string;
        };
        /** @description What a tensor model answered. */
        Inferred: {
            route?: components["schemas"]["InferWay"] | null;
            /** @description The version that answered, where the server tells. */
            version?: string | null;
            /** @description What came out; of several answers, one after the other. */
            outputs: components["schemas"]["NamedTensor"][];
            /** @description Options of the answer. */
            parameters: Record<string, unknown>;
            /**
             * Format: double
             * @description From asking to the end.
             */
            total_ms: number;
            /** @description Every attempt. */
            attempts: components["schemas"]["Attempt"][];
            /** @description What the response cache did. */
            cache?: string | null;
            /** @description The request as a line for a shell, where there is one. */
            curl?: string | null;
        };
        /** @description A load, unload or pull. */
        Load: {
            /** @description To call it off by. */
            id: string;
            /** @description Where. */
            server: string;
            /** @description Of which model. */
            model: string;
            /** @description What is done. */
            op: components["schemas"]["Order"];
            /** @description How it stands. */
            state: components["schemas"]["LoadState"];
            /**
             * Format: int64
             * @description How far it is, where the server tells.
             */
            done_bytes?: number | null;
            /**
             * Format: int64
             * @description And how far it goes.
             */
            total_bytes?: number | null;
            /**
             * Format: int64
             * @description Since when, in milliseconds since 1970.
             */
            started_at: number;
            error?: components["schemas"]["Problem"] | null;
        };
        /**
         * @description How a load, unload or pull stands.
         * @enum {string}
         */
        LoadState: "running" | "done" | "failed" | "cancelled";
        /** @description A message: what a person wrote, or a model's answer. */
        Message: {
            /**
             * @description Its id.
             * @default
             */
            id?: string;
            /**
             * @description The message that it follows; `null` where a branch begins.
             * @default null
             */
            parent?: string | null;
            /**
             * @description Whose words it has.
             * @default user
             */
            role?: components["schemas"]["Role"];
            /**
             * @description The words: of an answer, those of its last segment.
             * @default
             */
            content?: string;
            /**
             * @description What goes with the words.
             * @default []
             */
            attachments?: components["schemas"]["Attachment"][];
            /**
             * Format: int64
             * @description When it was made, in milliseconds since 1970.
             * @default 0
             */
            created_at?: number;
            /** @default null */
            answer?: components["schemas"]["Answer"] | null;
        };
        /** @description Numbers, second by second. */
        Metrics: {
            /**
             * Format: int32
             * @description Seconds from one sample to the next.
             */
            step_s: number;
            /** @description Oldest first. */
            samples: components["schemas"]["Sample"][];
        };
        /** @description A model on a server. */
        Model: {
            /** @description What it is called by. */
            id: string;
            /** @description What people call it. */
            name: string;
            /** @description Where it is. */
            server: string;
            /** @description What it is for. */
            kind: components["schemas"]["ModelKind"];
            /** @description Such as `llama`. */
            family?: string | null;
            /** @description Such as `Q4_K_M`. */
            quantization?: string | null;
            /**
             * Format: int64
             * @description In tokens.
             */
            context_window?: number | null;
            /**
             * Format: int64
             * @description Size of its weights.
             */
            size_bytes?: number | null;
            /** @description How it stands. */
            state: components["schemas"]["ModelState"];
            /** @description Why it failed. */
            reason?: string | null;
            /**
             * Format: int64
             * @description Since when it is ready, in milliseconds since 1970.
             */
            loaded_at?: number | null;
            /** @description Calls of ours that it answers. */
            running: number;
            /** @description What can be done with it. */
            can: components["schemas"]["Can"];
            /** @description A person wants to see it first. */
            pinned: boolean;
        };
        /**
         * @description What a model is for.
         * @enum {string}
         */
        ModelKind: "chat" | "completion" | "embedding" | "tensor" | "unknown";
        /**
         * @description How a model stands.
         * @enum {string}
         */
        ModelState: "unknown" | "unloaded" | "loading" | "ready" | "draining" | "failed";
        /** @description All models, and the servers that could not say theirs. */
        ModelsView: {
            /** @description Server by server, in the order of the configuration. */
            models: components["schemas"]["Model"][];
            /** @description Servers whose list could not be had; what they had before stands in `models`. */
            unavailable: components["schemas"]["Unavailable"][];
            /** @description Servers that are being asked for their first list: until they answer, nobody can say that there is no model. */
            awaited: string[];
            /** @description What is done with models just now, or was a moment ago. */
            loads: components["schemas"]["Load"][];
        };
        /** @description A tensor as it is written on the desk's wire. */
        NamedTensor: {
            /**
             * @description Its name; none is needed for a file.
             * @default
             */
            name?: string;
            /**
             * @description The elements' type, such as `FP32`.
             * @default
             */
            datatype?: string;
            /**
             * @description Its extents.
             * @default []
             */
            shape?: number[];
            /** @description The elements as a flat or nested list. `null` where they are `raw`. */
            data?: Record<string, unknown>;
            /**
             * @description The elements as packed little-endian bytes, in base64: for bytes that are no text.
             * @default null
             */
            raw?: string | null;
        };
        /** @description A model server of this machine. */
        Neighbour: {
            /** @description Where. */
            url: string;
            /** @description How it is spoken to. */
            protocol: components["schemas"]["WireProtocol"];
            /** @description What it calls itself. */
            product?: string | null;
            /** @description And which version. */
            version?: string | null;
            /** @description Its models. */
            models: string[];
            /** @description The configured server that it is, if it is one. */
            known_as?: string | null;
        };
        /** @description What a new conversation begins with. */
        NewConversation: {
            /**
             * @description Its title.
             * @default
             */
            title?: string;
            /**
             * @description The model that is asked.
             * @default null
             */
            model?: string | null;
            /**
             * @description The server that is asked.
             * @default null
             */
            server?: string | null;
            /**
             * @description What the model is told before everything else.
             * @default
             */
            system?: string;
            /**
             * @description How the next token is chosen.
             * @default {}
             */
            sampling?: components["schemas"]["Sampling"];
        };
        /** @description A server to be. */
        NewServer: {
            /** @description What it is called. */
            name: string;
            /** @description Its REST address. */
            rest?: string | null;
            /** @description Its gRPC address. */
            grpc?: string | null;
            /** @description What it speaks; found out where nobody says. */
            dialect?: string | null;
            /** @description The environment variable that holds its token. */
            token_env?: string | null;
        };
        /**
         * @description What is done with a model.
         * @enum {string}
         */
        Order: "load" | "unload" | "pull";
        /** @description A setting that something stronger than the file keeps as it was. */
        Overridden: {
            /** @description Which. */
            path: string;
            /** @description By what: a variable, a flag. */
            by: string;
        };
        /**
         * @description Where an answer is before its first word, and after.
         * @enum {string}
         */
        Phase: "queued" | "connecting" | "prompt" | "decoding";
        /** @description A model, and whether a person wants to see it first. */
        Pin: {
            /** @description The server's name. */
            server: string;
            /** @description The model's id. */
            model: string;
            /** @description Whether it is pinned from now on. */
            pinned: boolean;
        };
        /** @description Who is at an address. */
        Probe: {
            /** @description The address, as it would be saved. */
            url: string;
            /** @description What was found there, one for each protocol. */
            found: components["schemas"]["Found"][];
            /** @description What was tried in vain. */
            tried: components["schemas"]["Tried"][];
        };
        /** @description What went wrong. */
        Problem: {
            /**
             * @description `urn:longshore:problem:` and the kind.
             * @default
             */
            type?: string;
            /**
             * @description A few words, the same for every problem of the kind.
             * @default
             */
            title?: string;
            /**
             * Format: int32
             * @description The HTTP status.
             * @default 0
             */
            status?: number;
            /**
             * @description What happened: a fragment that reads well after "failed to …: ".
             * @default
             */
            detail?: string;
            /**
             * @description The kind, in a word.
             * @default
             */
            kind?: string;
            /**
             * @description What was being done, such as `ask the model`.
             * @default null
             */
            what?: string | null;
            /**
             * @description What a person can do now.
             * @default null
             */
            next?: string | null;
            /**
             * @description The model it is about.
             * @default null
             */
            model?: string | null;
            /**
             * Format: double
             * @description How long the server wants to be left alone.
             * @default null
             */
            retry_after_seconds?: number | null;
            /**
             * @description The server's own code for it.
             * @default null
             */
            server_code?: string | null;
            /**
             * @description What had come before it broke off.
             * @default null
             */
            partial_text?: string | null;
            /**
             * @description Facts around it, innermost first.
             * @default []
             */
            context?: components["schemas"]["Fact"][];
            /**
             * @description Every attempt that was made, as ledgers have them.
             * @default []
             */
            attempts?: Record<string, unknown>[];
            /**
             * @description Settings that are wrong, one by one.
             * @default []
             */
            problems?: components["schemas"]["SettingProblem"][];
        };
        /**
         * @description Whose words a message has.
         * @enum {string}
         */
        Role: "user" | "assistant";
        /** @description A run that is kept. */
        RunSummary: {
            /** @description To read it by. */
            id: string;
            /** @description Its name. */
            name: string;
            /**
             * Format: int64
             * @description When it began, in milliseconds since 1970.
             */
            at: number;
            /** @description Who was measured. */
            target: string;
            /** @description Which model answered. */
            model?: string | null;
            /** @description Its loads and what they came to, in a line; or why the file cannot be read. */
            summary: string;
        };
        /** @description Runs that are kept. */
        Runs: {
            /** @description The latest first, at most 200. */
            runs: components["schemas"]["RunSummary"][];
        };
        /** @description One second. */
        Sample: {
            /**
             * Format: int64
             * @description Its end, in milliseconds since 1970.
             */
            at: number;
            /** @description By server. */
            servers: {
                [key: string]: components["schemas"]["ServerSample"];
            };
            cache?: components["schemas"]["CacheSample"] | null;
            /** @description Calls under way at its end. */
            running: number;
            /**
             * Format: int64
             * @description Memory of this process, where the system tells.
             */
            rss_bytes?: number | null;
        };
        /** @description How the next token is chosen, and when to stop. What is left out is the server's choice. */
        Sampling: {
            /**
             * Format: double
             * @description 0 is greedy; above 1 is wild.
             * @default null
             */
            temperature?: number | null;
            /**
             * Format: double
             * @description Keep the most likely tokens whose probabilities add up to this.
             * @default null
             */
            top_p?: number | null;
            /**
             * Format: int32
             * @description Keep this many of the most likely tokens.
             * @default null
             */
            top_k?: number | null;
            /**
             * Format: int64
             * @description The same seed and request give the same answer, where the server keeps that promise.
             * @default null
             */
            seed?: number | null;
            /**
             * Format: int32
             * @description At most this many tokens of answer.
             * @default null
             */
            max_tokens?: number | null;
            /**
             * @description Stop before any of these texts.
             * @default []
             */
            stop?: string[];
        };
        /** @description What a change came to. */
        Saved: {
            /** @description The file. */
            saved_to: string;
            /** @description The settings that hold now. */
            applied: string[];
            /** @description Those that hold after a new start. */
            restart: string[];
            /** @description Those that something stronger than the file keeps as they were. */
            overridden: components["schemas"]["Overridden"][];
        };
        /** @description Who is on this machine. */
        Scan: {
            /** @description Model servers. */
            found: components["schemas"]["Neighbour"][];
            /** @description Every address that was asked. */
            scanned: string[];
        };
        /** @description What one server gave of an answer. */
        Segment: {
            /**
             * @description The server.
             * @default
             */
            server?: string;
            /**
             * @description How the answer travelled.
             * @default
             */
            protocol?: string;
            /**
             * @description The model, by the server's own name for it where it told.
             * @default
             */
            model?: string;
            /**
             * @description The words.
             * @default
             */
            text?: string;
            /**
             * @description What the model thought before.
             * @default
             */
            reasoning?: string;
            /**
             * @description How it ended.
             * @default running
             */
            ended?: components["schemas"]["SegmentEnd"];
            /** @default null */
            error?: components["schemas"]["Problem"] | null;
        };
        /**
         * @description How a segment ended.
         * @enum {string}
         */
        SegmentEnd: "running" | "done" | "interrupted";
        /** @description A server, as its card shows it. */
        Server: {
            /** @description Its name in the configuration. */
            name: string;
            /** @description It is the engine, or something else in this process. */
            in_process: boolean;
            /** @description Its REST address. */
            rest?: string | null;
            /** @description Its gRPC address. */
            grpc?: string | null;
            /** @description What it calls itself. */
            product?: string | null;
            /** @description And which version. */
            version?: string | null;
            /** @description How it is. */
            state: components["schemas"]["ServerState"];
            /** @description Why it is in that state, where there is something to say. */
            detail?: string | null;
            /** @description The ways to it. */
            ways: components["schemas"]["Way"][];
            /** @description What it can be asked for. */
            capabilities: string[];
            /** @description Calls that it works on. */
            in_flight: number;
            /**
             * Format: double
             * @description Median of how long its last calls took; null before the first.
             */
            p50_ms?: number | null;
            /**
             * Format: double
             * @description 95th percentile of the same.
             */
            p95_ms?: number | null;
            /** @description It takes no more calls, and still works on some. */
            draining: boolean;
            /** @description How it answered when it was asked, oldest first. */
            history: components["schemas"]["HealthPoint"][];
            /** @description What happened, newest first. */
            events: components["schemas"]["ServerEvent"][];
        };
        /** @description Something that happened to a server. */
        ServerEvent: {
            /**
             * Format: int64
             * @description When, in milliseconds since 1970.
             */
            at: number;
            /** @description What, for people. */
            text: string;
            /** @description What it is about. */
            kind: components["schemas"]["ServerEventKind"];
        };
        /**
         * @description What an event of a server is about.
         * @enum {string}
         */
        ServerEventKind: "failover" | "breaker" | "health" | "load";
        /** @description One second of one server. What nobody could measure in it is null. */
        ServerSample: {
            /**
             * Format: int64
             * @description Calls that ended in it.
             */
            requests: number;
            /**
             * Format: int64
             * @description Of these, those that failed.
             */
            errors: number;
            /**
             * Format: double
             * @description Tokens that came in it; null where no answer was on its way.
             */
            tokens_per_second?: number | null;
            /**
             * Format: double
             * @description Time to the first content, of the calls that ended.
             */
            ttft_p50_ms?: number | null;
            /**
             * Format: double
             * @description The same.
             */
            ttft_p95_ms?: number | null;
            /**
             * Format: double
             * @description Time between tokens.
             */
            itl_p50_ms?: number | null;
            /**
             * Format: double
             * @description From the call to its end.
             */
            latency_p50_ms?: number | null;
            /**
             * Format: double
             * @description The same.
             */
            latency_p95_ms?: number | null;
            /** @description Calls that were worked on at its end. */
            in_flight: number;
            /** @description Calls that waited for a place at its end. */
            queue?: number | null;
        };
        /**
         * @description How a server is.
         * @enum {string}
         */
        ServerState: "ok" | "troubled" | "down" | "unknown" | "drained";
        /** @description All servers. */
        Servers: {
            /** @description In the order of the configuration. */
            servers: components["schemas"]["Server"][];
        };
        /** @description A setting. */
        Setting: {
            /** @description Such as `retry.max_attempts`. */
            path: string;
            /** @description Such as `retry`. */
            section: string;
            /** @description Such as `duration`, `whole number`, `switch`, `list`. */
            kind: string;
            /** @description As it would be written; null where it is not set. */
            value: unknown;
            /** @description What holds where nothing is set. */
            default: unknown;
            /** @description Where the value comes from: `default`, a place in the file, a variable, a flag. */
            origin: string;
            /** @description What it means. */
            doc: string;
            /** @description What it may be, in words. */
            range?: string | null;
            /** @description The words that it may be. */
            choices?: string[] | null;
            /** @description It says where a secret is kept. */
            secret: boolean;
            /** @description When a change of it holds. */
            effect: components["schemas"]["Effect"];
        };
        /** @description What is wrong with one setting. */
        SettingProblem: {
            /** @description The setting, such as `retry.max_attempts`; empty for the file as a whole. */
            path: string;
            /** @description What is wrong, and what would be right. */
            message: string;
        };
        /** @description All settings but those of servers, which have a screen of their own. */
        Settings: {
            /** @description The file that changes are written to, if there is one already. */
            file?: string | null;
            /** @description In the order of the documentation. */
            settings: components["schemas"]["Setting"][];
        };
        /** @description What was stopped. */
        Stopped: {
            /** @description How the answer stands now. */
            state: components["schemas"]["AnswerState"];
            /** @description What became of the server's work. */
            upstream: components["schemas"]["Upstream"];
            /**
             * Format: int64
             * @description Tokens that had come.
             */
            tokens: number;
        };
        /** @description A model of a server. */
        Subject: {
            /** @description The server's name. */
            server: string;
            /** @description The model's id. */
            model: string;
        };
        /** @description Whom to ask. */
        Target: {
            /**
             * @description The model; `null` for the fleet's own.
             * @default null
             */
            model?: string | null;
            /**
             * @description The server; `null` leaves the choice to the fleet.
             * @default null
             */
            server?: string | null;
        };
        /** @description A tensor that a model takes or gives. */
        TensorShape: {
            /** @description Its name. */
            name: string;
            /** @description Such as `FP32`. */
            datatype: string;
            /** @description -1 stands for any size. */
            shape: number[];
        };
        /** @description Token counts, as the server counted them. */
        TokenCounts: {
            /**
             * Format: int64
             * @description Tokens of the request, the template's included.
             * @default 0
             */
            prompt_tokens?: number;
            /**
             * Format: int64
             * @description Tokens of the answer.
             * @default 0
             */
            completion_tokens?: number;
            /**
             * Format: int64
             * @description Of the prompt's, those that were already computed.
             * @default null
             */
            cached_tokens?: number | null;
        };
        /** @description What was tried in vain. */
        Tried: {
            /** @description The protocol. */
            what: string;
            /** @description Why it is not that. */
            error: string;
        };
        /** @description A server without a list. */
        Unavailable: {
            /** @description Its name. */
            server: string;
            /** @description Why. */
            error: components["schemas"]["Problem"];
        };
        /**
         * @description What became of the server's work when an answer was stopped.
         * @enum {string}
         */
        Upstream: "cancelled" | "already_ended";
        /** @description One way to a server. */
        Way: {
            /** @description How it is spoken to. */
            protocol: components["schemas"]["WayProtocol"];
            /** @description What is spoken there; empty while nobody knows. */
            dialect: string;
            /** @description The address; empty in-process. */
            endpoint: string;
            /** @description The worst of its models' breakers. */
            breaker: components["schemas"]["Breaker"];
            /** @description Why it is not closed. */
            breaker_reason?: string | null;
            /** @description Whether it answered when it was last asked; null before that. */
            reachable?: boolean | null;
            /**
             * Format: double
             * @description How long that took.
             */
            latency_ms?: number | null;
            /** @description Calls that are worked on. */
            in_flight: number;
            /** @description Calls that wait for a place. */
            waiting: number;
            /** @description Connections that are open; null in-process. */
            connections?: number | null;
        };
        /**
         * @description How a server is spoken to.
         * @enum {string}
         */
        WayProtocol: "rest" | "grpc" | "in_process";
        /**
         * @description How a server at an address is spoken to.
         * @enum {string}
         */
        WireProtocol: "rest" | "grpc";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    hello: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Hello"];
                };
            };
        };
    };
    events: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
        };
    };
    list_conversations: {
        parameters: {
            query?: {
                /**
                 * @description Words that must all stand in it; each may be the beginning of one, and Chinese, Japanese and Korean ones may stand
                 *     anywhere.
                 */
                q?: string;
                /** @description At most so many; 50 if nothing is said. */
                limit?: number;
                /** @description Only those after the conversation of this id in the list. */
                before?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversations"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    create: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewConversation"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Change"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    export: {
        parameters: {
            query?: {
                /** @description `markdown` or `json`. */
                format?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Exported"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    import: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Exported"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Conversation"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    ask: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Ask"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Answering"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    answer_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["AnswerEvent"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stop_answer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stopped"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_calls: {
        parameters: {
            query?: {
                /** @description At most so many; 200 if nothing is said, 1000 at most. */
                limit?: number;
                /** @description Only those that came before the one of this id. */
                before?: string;
                /** @description Only those in whose operation, model, server or error this stands. */
                q?: string;
                /** @description Only those that this server answered. */
                server?: string;
                /** @description Only those that ended so. */
                outcome?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Calls"];
                };
            };
        };
    };
    detail: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CallDetail"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    replay: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    infer: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InferRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Inferred"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    curl_line: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["InferRequest"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Curl"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    npy_read: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": number[];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NamedTensor"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    npy_write: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NamedTensor"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    servers: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Servers"];
                };
            };
        };
    };
    add: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewServer"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Server"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    probe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Address"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Probe"];
                };
            };
        };
    };
    scan: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Scan"];
                };
            };
        };
    };
    remove_server: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    drain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Drain"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    models: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ModelsView"];
                };
            };
        };
    };
    describe: {
        parameters: {
            query: {
                /** @description The server's name. */
                server: string;
                /** @description The model's id. */
                model: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Description"];
                };
            };
        };
    };
    load: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Subject"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Load"];
                };
            };
        };
    };
    unload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Subject"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Load"];
                };
            };
        };
    };
    pull: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Subject"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Load"];
                };
            };
        };
    };
    pin: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Pin"];
            };
        };
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    metrics: {
        parameters: {
            query?: {
                /** @description How many of the last minutes; as many as are kept, at most. */
                minutes?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Metrics"];
                };
            };
        };
    };
    settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Settings"];
                };
            };
        };
    };
    change_settings: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Changes"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Saved"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    begin: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["BenchOrder"];
            };
        };
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    bench_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
        };
    };
    stop_bench: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    runs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Runs"];
                };
            };
        };
    };
    run: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, unknown>;
                };
            };
        };
    };
    written: {
        parameters: {
            query: {
                /** @description `html`, `json`, `csv` or `markdown`. */
                format: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
        };
    };
    comparison: {
        parameters: {
            query: {
                /** @description What was before. */
                a: string;
                /** @description What came after. */
                b: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, unknown>;
                };
            };
        };
    };
}
