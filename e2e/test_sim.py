"""`longshore sim` as independent clients see it: raw sockets, `h2`, `ssl`, `httpx`, `openai` and `tritonclient`.

Nothing here is Longshore's own client. Each fault is asked for in YAML and judged by bytes, and the log must name it.
"""

from __future__ import annotations

import email.utils
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import h2.config
import h2.connection
import httpx
import numpy as np
import openai
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from harness import MODEL, ROOT, TOKENS, Longshore, Sim, wait_until

CHAT = {"model": "m", "messages": [{"role": "user", "content": "tell me"}]}
# What differs between two runs of one seed.
TIMES = ("arrival", "connection", "time", "elapsed_ms", "cancelled_after_ms")


# A client that knows nothing but TCP.


@dataclass
class Seen:
    """Everything that came over a connection, and how it ended."""

    data: bytes
    end: str  # "eof", "reset" or "open"
    seconds: float

    @property
    def head(self) -> str:
        return self.data.split(b"\r\n\r\n", 1)[0].decode("latin-1").lower()

    @property
    def status(self) -> int:
        return int(self.head.split(" ", 2)[1])

    def header(self, name: str) -> str | None:
        found = re.search(rf"^{name}: (.*)$", self.head, re.MULTILINE)
        return found and found.group(1).strip()

    @property
    def rest(self) -> bytes:
        """What follows the head, as it came."""
        return (self.data.split(b"\r\n\r\n", 1) + [b""])[1]

    @property
    def chunks(self) -> tuple[list[bytes], bool]:
        """The chunks of HTTP/1.1, the last perhaps broken, and whether the last one of all, the empty one, came."""
        assert self.header("transfer-encoding") == "chunked", self.head
        rest, chunks = self.rest, []
        while b"\r\n" in rest:
            size, rest = rest.split(b"\r\n", 1)
            if int(size, 16) == 0:
                return chunks, True
            chunks.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        return chunks, False

    @property
    def complete(self) -> bool:
        return self.chunks[1]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks[0]) if self.header("transfer-encoding") else self.rest

    @property
    def tokens(self) -> int:
        return len(tokens(self.body))


def tokens(stream: bytes) -> list[str]:
    """The texts of a stream of chat chunks; what is no such chunk is passed over."""
    return [text for event in events(stream) for choice in event.get("choices", []) if (text := choice["delta"].get("content"))]


def events(stream: bytes) -> list[dict]:
    lines = stream.decode(errors="replace").splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {") and line.endswith("}")]


def request(path: str = "/v1/chat/completions", body: dict | None = None, close: bool = True, method: str = "POST") -> bytes:
    text = json.dumps(body) if body is not None else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
    return f"{head}{'connection: close' if close else 'accept: */*'}\r\n\r\n{text}".encode()


def chat(stream: bool) -> bytes:
    return request(body={**CHAT, "stream": stream})


def connect(sim: Sim) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", sim.port), timeout=10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read(connection: socket.socket, enough=lambda data: False, patience: float = 10) -> Seen:
    """Reads until the end, until `enough`, or until nothing more has come for a while."""
    data, started, end = b"", time.monotonic(), "open"
    connection.settimeout(patience)
    while not enough(data):
        try:
            block = connection.recv(1 << 16)
        except TimeoutError:
            break
        except ConnectionResetError:
            end = "reset"
            break
        if not block:
            end = "eof"
            break
        data += block
    return Seen(data, end, time.monotonic() - started)


def exchange(sim: Sim, payload: bytes, patience: float = 10) -> Seen:
    with connect(sim) as connection:
        connection.sendall(payload)
        return read(connection, patience=patience)


# A client of HTTP/2 that sees frames. `h2` writes the request; it will not read on after a GOAWAY, so frames are taken apart here.


def http2(sim: Sim, body: dict) -> list[Frame]:
    """The frames that answer one request, until the server closes, or is silent after the request has ended."""
    text, seen, data = json.dumps(body).encode(), [], b""
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    state.initiate_connection()
    head = [(":method", "POST"), (":path", "/v1/chat/completions"), (":scheme", "http"), (":authority", "localhost")]
    state.send_headers(1, [*head, ("content-type", "application/json"), ("content-length", str(len(text)))])
    state.send_data(1, text, end_stream=True)
    with connect(sim) as connection:
        connection.sendall(state.data_to_send())
        while True:
            try:
                block = connection.recv(1 << 16)
            except (TimeoutError, ConnectionResetError):
                return seen
            if not block:
                return seen
            data += block
            while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                frame, length = Frame.parse_frame_header(memoryview(data)[:9])
                frame.parse_body(memoryview(bytes(data[9 : 9 + length])))
                data = data[9 + length :]
                seen.append(frame)
                if isinstance(frame, (SettingsFrame, PingFrame)) and "ACK" not in frame.flags:
                    answer = SettingsFrame(0) if isinstance(frame, SettingsFrame) else PingFrame(0, frame.opaque_data)
                    answer.flags.add("ACK")
                    connection.sendall(answer.serialize())
                if isinstance(frame, RstStreamFrame) or "END_STREAM" in frame.flags:
                    connection.settimeout(0.5)


