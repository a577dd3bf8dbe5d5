"""`longshore` alone: the desk is opened once, on a port that is free, behind a token; the page's files come from the binary.

What the page does is tested in desk/e2e, in a browser.
"""

from __future__ import annotations

import json
import signal
import socket
import stat

import httpx
import pytest

from harness import Longshore, free_ports, wait_until


@pytest.fixture
def home(tmp_path) -> Longshore:
    return Longshore(tmp_path / "home")


@pytest.fixture
def desk(home):
    """Starts `longshore --no-open`, and stops it; gives the process and what it said first."""
    running = []

    def start(*arguments, env=None):
        name = f"desk{len(running)}"
        process = home.start("--no-open", "--json", *arguments, name=name, env=env)
        running.append(process)
        said = process.ready(lambda: process.stdout.endswith("\n") and process.stdout, "its address")
        return process, json.loads(said.splitlines()[0])

    yield start
    for one in running:
        one.stop()


def parts(said: dict) -> tuple[str, dict]:
    """The API's address, and the header that opens it."""
    page, token = said["desk"].split("#token=")
    return page.removesuffix("/") + "/api", {"Authorization": f"Bearer {token}"}


def on(port: int) -> list[str]:
    return ["--set", f"gateway.listen=127.0.0.1:{port}"]


def test_a_port_that_is_taken_is_passed_over_and_said(desk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process, said = desk(*on(port))
        found = int(said["listening"].rsplit(":", 1)[1])
        assert port < found <= port + 32
        process.ready(lambda: f"port {port} is taken" in process.stderr, "a word about the port")


def test_a_second_start_finds_the_first(desk, home):
    first, said = desk(*on(free_ports(1)[0]))
    second = home.run("--no-open", "--json")
    assert second.code == 0, second
    assert second.json()["desk"] == said["desk"]
    # Once the first has ended there is nothing to find, and the file that named it is gone.
    file = next(home.home.rglob("instance.json"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first.child.send_signal(signal.SIGTERM)
    assert first.wait() == 0, first.describe()
    assert not file.exists()
    _, third = desk(*on(free_ports(1)[0]))
    assert third["desk"] != said["desk"]


def test_a_killed_one_is_not_believed_to_run(desk):
    first, said = desk(*on(free_ports(1)[0]))
    first.child.kill()
    first.wait()
    _, again = desk(*on(free_ports(1)[0]))
    assert again["desk"] != said["desk"]
    api, key = parts(again)
    assert httpx.get(f"{api}/hello", headers=key).status_code == 200


def test_over_ssh_the_tunnel_is_told(home):
    process = home.start(name="ssh", env={"SSH_CONNECTION": "192.0.2.7 50000 192.0.2.1 22", "DISPLAY": ":9"})
    try:
        text = process.ready(lambda: "ssh -" in process.stdout + process.stderr and process.stdout + process.stderr, "a tunnel")
        assert "-L" in text and "/desk/#token=" in text
    finally:
        process.stop()


def test_without_the_token_or_from_elsewhere_nothing_is_told(desk):
    _, said = desk(*on(free_ports(1)[0]))
    api, key = parts(said)
    refused = httpx.get(f"{api}/hello")
    assert refused.status_code == 401 and refused.json()["next"]
    assert httpx.get(f"{api}/hello", headers={"Authorization": "Bearer 0"}).status_code == 401
    assert httpx.get(f"{api}/hello", headers={**key, "Origin": "http://evil.example"}).status_code == 403
    assert httpx.get(f"{api}/hello", headers={**key, "Host": "evil.example"}).status_code == 403
    assert httpx.get(f"{api}/hello", headers=key).json()["url"] == said["listening"]


def test_the_page_comes_compressed_and_may_run_only_its_own_scripts(desk):
    _, said = desk(*on(free_ports(1)[0]))
    page = said["desk"].split("#")[0]
    got = httpx.get(page)
    assert got.status_code == 200 and got.headers["content-encoding"] == "gzip"
    policy = got.headers["content-security-policy"]
    assert "script-src 'self';" in policy and "default-src 'none'" in policy
    assert httpx.get(page, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
    browser = httpx.get(said["listening"] + "/", headers={"Accept": "text/html"})
    assert browser.status_code == 307 and browser.headers["location"] == "/desk/"


def test_a_question_is_answered_kept_and_survives_a_kill(desk):
    port = free_ports(1)[0]
    process, said = desk(*on(port))
    api, key = parts(said)
    with httpx.Client(base_url=api + "/", headers=key, timeout=30) as http:
        made = http.post("conversations", json={}).json()
        asked = http.post(f"conversations/{made['id']}/ask", json={"content": "What is streaming?"})
        assert asked.status_code == 202, asked.text
        answer = asked.json()["answers"][0]["id"]

        def done():
            kept = http.get(f"conversations/{made['id']}").json()
            return next((one for one in kept["messages"] if one["id"] == answer and one["answer"]["state"] == "done"), None)

        kept = wait_until(done, "the answer", 30)
        assert kept["content"] and kept["answer"]["server"] == "built-in"
        assert http.get("conversations", params={"q": "streaming"}).json()["conversations"][0]["id"] == made["id"]
    process.child.kill()
    process.wait()
    _, again = desk(*on(port))
    api, key = parts(again)
    after = httpx.get(f"{api}/conversations/{made['id']}", headers=key).json()
    assert [one["content"] for one in after["messages"] if one["id"] == answer] == [kept["content"]]
