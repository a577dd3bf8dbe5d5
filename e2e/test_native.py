"""Longshore's own routes (`/api/…`, described in docs/openapi.yaml) as a plain HTTP client sees them."""

import json

import httpx
import pytest

from conftest import MODEL
from harness import ROOT


@pytest.fixture(scope="module")
def api(server):
    with httpx.Client(base_url=f"{server.url}/api", timeout=30) as made:
        yield made


def problem(reply: httpx.Response, status: int) -> dict:
    """The body of an RFC 9457 error, after checking that it is one."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].split(";")[0] == "application/problem+json", reply.headers
    body = reply.json()
    assert body["status"] == status and body["title"] and body["detail"], body
    return body


def models(http) -> dict:
    reply = http.get("/models")
    assert reply.status_code == 200, reply.text
    return {model["id"]: model for model in reply.json()["models"]}


def test_health(api):
    reply = api.get("/health")
    assert reply.status_code == 200 and reply.json()["ok"] is True, reply.text


def test_models(api):
    built_in = models(api)[MODEL]
    assert built_in["state"] == "ready" and built_in["kind"] == "chat", built_in
    assert built_in["context_window"] == 512 and built_in["size_bytes"] > 100_000, built_in


def test_load_and_unload(fresh_server):
    with httpx.Client(base_url=f"{fresh_server.url}/api", timeout=30) as api:
        for path, state in (("/models/unload", "unloaded"), ("/models/load", "ready")):
            reply = api.post(path, json={"model": MODEL})
            assert reply.status_code == 200, reply.text
            assert models(api)[MODEL]["state"] == state


@pytest.mark.parametrize("path", ["/models/load", "/models/unload", "/infer"])
def test_unknown_model(api, path):
    subject = {"prompt": "hi"} if path == "/infer" else {}
    body = problem(api.post(path, json={"model": "no-such-model", **subject}), 404)
    assert "no-such-model" in body["detail"] and MODEL in body["detail"], body


@pytest.mark.parametrize("path", ["/models/load", "/models/unload", "/infer"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b""])
def test_malformed_body(api, path, content):
    problem(api.post(path, content=content, headers={"Content-Type": "application/json"}), 400)


CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What is streaming?"}], "temperature": 0}
PROMPT = {"model": MODEL, "prompt": "Streaming means", "temperature": 0, "max_tokens": 12}


def events(http, body) -> list[dict]:
    """The events of a stream, each of which names itself."""
    with http.stream("POST", "/infer", json={**body, "stream": True}) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].split(";")[0] == "text/event-stream"
        text = "".join(reply.iter_text())
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


@pytest.mark.parametrize("body", [CHAT, PROMPT], ids=["chat", "prompt"])
def test_infer_text(api, body):
    """Whole and streamed are the same answer; the stream ends with `done` and with nothing after it."""
    reply = api.post("/infer", json=body)
    assert reply.status_code == 200, reply.text
    whole = reply.json()
    assert whole["model"] == MODEL and whole["text"] and whole["finish_reason"] in ("stop", "length"), whole
    assert whole["usage"]["completion_tokens"] > 0, whole
    streamed = events(api, body)
    pieces = [event["text"] for event in streamed if event["event"] == "text"]
    assert len(pieces) > 3 and "".join(pieces) == whole["text"], streamed
    assert [event["event"] for event in streamed].count("done") == 1, streamed
    assert streamed[-1] == {"event": "done", "finish_reason": whole["finish_reason"]}, streamed


def test_infer_embeddings(api):
    reply = api.post("/infer", json={"model": MODEL, "input": ["one text", "another", "one text"]})
    assert reply.status_code == 200, reply.text
    first, second, third = reply.json()["embeddings"]
    assert first == pytest.approx(third, abs=1e-6) and first != pytest.approx(second, abs=1e-3)


def test_infer_tensors(api):
    tensor = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": [PROMPT["prompt"]]}
    body = {"model": MODEL, "id": "t-1", "inputs": [tensor], "parameters": {"temperature": 0, "max_tokens": 12}}
    reply = api.post("/infer", json=body)
    assert reply.status_code == 200, reply.text
    (output,) = reply.json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("text_output", "BYTES", [1]), reply.text
    assert output["data"] == [api.post("/infer", json=PROMPT).json()["text"]], reply.text


@pytest.mark.parametrize(
    "body",
    [
        {"model": MODEL},
        {"model": MODEL, "messages": []},
        {"model": MODEL, "messages": "hi"},
        {"model": MODEL, "prompt": "a", "input": "b"},
        {"model": MODEL, "prompt": "a", "temperature": "hot"},
        {"model": "../x", "prompt": "a"},
    ],
)
def test_bad_inference(api, body):
    assert problem(api.post("/infer", json=body), 400)["kind"] == "invalid_request"


def test_failure_of_a_stream_is_a_problem_too(api):
    """Before the first event there is still a status to set."""
    assert problem(api.post("/infer", json={**CHAT, "model": "no-such-model", "stream": True}), 404)["kind"] == "unknown_model"


def test_openapi_describes_every_route():
    """The document that a client would be written from knows the routes tried here."""
    text = (ROOT / "docs" / "openapi.yaml").read_text()
    for path in ("/api/models", "/api/models/load", "/api/models/unload", "/api/infer", "/api/health"):
        assert f"\n  {path}:" in text, f"docs/openapi.yaml has no {path}"