def of(kind: type[Frame], seen: list[Frame]) -> list:
    return [frame for frame in seen if isinstance(frame, kind)]


def stub(sim: Sim):
    return service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(sim.authority))


def grpc_failure(sim: Sim) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as failed:
        stub(sim).ModelMetadata(service_pb2.ModelMetadataRequest(name="m"), timeout=10)
    return failed.value


# The faults, one check each.

# An error of a gRPC call that has no message goes out as head and empty DATA, not as trailers alone.

FAULTS: dict[str, Any] = {}


def fault(what: str, when: str = "{}", config: str = MODEL, tls: bool = False, broken: str | None = None):
    """Registers the check of the effect named in `what`; of several for one effect, the function's name tells. `broken`
    says why a check fails for now; the test fails when it no longer does."""

    def register(check):
        effect = what.split(",")[0].strip()
        rule = f"rules: [{{ when: {when}, what: {{ effect: {what} }} }}]\n"
        name = effect if effect not in FAULTS else f"{effect}-{check.__name__.strip('_')}"
        marks = pytest.mark.xfail(reason=broken, strict=True) if broken else ()
        FAULTS[name] = pytest.param(effect, config + rule, tls, check, id=name, marks=marks)
        return check

    return register


@fault("status, status: 429, retry_after: { seconds: 7 }, body: go away, headers: { x-mood: bad }")
def _status(sim):
    seen = exchange(sim, chat(False))
    assert (seen.status, seen.header("retry-after"), seen.header("x-mood"), seen.body) == (429, "7", "bad", b"go away")
    with pytest.raises(openai.RateLimitError) as refused:
        sim.openai().chat.completions.create(**CHAT)
    assert refused.value.response.headers["retry-after"] == "7"
    failed = grpc_failure(sim)
    assert failed.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(failed.trailing_metadata() or ()).get("grpc-retry-pushback-ms") == "7000"


@fault("status, status: 503, retry_after: { date: 3600 }")
def _with_a_date(sim):
    seen = exchange(sim, chat(True))
    value = re.search(rb"(?im)^retry-after: (.*?)\r$", seen.data).group(1).decode()
    wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    assert seen.status == 503 and 3580 < wait <= 3600, value
    assert json.loads(seen.body)["error"]["message"]


@fault("status, status: 429, retry_after: { text: soon }")
def _with_a_text(sim):
    assert exchange(sim, chat(True)).header("retry-after") == "soon"


@fault("grpc, code: 14, message: no upstream, pushback: 1500ms")
def _grpc(sim):
    failed = grpc_failure(sim)
    assert (failed.code(), failed.details()) == (grpc.StatusCode.UNAVAILABLE, "no upstream")
    assert dict(failed.trailing_metadata())["grpc-retry-pushback-ms"] == "1500"
    with triton_grpc.InferenceServerClient(sim.authority) as client:
        with pytest.raises(InferenceServerException, match="no upstream") as refused:
            client.get_model_metadata("m")
    assert refused.value.status() == "StatusCode.UNAVAILABLE"
    seen = exchange(sim, chat(False))
    assert (seen.status, seen.header("retry-after")) == (503, "2")


@fault("in_band_error, after_tokens: 2, message: cuda died")
def _in_band_error(sim):
    seen = exchange(sim, chat(True))
    assert (seen.status, seen.tokens, seen.complete) == (200, 2, True)
    assert b"cuda died" in seen.body and b"[DONE]" not in seen.body
    whole = exchange(sim, chat(False))
    assert whole.status == 200 and "cuda died" in json.loads(whole.body)["error"]["message"]
    with pytest.raises(openai.APIError, match="cuda died"):
        list(sim.openai().chat.completions.create(**CHAT, stream=True))


@fault("done_after_error, after_tokens: 1, message: cuda died")
def _done_after_error(sim):
    seen = exchange(sim, chat(True))
    assert (seen.status, seen.tokens, seen.complete) == (200, 1, True)
    *_, error, mark, nothing = seen.body.split(b"\n\n")
    assert b"cuda died" in error and (mark, nothing) == (b"data: [DONE]", b"")


UNLOADED = "models: [{ id: m, loaded: false, load_time: 100ms }]\n"


def repository(sim: Sim) -> dict[str, dict]:
    with triton_http.InferenceServerClient(sim.authority) as client:
        return {model["name"]: model for model in client.get_model_repository_index()}


