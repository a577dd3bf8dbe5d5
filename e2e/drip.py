"""An OpenAI-compatible server that misbehaves on purpose: slow, cut, or with escapes in its text.

The built-in model answers in milliseconds, so whatever needs an answer *in progress* (signals, drain, cancellation) asks this one.
The model's name says what it does: `drip` sends words at a steady pace, `endless` never stops, `cut` closes mid-stream,
`escapes` emits terminal control sequences.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODELS = ["drip", "endless", "cut", "escapes"]
WORDS = [f"word{number} " for number in range(20)]
ESCAPES = "\x1b]52;c;aGFjaw==\x07\x1b[2Jplain\x1b]0;title\x07\x9b31m text"
PAUSE_SECONDS = 0.05


class Drip(ThreadingHTTPServer):
    """Counts its streams, so a test can see that an abandoned one was stopped."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.streams_started = self.streams_finished = self.streams_abandoned = 0
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        """A client that goes away is what these tests are about: nothing to print."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "drip"} for name in MODELS]})
        elif self.path == "/health":
            self.reply(200, {"status": "ok"})
        else:
            self.reply(404, {"error": {"message": "no such path", "type": "not_found_error", "code": 404}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            return self.reply(404, {"error": {"message": "no such path", "type": "not_found_error", "code": 404}})
        request = json.loads(body)
        model = request["model"]
        if model not in MODELS:
            return self.reply(404, {"error": {"message": f"no model {model}", "type": "not_found_error", "code": 404}})
        if request.get("stream"):
            self.stream(model)
        else:
            text = "".join(pieces(model, limit=len(WORDS)))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.reply(200, {"id": "drip-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": USAGE})

    def stream(self, model: str):
        self.server.streams_started += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.event(model, {"role": "assistant", "content": ""})
            for number, piece in enumerate(pieces(model)):
                if model == "cut" and number == 3:
                    self.close_connection = True
                    return
                self.event(model, {"content": piece})
                time.sleep(PAUSE_SECONDS)
            self.event(model, {}, "stop")
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")
            self.server.streams_finished += 1
        except (BrokenPipeError, ConnectionResetError):
            self.server.streams_abandoned += 1
            self.close_connection = True

    def event(self, model: str, delta: dict, finish: str | None = None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        data = {"id": "drip-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
        self.chunk(b"data: " + json.dumps(data).encode() + b"\n\n")

    def chunk(self, data: bytes):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def reply(self, status: int, body: dict):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Silent: pytest shows enough."""


USAGE = {"prompt_tokens": 3, "completion_tokens": 20, "total_tokens": 23}


def pieces(model: str, limit: int | None = None):
    """The text of each model, piece by piece; `limit` makes the endless one end."""
    if model == "escapes":
        yield ESCAPES
    elif model == "endless":
        number = 0
        while limit is None or number < limit:
            yield f"word{number} "
            number += 1
    else:
        yield from WORDS
