"""The wire itself, with `httpx`: media types, end marks, refusals and HTTP versions that SDKs hide."""

import json

import httpx
import pytest

from conftest import MODEL

CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "What is streaming?"}], "temperature": 0}


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.url, timeout=30) as made:
        yield made


def test_event_stream(http):
    with http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].split(";")[0] == "text/event-stream"
        body = "".join(reply.iter_text())
    frames = body.split("\n\n")
    assert frames.pop() == "", "the stream does not end with an empty line"
    frames = [frame for frame in frames if not frame.startswith(":")]
    assert frames.pop() == "data: [DONE]"
    assert frames and all(json.loads(frame.removeprefix("data: "))["choices"] for frame in frames)


def test_pieces_arrive_before_the_end(http):
    """Each event is flushed: the first read does not hold the whole of an answer that takes a while."""
    body = {**CHAT, "stream": True, "max_tokens": 400, "ignore_eos": True}
    with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        pieces = list(reply.iter_raw())
    assert len(pieces) > 1 and b"[DONE]" not in pieces[0] and b"[DONE]" in pieces[-1]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("body", [b'{"model": ', b"", b"[1, 2]", b"\xff\xfe", b'"text"', b"[" * 5000])
def test_malformed_body(http, path, body):
    reply = http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 400, reply.text
    assert reply.headers["content-type"].split(";")[0] == "application/json"
    assert reply.json()["error"]["message"] and reply.json()["error"]["type"]


def test_unknown_path_and_wrong_method(http):
    """Refused with a body that tells the same status as the head."""
    for path, allowed in (("/v1/nothing-here", [404]), ("/v1/chat/completions", [404, 405]), ("/v2/nothing-here", [404])):
        reply = http.get(path)
        assert reply.status_code in allowed, reply.text
        assert reply.json().get("status", reply.status_code) == reply.status_code, reply.text


def test_metrics(http):
    """Counted from the first call, in the format that Prometheus reads."""
    assert http.post("/v1/chat/completions", json={**CHAT, "max_tokens": 4}).status_code == 200
    page = http.get("/metrics")
    assert page.status_code == 200
    lines = page.text.splitlines()
    calls = [line for line in lines if line.startswith('longshore_calls_total{op="chat"') and "committed" in line]
    assert calls and float(calls[0].split()[-1]) >= 1, page.text
    assert any(line.startswith("longshore_first_content_seconds_bucket") for line in lines)
    assert any(line.startswith("# HELP longshore_attempts_total") for line in lines)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes(http, path):
    assert http.get(path).status_code == 200


def test_http2_without_tls(server):
    with httpx.Client(base_url=server.url, http1=False, http2=True, timeout=30) as http:
        models = http.get("/v1/models")
        assert models.http_version == "HTTP/2" and models.status_code == 200
        with http.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as reply:
            assert "".join(reply.iter_text()).endswith("data: [DONE]\n\n")


def test_too_large_a_body_is_refused(http):
    """A limit, not a crash: and the server goes on answering."""
    try:
        reply = http.post("/v1/chat/completions", content=b"x" * (80 << 20), headers={"Content-Type": "application/json"})
        assert reply.status_code == 413, reply.text
    except (httpx.WriteError, httpx.RemoteProtocolError, httpx.ReadError):
        pass  # refused before the whole body was sent, as HTTP/1.1 allows
    assert http.get("/v1/models").status_code == 200


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL}/ready"])
def test_oip_health(http, path):
    assert http.get(path).status_code == 200


def test_oip_generate(http):
    body = {"text_input": "Streaming means", "parameters": {"max_tokens": 24, "temperature": 0}}
    whole = http.post(f"/v2/models/{MODEL}/generate", json=body)
    assert whole.status_code == 200, whole.text
    assert whole.json()["model_name"] == MODEL
    with http.stream("POST", f"/v2/models/{MODEL}/generate_stream", json=body) as reply:
        assert reply.headers["content-type"].split(";")[0] == "text/event-stream"
        text = "".join(reply.iter_text())
    frames = [json.loads(frame.removeprefix("data: ")) for frame in text.split("\n\n") if frame.startswith("data: ")]
    assert "".join(frame.get("text_output", "") for frame in frames) == whole.json()["text_output"] != ""


def test_oip_errors(http):
    unknown = http.post("/v2/models/no-such-model/infer", json={"inputs": []})
    assert unknown.status_code in (400, 404), unknown.text
    assert "no-such-model" in unknown.json()["error"]
    malformed = http.post(f"/v2/models/{MODEL}/infer", content=b"{", headers={"Content-Type": "application/json"})
    assert malformed.status_code in (400, 500) and malformed.json()["error"]