@fault("load_fails, reason: torn weights", config=UNLOADED)
def _load_fails(sim):
    started = time.monotonic()
    with triton_http.InferenceServerClient(sim.authority) as client:
        with pytest.raises(InferenceServerException, match="torn weights"):
            client.load_model("m")
        assert time.monotonic() - started >= 0.05, "a load that fails does so half-way"
        assert not client.is_model_ready("m")
    index = repository(sim)["m"]
    assert index["state"] == "UNAVAILABLE" and "torn weights" in index["reason"]


@fault("load_fails, reason: torn weights", config=UNLOADED)
def _over_grpc(sim):
    with triton_grpc.InferenceServerClient(sim.authority) as client:
        with pytest.raises(InferenceServerException, match="torn weights"):
            client.load_model("m")


@fault("in_band_error, message: cuda died")
def _a_call_over_grpc(sim):
    failed = grpc_failure(sim)
    assert (failed.code(), failed.details()) == (grpc.StatusCode.INTERNAL, "cuda died")


@fault("load_out_of_memory, needed: 8GB", config=UNLOADED)
def _load_out_of_memory(sim):
    with triton_http.InferenceServerClient(sim.authority) as client:
        with pytest.raises(InferenceServerException, match="out of memory.*8000000000 bytes"):
            client.load_model("m")
        assert not client.is_model_ready("m")
    assert "out of memory" in repository(sim)["m"]["reason"]


@fault("unload_mid_stream, after_tokens: 2", when="{ first: 1 }")
def _unload_mid_stream(sim):
    seen = exchange(sim, chat(True))
    assert (seen.tokens, seen.complete) == (2, True)
    assert b"unloaded" in seen.body and b"[DONE]" not in seen.body
    wait_until(lambda: repository(sim)["m"]["state"] == "UNAVAILABLE", "the model to be unloaded")


@fault("no_headers")
def _no_headers(sim):
    with connect(sim) as connection:
        connection.sendall(chat(True))
        seen = read(connection, patience=0.5)
    assert (seen.data, seen.end) == (b"", "open")
    entry = sim.log(1)[0]
    assert entry["status"] is None and entry["cancelled_after_ms"] >= 400


@fault("slow_headers, delay: 300ms")
def _slow_headers(sim):
    seen = exchange(sim, chat(True))
    assert seen.status == 200 and seen.tokens == TOKENS and seen.seconds >= 0.29


