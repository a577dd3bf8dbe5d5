"""Longshore's own routes (`/api/…`, described in docs/openapi.yaml) as a plain HTTP client sees them."""

import json

import httpx
import pytest

from conftest import MODEL


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
    body = problem(api.post(path, json={"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}]}), 404)
    assert "no-such-model" in body["detail"] and MODEL in body["detail"], body


@pytest.mark.parametrize("path", ["/models/load", "/models/unload", "/infer"])
@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b""])
def test_malformed_body(api, path, content):
    problem(api.post(path, content=content, headers={"Content-Type": "application/json"}), 400)
