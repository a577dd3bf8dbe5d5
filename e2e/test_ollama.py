"""PyPI's `ollama` as a client of `longshore serve` and of `longshore sim`; and Longshore as a client of Ollama's interface."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import ollama
import pytest

from conftest import MODEL
from harness import Longshore, Server

QUESTION = [{"role": "user", "content": "What is streaming?"}]
GREEDY = {"model": MODEL, "messages": QUESTION, "options": {"temperature": 0}}
SIM = """
models:
  - { id: m, tokens: 12 }
  - { id: thinker, tokens: 6, reasoning_tokens: 4 }
  - { id: vectors, kind: embedding, dimensions: 8 }
  - { id: asleep, tokens: 4, loaded: false, load_time: 20ms }
  - { id: broken, loaded: false, load_time: 10ms, load_error: no memory }
"""
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


@pytest.fixture(scope="module")
def client(server):
    return ollama.Client(server.url, timeout=30)


def client_of(running) -> ollama.Client:
    return ollama.Client(running.url, timeout=30)


@pytest.fixture(scope="module")
def answer(client):
    """The whole answer to QUESTION, the same every time since it is greedy."""
    return client.chat(**GREEDY)


def text_of(pieces) -> str:
    return "".join(piece.message.content or "" for piece in pieces)


# === the gateway with the built-in model ===


def test_models_are_listed_shown_and_running(client):
    listed = {model.model: model for model in client.list().models}
    assert MODEL in listed and listed[MODEL].details.family and listed[MODEL].size > 0
    assert MODEL in [model.model for model in client.ps().models]
    shown = client.show(MODEL)
    assert shown.capabilities == ["completion"] and shown.details.family == listed[MODEL].details.family
    assert shown.modelinfo[f"{shown.details.family}.context_length"] > 0


def test_chat(answer):
    assert (answer.model, answer.done, answer.done_reason) == (MODEL, True, "stop")
    assert answer.message.role == "assistant" and "stream" in answer.message.content.lower()
    assert answer.prompt_eval_count > 0 and answer.eval_count > 0
    assert answer.total_duration >= answer.eval_duration > 0
    assert answer.total_duration >= answer.prompt_eval_duration > 0


def test_chat_streams_the_same_text(client, answer):
    *pieces, last = client.chat(**GREEDY, stream=True)
    assert text_of(pieces) == answer.message.content and last.message.content == ""
    assert len(pieces) > 3 and not any(piece.done for piece in pieces)
    assert last.done and last.done_reason == "stop"
    assert (last.prompt_eval_count, last.eval_count) == (answer.prompt_eval_count, answer.eval_count)


def test_chat_streams_to_the_asynchronous_client(server, answer):
    async def said():
        client = ollama.AsyncClient(server.url)
        return [piece async for piece in await client.chat(**GREEDY, stream=True)]

    assert text_of(asyncio.run(said())) == answer.message.content


def test_a_prompt_is_what_a_user_says(client, answer):
    options = {"temperature": 0}
    whole = client.generate(MODEL, QUESTION[0]["content"], options=options)
    assert whole.response == answer.message.content and whole.done_reason == "stop"
    *pieces, last = client.generate(MODEL, QUESTION[0]["content"], options=options, stream=True)
    assert "".join(piece.response for piece in pieces) == whole.response and last.eval_count == whole.eval_count
    raw = client.generate(MODEL, "Streaming means", raw=True, options=options | {"num_predict": 5})
    assert raw.response and raw.eval_count == 5 and raw.done_reason == "length"


def test_options_reach_the_model(client):
    short = client.chat(model=MODEL, messages=QUESTION, options={"num_predict": 3, "seed": 7, "top_p": 0.9, "num_ctx": 256})
    assert short.eval_count == 3 and short.done_reason == "length"
    whole = client.chat(**GREEDY).message.content
    stopped = client.chat(model=MODEL, messages=QUESTION, options={"temperature": 0, "stop": [whole[8:12]]})
    assert stopped.message.content == whole[: whole.index(whole[8:12])]


def test_errors_are_texts_with_a_status(client, server):
    def fails(call, status):
        with pytest.raises(ollama.ResponseError) as failed:
            call()
        assert failed.value.status_code == status, failed.value
        return failed.value.error

    assert "no model `nope`" in fails(lambda: client.chat("nope", QUESTION), 404)
    assert "no model `nope`" in fails(lambda: list(client.generate("nope", "x", stream=True)), 404)
    assert "`nope`" in fails(lambda: client.show("nope"), 404)
    assert "temperature" in fails(lambda: client.chat(MODEL, QUESTION, options={"temperature": 200}), 400)
    assert "/api/delete" in fails(lambda: client.delete(MODEL), 501)
    assert "pull" in fails(lambda: client.pull("llama3.2"), 501)
    assert "pull" in fails(lambda: list(client.pull("llama3.2", stream=True)), 501)
    refused = httpx.post(f"{server.url}/api/chat", json={"messages": QUESTION})
    assert (refused.status_code, refused.json()) == (400, {"error": "model is required"})


def test_the_version_says_what_is_spoken_and_by_whom(server, client):
    told = httpx.get(f"{server.url}/api/version").json()
    assert told["server"] == "longshore" and told["version"].count(".") == 2
    assert httpx.head(server.url).status_code == 200
    # The native routes below /api/ are still there.
    assert MODEL in [model["id"] for model in httpx.get(f"{server.url}/api/models").json()["models"]]


def test_a_tag_that_everybody_has_may_be_written(client, answer):
    assert client.chat(**GREEDY | {"model": f"{MODEL}:latest"}).message.content == answer.message.content


def test_keep_alive_unloads_and_an_empty_prompt_loads(fresh_server):
    client = client_of(fresh_server)
    running = lambda: [model.model for model in client.ps().models]
    assert MODEL in running()
    assert client.generate(MODEL, keep_alive=0).done_reason == "unload"
    assert MODEL not in running() and MODEL in [model.model for model in client.list().models]
    assert client.generate(MODEL).done_reason == "load"
    assert MODEL in running()
    assert client.chat(MODEL, [], keep_alive=0).done_reason == "unload"
    assert client.chat(MODEL, []).done_reason == "load"


# === the simulator ===


def test_thoughts_come_apart(sim):
    client = client_of(sim(SIM))
    whole = client.chat("thinker", QUESTION, think=True)
    assert whole.message.thinking and whole.message.content
    pieces = list(client.chat("thinker", QUESTION, think=True, stream=True))
    assert "".join(piece.message.thinking or "" for piece in pieces) == whole.message.thinking
    assert text_of(pieces) == whole.message.content


def test_tools_are_called_with_objects(sim):
    client = client_of(sim(SIM))
    messages = [{"role": "user", "content": "How is the weather?"}]
    whole = client.chat("m", messages, tools=[WEATHER])
    [call] = whole.message.tool_calls
    assert call.function.name == "weather" and isinstance(call.function.arguments["place"], str)
    pieces = list(client.chat("m", messages, tools=[WEATHER], stream=True))
    [streamed] = [call for piece in pieces for call in piece.message.tool_calls or []]
    assert streamed == call and pieces[-1].done_reason == "stop"
    messages += [whole.message, {"role": "tool", "tool_name": "weather", "content": "rain"}]
    said = client.chat("m", messages, tools=[WEATHER])
    assert said.message.content and not said.message.tool_calls


def test_vectors(sim):
    client = client_of(sim(SIM))
    both = client.embed("vectors", ["sky", "grass"])
    assert [len(vector) for vector in both.embeddings] == [8, 8] and both.embeddings[0] != both.embeddings[1]
    assert client.embed("vectors", "sky").embeddings == [both.embeddings[0]]
    assert client.embeddings("vectors", "sky").embedding == both.embeddings[0]


def test_loads_tell_how_they_end(sim):
    client = client_of(sim(SIM))
    assert "asleep" not in [model.model for model in client.ps().models]
    assert client.generate("asleep").done_reason == "load"
    assert "asleep" in [model.model for model in client.ps().models]
    with pytest.raises(ollama.ResponseError, match="no memory"):
        client.generate("broken")


def test_an_error_within_a_stream_is_raised(sim):
    running = sim(SIM + "rules: [{ what: { effect: in_band_error, after_tokens: 2, message: the card fell out } }]\n")
    seen = []
    with pytest.raises(ollama.ResponseError, match="the card fell out"):
        for piece in client_of(running).chat("m", QUESTION, stream=True):
            seen.append(piece)
    assert seen and not any(piece.done for piece in seen)


# === Longshore as a client of Ollama's interface ===


@pytest.fixture
def behind(tmp_path):
    """A gateway and a command line before servers that speak Ollama's interface."""
    started: list[Server] = []

    def start(**urls: str) -> tuple[Server, Longshore]:
        longshore = Longshore(tmp_path / "behind")
        servers = "".join(f"  - {{ name: {name}, rest: '{url}', dialect: ollama }}\n" for name, url in urls.items())
        longshore.config(f"servers:\n{servers}engine: {{ enabled: false }}\n", "longshore.yaml")
        started.append(longshore.serve())
        return started[-1], longshore

    yield start
    for server in started:
        server.process.stop()