@fault("stall, after_tokens: 2")
def _stall(sim):
    with connect(sim) as connection:
        connection.sendall(chat(True))
        seen = read(connection, patience=0.5)
    assert (seen.tokens, seen.complete, seen.end) == (2, False, "open")
    assert sim.log(1)[0]["cancelled_after_ms"] >= 400
    with connect(sim) as connection:
        connection.sendall(chat(False))
        whole = read(connection, patience=0.5)
    assert (len(whole.rest), whole.end) == (int(whole.header("content-length")) // 2, "open")


@fault("drip, bytes: 50, every: 5ms")
def _drip(sim):
    seen = exchange(sim, chat(True))
    pieces, complete = seen.chunks
    assert complete and max(map(len, pieces)) <= 50 and seen.tokens == TOKENS
    assert seen.seconds >= 0.004 * (len(pieces) - 1)


@fault("duplicate, piece: 2")
def _duplicate(sim):
    pieces = exchange(sim, chat(True)).body.split(b"\n\n")
    assert pieces[2] == pieces[3] and len(set(pieces)) == len(pieces) - 1
    assert len(tokens(b"\n\n".join(pieces))) == TOKENS + 1


@fault("garble, piece: 1")
def _garble(sim):
    pieces = exchange(sim, chat(True)).body.split(b"\n\n")
    assert re.fullmatch(rb"data: \xff+", pieces[1])
    assert all(b"\xff" not in piece for position, piece in enumerate(pieces) if position != 1)
    assert pieces[-2] == b"data: [DONE]"


@fault("split_at_every_byte")
def _split_at_every_byte(sim):
    seen = exchange(sim, chat(True))
    pieces, complete = seen.chunks
    assert complete and {len(piece) for piece in pieces} == {1} and seen.tokens == TOKENS
    sent = list(sim.openai().chat.completions.create(**CHAT, stream=True))
    assert sum(bool(chunk.choices[0].delta.content) for chunk in sent) == TOKENS


@fault("sse_noise, bom: true, crlf: true, comments: true, multi_line: true")
def _sse_noise(sim):
    body = exchange(sim, chat(True)).body
    assert body.startswith(b"\xef\xbb\xbf: a comment\r\ndata: {\r\ndata: \"")
    assert body.endswith(b"data: [DONE]\r\n\r\n")
    assert b"\n" not in body.replace(b"\r\n", b""), "every line ends with CR LF"
    sent = sim.openai().chat.completions.create(**CHAT, stream=True)
    assert sum(bool(chunk.choices and chunk.choices[0].delta.content) for chunk in sent) == TOKENS


@fault("end_without_mark")
def _end_without_mark(sim):
    seen = exchange(sim, chat(True))
    assert seen.complete and seen.tokens == TOKENS and seen.end == "eof"
    assert b"[DONE]" not in seen.body and b'"finish_reason":"' not in seen.body
    whole = exchange(sim, chat(False))
    with pytest.raises(ValueError):
        json.loads(whole.body)


@fault("end_without_mark, after_tokens: 1")
def _after_one(sim):
    seen = exchange(sim, chat(True))
    assert (seen.tokens, seen.complete, b"[DONE]" in seen.body) == (1, True, False)


@fault("truncate_body, after_tokens: 2")
def _truncate_body(sim):
    seen = exchange(sim, chat(True))
    assert (seen.tokens, seen.complete, seen.end) == (2, False, "eof")
    whole = exchange(sim, chat(False))
    assert (len(whole.rest), whole.end) == (int(whole.header("content-length")) // 2, "eof")
    with pytest.raises(httpx.RemoteProtocolError):
        sim.http().post("/v1/chat/completions", json=CHAT)
    reset = of(RstStreamFrame, http2(sim, {**CHAT, "stream": True}))
    assert [frame.error_code for frame in reset] == [2]


@fault("truncate_at_byte, byte: 100")
def _truncate_at_byte(sim):
    seen = exchange(sim, chat(True))
    assert (len(seen.body), seen.complete, seen.end) == (100, False, "eof")
    whole = exchange(sim, chat(False))
    assert (len(whole.rest), whole.end) == (100, "eof") and int(whole.header("content-length")) > 100


@fault("truncate_at_byte, byte: 1000000")
def _behind_the_end(sim):
    seen = exchange(sim, chat(True))
    assert seen.complete and seen.tokens == TOKENS and seen.body.endswith(b"[DONE]\n\n")


@fault("wrong_content_length, by: 10")
def _wrong_content_length(sim):
    seen = exchange(sim, chat(False))
    assert int(seen.header("content-length")) == len(seen.rest) + 10 and seen.end == "eof"
    assert json.loads(seen.rest)["choices"]
    with pytest.raises(httpx.RemoteProtocolError):
        sim.http().post("/v1/chat/completions", json=CHAT)


@fault("wrong_content_length, by: -10")
def _too_small(sim):
    seen = exchange(sim, chat(False))
    assert int(seen.header("content-length")) == len(seen.rest) - 10 and json.loads(seen.rest)["choices"]


@fault("html_at_200")
def _html_at_200(sim):
    for stream in (False, True):
        seen = exchange(sim, chat(stream))
        assert (seen.status, seen.header("content-type")) == (200, "text/html; charset=utf-8")
        assert seen.body.startswith(b"<!DOCTYPE html>")


@fault("huge_line, bytes: 3MB")
def _huge_line(sim):
    body = exchange(sim, chat(True)).body
    assert len(body) > 3_000_000 and body.startswith(b'data: {"x":"xxx') and body.count(b"\n") == 2


@fault("gzip_bomb, bytes: 20MB")
def _gzip_bomb(sim):
    seen = exchange(sim, chat(False))
    assert seen.header("content-encoding") == "gzip" and len(seen.body) < 40_000
    assert len(zlib.decompress(seen.body, wbits=31)) == 20_000_000


@fault("reset_before_first_byte")
def _reset_before_first_byte(sim):
    seen = exchange(sim, chat(True))
    assert (seen.data, seen.end) == (b"", "reset")
    with pytest.raises(openai.APIConnectionError):
        sim.openai().chat.completions.create(**CHAT)


@fault("reset_mid_stream, after_tokens: 3")
def _reset_mid_stream(sim):
    seen = exchange(sim, chat(True))
    assert (seen.tokens, seen.complete, seen.end) == (3, False, "reset")


@fault("reset_at_byte, byte: 100")
def _reset_at_byte(sim):
    for stream in (True, False):
        seen = exchange(sim, chat(stream))
        assert (len(seen.body), seen.end) == (100, "reset")


@fault("rst_stream, code: 7")
def _rst_stream(sim):
    seen = http2(sim, CHAT)
    assert [frame.error_code for frame in of(RstStreamFrame, seen)] == [7]
    assert not of(HeadersFrame, seen) and not of(GoAwayFrame, seen)
    over_http1 = exchange(sim, chat(False))
    assert (over_http1.data, over_http1.end) == (b"", "eof")


@fault("rst_stream, code: 11, after_tokens: 2")
def _after_tokens(sim):
    seen = http2(sim, {**CHAT, "stream": True})
    assert len(tokens(b"".join(frame.data for frame in of(DataFrame, seen)))) == 2
    assert [frame.error_code for frame in of(RstStreamFrame, seen)] == [11]


@fault("goaway")
def _goaway(sim):
    seen = http2(sim, {**CHAT, "stream": True})
    assert [frame.error_code for frame in of(GoAwayFrame, seen)][-1] == 0
    data = of(DataFrame, seen)
    assert "END_STREAM" in data[-1].flags and len(tokens(b"".join(frame.data for frame in data))) == TOKENS
    over_http1 = exchange(sim, request(body=CHAT, close=False))
    assert (over_http1.status, over_http1.header("connection"), over_http1.end) == (200, "close", "eof")


@fault("missing_grpc_status")
def _missing_grpc_status(sim):
    assert grpc_failure(sim).code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    assert exchange(sim, chat(False)).status == 200, "REST is left alone"


@fault("refuse, lasting: 2s", when="{ first: 1 }")
def _refuse(sim):
    try:
        assert exchange(sim, chat(False)).data == b""
    except ConnectionResetError:
        pass  # reset while the request was written
    attempts = []

    def refused():
        with socket.socket() as probe:
            attempts.append(probe.connect_ex(("127.0.0.1", sim.port)))
        return attempts[-1] != 0

    wait_until(refused, "a refused connection")
    wait_until(lambda: not refused(), "the port to open again")
    assert exchange(sim, chat(False)).status == 200


@fault("accept_and_never_read")
def _accept_and_never_read(sim):
    with connect(sim) as connection:
        connection.sendall(chat(False))
        assert read(connection, patience=0.3).end == "open"
        connection.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 << 20:
                sent += connection.send(b"x" * (1 << 20))
        assert sent < 64 << 20


@fault("slow_accept, delay: 300ms")
def _slow_accept(sim):
    started = time.monotonic()
    with connect(sim) as connection:
        connection.sendall(chat(False))
        seen = read(connection)
    assert seen.status == 200 and time.monotonic() - started >= 0.29


def handshake(sim: Sim, authority) -> str:
    context = ssl.create_default_context(cafile=authority)
    with connect(sim) as connection, context.wrap_socket(connection, server_hostname="localhost") as secure:
        secure.sendall(chat(False))
        return read(secure).head


@fault("tls_expired", tls=True)
def _tls_expired(sim):
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(sim, sim.tls)


@fault("tls_wrong_name", tls=True)
def _tls_wrong_name(sim):
    with pytest.raises(ssl.SSLCertVerificationError, match="[Hh]ostname mismatch"):
        handshake(sim, sim.tls)


@fault("tls_closed_in_handshake", tls=True)
def _tls_closed_in_handshake(sim):
    with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
        handshake(sim, sim.tls)


@pytest.mark.parametrize("effect, config, tls, check", FAULTS.values())
def test_fault(sim, tmp_path, effect, config, tls, check):
    authority = tmp_path / "authority.pem"
    running = sim(config, *(["--tls", str(authority)] if tls else []))
    running.tls = authority
    check(running)
    faults = [entry["fault"] for entry in running.log(1)]
    assert effect in faults and set(faults) <= {effect, None}, faults
    assert all(entry["rule"] == 0 for entry in running.log(1) if entry["fault"])


def test_every_fault_has_a_test(longshore):
    """The program itself tells which effects there are when it is given another."""
    file = longshore.config("rules: [{ what: { effect: nonsense } }]\n", "wrong.yaml")
    refused = longshore.run("sim", "--listen", "127.0.0.1:0", "--config", file)
    assert refused.code == 3, refused
    effects = re.search(r"expected one of (.*)", refused.stderr).group(1).split(", ")
    assert {fault.values[0] for fault in FAULTS.values()} == set(effects), refused


# How it behaves when it behaves.


def test_without_faults(sim):
    running = sim()
    seen = exchange(running, chat(True))
    assert seen.tokens == TOKENS and seen.complete and seen.body.endswith(b"data: [DONE]\n\n")
    assert json.loads(exchange(running, chat(False)).body)["usage"]["completion_tokens"] == TOKENS
    log = running.log(2)
    assert [(e["op"], e["model"], e["index"], e["outcome"], e["fault"]) for e in log] == [
        ("chat", "m", 0, "ok", None),
        ("chat", "m", 1, "ok", None),
    ]
    assert log[0]["route"] == "POST /v1/chat/completions" and log[0]["response_bytes"] == len(seen.body)
    assert [e["connection"] for e in log] == [0, 1] and [e["tokens"] for e in log] == [TOKENS] * 2


def test_tls_serves(sim, tmp_path):
    authority = tmp_path / "authority.pem"
    running = sim(MODEL, "--tls", str(authority))
    assert running.url == f"https://localhost:{running.port}"
    assert handshake(running, authority).startswith("http/1.1 200")


def test_toxicity_zero_is_no_effect(sim):
    rules = "rules: [{ what: { effect: reset_before_first_byte }, toxicity: 0 }, { what: { effect: status, status: 500 }, toxicity: 0 }]\n"
    running = sim(MODEL + rules)
    assert exchange(running, chat(True)).tokens == TOKENS
    assert running.log(1)[0]["fault"] is None


def test_latency_flags(sim):
    """Lower bounds only: a busy machine may be late, the simulator is never early."""
    running = sim("{}", "--model", "m", "--tokens", "5", "--latency", "50ms", "--ttft", "200ms", "--itl", "40ms")
    with connect(running) as connection:
        started = time.monotonic()
        connection.sendall(chat(True))
        first = read(connection, enough=lambda data: b'"content":"' in data.replace(b'"content":""', b""))
        first_at = time.monotonic() - started
        rest = read(connection)
        total = time.monotonic() - started
    assert len(tokens(Seen(first.data + rest.data, rest.end, 0).body)) == 5
    assert first_at >= 0.249 and total >= 0.249 + 4 * 0.04
    assert running.log(1)[0]["elapsed_ms"] >= 409


def test_slots_make_requests_wait(sim):
    running = sim(MODEL, "--slots", "1", "--ttft", "150ms")
    with ThreadPoolExecutor(4) as pool:
        seconds = sorted(seen.seconds for seen in pool.map(lambda _: exchange(running, chat(True)), range(4)))
    # The last of four is answered after all of them; when it was sent, the first had not begun long ago.
    assert seconds[-1] >= 0.5
    assert sorted(entry["elapsed_ms"] for entry in running.log(4))[-1] >= 590 - 100


def test_a_seed_is_a_text(sim):
    def text(*arguments):
        answer = sim("models: [{ id: m, tokens: 30 }]\n", *arguments).openai().chat.completions.create(**CHAT)
        assert answer.usage.completion_tokens == 30
        return answer.choices[0].message.content

    first = text("--seed", "7")
    assert first == text("--seed", "7") and first != text("--seed", "8")
    assert len(first.split()) > 10 and first.isprintable()


MIXED = """
rules:
- { when: { probability: 0.15 }, what: { effect: status, status: 503 } }
- { when: { probability: 0.15 }, what: { effect: reset_mid_stream, after_tokens: 2 } }
- { when: { probability: 0.15 }, what: { effect: end_without_mark, after_tokens: 1 } }
- { when: { every: 10 }, what: { effect: garble, piece: 1 } }
- { when: { probability: 0.1 }, what: { effect: reset_before_first_byte } }
"""


def test_one_seed_is_one_log_also_under_concurrency(sim):
    def run(seed: int, clients: int) -> list[dict]:
        running = sim(MODEL + MIXED, "--seed", str(seed), "--itl", "normal(1ms, 1ms)")
        barrier = threading.Barrier(clients)

        def client(_):
            barrier.wait()
            for _ in range(300 // clients):
                exchange(running, chat(True))

        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(client, range(clients)))
        log = running.log(300)
        assert len(log) == 300 and [entry["index"] for entry in log] == list(range(300))
        return [{name: value for name, value in entry.items() if name not in TIMES} for entry in log]

    first = run(11, 50)
    assert first == run(11, 50)
    assert first == run(11, 1), "concurrency changes nothing"
    assert first != run(12, 50)
    assert {entry["fault"] for entry in first} > {"status", "reset_mid_stream", "end_without_mark", "garble", None}


def test_an_error_rate_is_a_share_of_requests(sim):
    requests, share = 2000, 0.05
    running = sim(MODEL, "--error-rate", "5%", "--tokens", "1", "--seed", "3")
    with running.http() as client:
        statuses = [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(requests)]
    failed = statuses.count(500)
    # Five standard deviations of the binomial distribution.
    assert abs(failed - requests * share) < 5 * (requests * share * (1 - share)) ** 0.5, failed
    assert statuses.count(200) == requests - failed
    assert [e["fault"] == "status" for e in running.log(requests)] == [status == 500 for status in statuses]


def test_conditions_choose_requests(sim):
    rule = "{{ when: {{ {when} }}, what: {{ effect: status, status: {status} }} }}"
    rules = ", ".join(
        rule.format(when=when, status=status)
        for when, status in [
            ("op: chat, every: 3", 501),
            ("op: chat, from: 6, to: 8", 502),
            ("route: /v2/models/*", 504),
            ("protocol: grpc", 429),
        ]
    )
    running = sim(MODEL + f"rules: [{rules}]\n")
    assert [exchange(running, chat(False)).status for _ in range(9)] == [200, 200, 501, 200, 200, 501, 502, 502, 501]
    assert exchange(running, request("/v2/models/m", method="GET")).status == 504
    assert exchange(running, request("/v2/models/m/ready", method="GET")).status == 200
    assert grpc_failure(running).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_embeddings_have_unit_length(sim):
    def vectors(running):
        answer = running.openai().embeddings.create(model="e", input=["one", "two", "one"])
        return np.array([item.embedding for item in answer.data])

    config = "seed: 5\nmodels: [{ id: e, kind: embedding, dimensions: 48 }]\n"
    first = vectors(sim(config))
    assert first.shape == (3, 48)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    assert (first[0] == first[2]).all() and not np.allclose(first[0], first[1])
    assert (first == vectors(sim(config))).all() and not (first == vectors(sim(config, "--seed", "6"))).all()


TENSORS = """
models:
- { id: identity, kind: tensor }
- { id: sum, kind: tensor, function: sum }
- id: argmax
  kind: tensor
  function: argmax
  inputs: [{ name: x, datatype: FP32, shape: [-1, 3] }]
  outputs: [{ name: best, datatype: INT64, shape: [-1] }]
"""
MATRIX = np.array([[1.5, 2, -3], [0.25, -1, 8]], dtype=np.float32)


@pytest.mark.parametrize("client", [triton_http, triton_grpc], ids=["rest", "grpc"])
def test_tensors(sim, client):
    def infer(model, name, output):
        tensor = client.InferInput(name, list(MATRIX.shape), "FP32")
        tensor.set_data_from_numpy(MATRIX)
        return made.infer(model, [tensor]).as_numpy(output)

    with client.InferenceServerClient(sim(TENSORS).authority) as made:
        assert (infer("identity", "INPUT0", "OUTPUT0") == MATRIX).all()
        assert (infer("sum", "INPUT0", "OUTPUT0") == MATRIX.sum(axis=-1)).all()
        best = infer("argmax", "x", "best")
        assert best.dtype == np.int64 and (best == MATRIX.argmax(axis=-1)).all()
        with pytest.raises(InferenceServerException, match="declared"):
            infer("argmax", "INPUT0", "best")


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["place", "unit", "days"],
        },
    },
}


def test_tools_are_called(sim):
    client = sim().openai()
    messages = [{"role": "user", "content": "what is the weather?"}]
    asked = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    [choice] = asked.choices
    assert choice.finish_reason == "tool_calls" and not choice.message.content
    [call] = choice.message.tool_calls
    assert call.type == "function" and call.function.name == "weather" and call.id
    arguments = json.loads(call.function.arguments)
    assert isinstance(arguments["place"], str)
    assert arguments["unit"] in ("celsius", "fahrenheit") and 1 <= arguments["days"] <= 7

    # The same call in a stream, put together by the client.
    with client.chat.completions.stream(model="m", messages=messages, tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        streamed = stream.get_final_completion().choices[0]
    assert "tool_calls.function.arguments.delta" in kinds
    assert streamed.finish_reason == "tool_calls"
    assert streamed.message.tool_calls[0].id == call.id
    assert streamed.message.tool_calls[0].function.arguments == call.function.arguments

    # The tool's answer is answered in words.
    messages += [choice.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    said = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER]).choices[0]
    assert said.finish_reason == "stop" and said.message.content and not said.message.tool_calls


def test_tools_are_called_as_the_caller_and_the_model_say(sim):
    running = sim(f"models: [{{ id: m, tokens: {TOKENS} }}, {{ id: n, tool_calls: never }}]\n")
    client = running.openai()
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}

    def ask(model="m", **more):
        messages = [{"role": "user", "content": "tell me"}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER, other], **more)
        return [call.function.name for call in answer.choices[0].message.tool_calls or []]

    assert ask(tool_choice="none") == []
    assert ask(tool_choice={"type": "function", "function": {"name": "other"}}) == ["other"]
    assert len(ask(tool_choice="required")) == 1
    assert ask("n") == []
    with pytest.raises(openai.BadRequestError, match="weather, other"):
        ask(tool_choice={"type": "function", "function": {"name": "none of them"}})