def test_everything_goes_through_twice(sim, behind):
    direct = sim(SIM)
    gateway, longshore = behind(far=direct.url)
    near, far = client_of(gateway), client_of(direct)
    for stream in (False, True):
        ask = {"model": "m", "messages": QUESTION, "options": {"seed": 1}, "stream": stream}
        text = (lambda reply: text_of(reply)) if stream else (lambda reply: reply.message.content)
        assert text(near.chat(**ask)) == text(far.chat(**ask))
    assert near.chat("m", QUESTION, tools=[WEATHER]).message.tool_calls == far.chat("m", QUESTION, tools=[WEATHER]).message.tool_calls
    assert near.embed("vectors", "sky").embeddings == far.embed("vectors", "sky").embeddings
    assert near.chat("thinker", QUESTION).message.thinking == far.chat("thinker", QUESTION).message.thinking
    said = longshore.run("chat", "m", "-m", "hello")
    assert said.code == 0 and said.stdout.strip(), said


def test_states_are_told_from_both_lists(sim, behind):
    _, longshore = behind(far=sim(SIM).url)

    def state(model):
        listed = longshore.run("models", "--json").json()["models"]
        return {entry["id"]: entry["state"] for entry in listed}[model]

    assert (state("m"), state("asleep")) == ("ready", "unloaded")
    loaded = longshore.run("load", "asleep")
    assert loaded.code == 0 and state("asleep") == "ready", loaded
    vectors = longshore.run("load", "vectors")
    assert vectors.code == 0, vectors
    unloaded = longshore.run("unload", "asleep")
    assert unloaded.code == 0 and state("asleep") == "unloaded", unloaded
    failed = longshore.run("load", "broken")
    assert failed.code == 1 and "no memory" in failed.stderr, failed