def state(http: httpx.Client, model: str) -> str:
    return {entry["id"]: entry["state"] for entry in http.get("/api/models").json()["models"]}[model]


def test_models_are_loaded_and_unloaded(sim):
    running = sim("autoload: false\nmodels: [{ id: m, loaded: false, load_time: 1s, tokens: 2 }]\n")
    with running.http() as http, triton_grpc.InferenceServerClient(running.authority) as rpc:
        assert state(http, "m") == "unloaded" and not rpc.is_model_ready("m")
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 503
        started = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(rpc.load_model, "m")
            wait_until(lambda: state(http, "m") == "loading", "the load to begin")
            loading.result(10)
        assert time.monotonic() - started >= 0.99
        assert state(http, "m") == "ready" and rpc.is_model_ready("m")
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
        rpc.unload_model("m")
        assert state(http, "m") == "unloaded"


def test_a_declared_model_fails_to_load(sim):
    running = sim("models: [{ id: m, loaded: false, load_error: no such shard }]\n")
    with triton_http.InferenceServerClient(running.authority) as client:
        with pytest.raises(InferenceServerException, match="no such shard"):
            client.load_model("m")


FULL = """
memory: {{ budget: 8GB, when_full: {when_full} }}
models: [{{ id: a, loaded: false, size: 4GB }}, {{ id: b, loaded: false, size: 4GB }}, {{ id: c, loaded: false, size: 4GB }}]
"""


def test_memory_is_freed_of_what_was_used_longest_ago(sim):
    running = sim(FULL.format(when_full="evict"))
    with running.http() as http, triton_http.InferenceServerClient(running.authority) as client:
        for model in "ab":
            client.load_model(model)
        assert http.post("/v1/chat/completions", json={**CHAT, "model": "a"}).status_code == 200
        client.load_model("c")
        assert [state(http, model) for model in "abc"] == ["ready", "unloaded", "ready"]


def test_memory_is_refused(sim):
    running = sim(FULL.format(when_full="refuse"))
    with running.http() as http, triton_http.InferenceServerClient(running.authority) as client:
        for model in "ab":
            client.load_model(model)
        with pytest.raises(InferenceServerException, match="out of memory.*4000000000 are missing"):
            client.load_model("c")
        assert [state(http, model) for model in "ab"] == ["ready", "ready"]


def test_a_wrong_configuration_is_named(longshore):
    for text, word in [
        ("sed: 1\n", "sed"),
        ("models: []\n", "models"),
        ("rules: [{ what: { effect: tls_expired } }]\n", "TLS"),
        ("rules: [{ what: { effect: status, status: 99 } }]\n", "99"),
    ]:
        file = longshore.config(text, "wrong.yaml")
        refused = longshore.run("sim", "--listen", "127.0.0.1:0", "--config", file)
        assert refused.code == 3 and word in refused.stderr, refused