class Registry(BaseHTTPRequestHandler):
    """As much of an Ollama as it takes to pull: what it says is what its documentation says."""

    protocol_version = "HTTP/1.1"
    LAYER = "sha256:dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff"

    def do_GET(self):
        self._answer({"/api/version": {"version": "0.12.6"}}.get(self.path, {"models": []}))

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/api/pull" or asked["model"] != "llama3.2":
            return self._lines([{"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}])
        layer = {"status": "pulling dde5aa3fc5ff", "digest": self.LAYER, "total": 1000}
        self._lines([{"status": "pulling manifest"}, layer, layer | {"completed": 400}], more=True)
        self.server.seen.wait(20)
        self._lines([layer | {"completed": 1000}, {"status": "verifying sha256 digest"}, {"status": "success"}], head=False)

    def _answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _lines(self, lines, head=True, more=False):
        if head:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Connection", "close")
            self.end_headers()
        for line in lines:
            self.wfile.write(json.dumps(line).encode() + b"\n")
            self.wfile.flush()
        self.close_connection = not more

    def log_message(self, *_):
        pass


@pytest.fixture
def registry():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    server.seen = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.seen.set()
    server.shutdown()
    server.server_close()


def url_of(registry) -> str:
    return f"http://127.0.0.1:{registry.server_port}"


def test_pulls_tell_their_progress(registry, behind):
    gateway, longshore = behind(far=url_of(registry))
    client = client_of(gateway)
    steps = []
    for step in client.pull("llama3.2", stream=True):
        steps.append(step)
        if step.completed == 400:
            registry.seen.set()
    assert ("pulling llama3.2", 400, 1000) in [(step.status, step.completed, step.total) for step in steps]
    assert steps[-1].status == "success"
    assert client.pull("llama3.2").status == "success"
    with pytest.raises(ollama.ResponseError, match="file does not exist"):
        list(client.pull("nope", stream=True))

    pulled = longshore.run("pull", "llama3.2")
    assert pulled.code == 0 and "llama3.2 on far: pulled" in pulled.stdout, pulled
    missing = longshore.run("pull", "nope")
    assert missing.code == 5 and "file does not exist" in missing.stderr, missing
    # Longshore's own interface has a word for it too.
    told = httpx.post(f"{gateway.url}/api/models/pull", json={"model": "llama3.2"}).json()
    assert told["state"] == "unloaded", told


def test_one_server_must_be_meant_by_a_pull(registry, behind):
    registry.seen.set()
    _, longshore = behind(one=url_of(registry), two=url_of(registry))
    unclear = longshore.run("pull", "llama3.2")
    assert unclear.code != 0 and "several servers can pull" in unclear.stderr, unclear
    assert longshore.run("pull", "two/llama3.2").code == 0