def test_the_python_on_the_page_works(tmp_path):
    [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "simulator.md").read_text(), re.DOTALL)
    longshore = Longshore(tmp_path)
    environment = longshore.environment()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "longshore").symlink_to(longshore.binary)
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    answer, outcome = done.stdout.splitlines()
    assert len(answer.split()) > 5 and outcome == "ok"


def control(sim: Sim) -> httpx.Client:
    return httpx.Client(base_url=f"{sim.url}/sim", timeout=10, headers={"authorization": f"Bearer {sim.token}"})


def test_rules_are_changed_while_it_runs(sim):
    running = sim()
    with control(running) as api:
        assert api.put("/rules", json=[{"what": {"effect": "status", "status": 503}}]).status_code == 200
        assert exchange(running, chat(False)).status == 503
        assert api.get("/rules").json()[0]["applied"] == 1
        assert api.put("/rules", json=[{"what": {"effect": "nonsense"}}]).status_code == 400
        assert api.delete("/rules", headers={"content-type": "application/json"}).json() == []
        assert exchange(running, chat(False)).status == 200
        running.log(2)
        assert [entry["status"] for entry in api.get("/log").json()] == [503, 200]
        assert len(api.get("/truth").json()) == 1
        assert f"longshore_sim_tokens_total {TOKENS}\n" in api.get("/metrics").text
        assert api.post("/reset", json={}).status_code == 200
        assert api.get("/log").json() == []
        assert api.get("/state").json()["models"][0]["id"] == "m"


def test_strangers_do_not_control_it(sim):
    running = sim()
    with running.http() as stranger:
        assert stranger.get("/sim/state").status_code == 401
        assert stranger.put("/sim/rules", json=[]).status_code == 401
    with control(running) as api:
        assert api.get("/state", headers={"host": "evil.example"}).status_code == 403
        assert api.put("/rules", json=[], headers={"origin": "https://evil.example"}).status_code == 403
        assert api.put("/rules", content="[]").status_code == 415


def test_virtual_time_is_advanced(sim):
    running = sim(MODEL + "virtual_time: true\nlatency: { ttft: 1h }\n")
    with control(running) as api, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(exchange, running, chat(False))
        wait_until(lambda: api.get("/state").json()["requests_in_flight"] == 1, "the request")
        assert not answer.done()
        assert api.post("/clock", json={"advance": "2h"}).status_code == 200
        assert answer.result(10).status == 200
    assert running.log(1)[0]["elapsed_ms"] >= 3_600_000


@pytest.mark.parametrize("patient, code", [(True, 0), (False, 1)], ids=["patient", "impatient"])
def test_a_verdict_is_an_exit_code(sim, patient, code):
    """The same client twice: it waits as it is told to, or does not."""
    wait = 1 if patient else 60
    rule = f"rules: [{{ when: {{ first: 1 }}, what: {{ effect: status, status: 429, retry_after: {{ seconds: {wait} }} }} }}]\n"
    running = sim(MODEL + rule, "--verdict")
    with running.openai().with_options(max_retries=1) as client:
        if patient:  # `openai` waits for as long as `Retry-After` says, up to a minute
            assert client.chat.completions.create(**CHAT).choices
        else:
            assert [exchange(running, chat(False)).status for _ in range(2)] == [429, 200]
    running.log(2)
    running.process.child.terminate()
    assert running.process.wait() == code, running.process.describe()
    verdict = running.lines()[-1]["verdict"]
    assert verdict["good"] == patient
    assert [finding["kind"] for finding in verdict["findings"]] == ([] if patient else ["retry_after_ignored"])
