"""`docs/troubleshooting.md` tells the truth: each of its problems is provoked, and what Longshore then prints has the
words of the page."""

from __future__ import annotations

import re
import socket
from typing import Callable

import httpx
import pytest

from harness import ROOT, Longshore, free_ports

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
PROVOKE: dict[str, Callable] = {}


def sections() -> dict[str, str]:
    """The text of each problem, by its heading."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def symptoms(section: str) -> list[str]:
    """The lines that the page promises."""
    blocks = re.findall(r"^```text\n(.*?)^```", section, flags=re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def says(line: str, output: str) -> bool:
    """Whether the output has the line; `…` stands for anything."""
    return re.search(".*".join(re.escape(part.strip()) for part in line.split("…")), output, flags=re.S) is not None


def provokes(heading: str):
    def note(function):
        PROVOKE[heading] = function
        return function

    return note


@pytest.mark.parametrize("heading", sections())
def test_the_page_has_the_words(heading, longshore, sim, server):
    promised = symptoms(sections()[heading])
    assert promised, f"no symptom under {heading!r}"
    output = PROVOKE[heading](longshore, sim, server)
    for line in promised:
        assert says(line, output), f"not said: {line}\n--- output\n{output}"


def test_each_problem_has_symptom_cause_check_and_cure():
    assert len(sections()) >= 10 and set(sections()) == set(PROVOKE)
    for heading, section in sections().items():
        for part in ("**Cause.**", "**Check.**", "**Cure.**"):
            assert part in section, f"{heading}: no {part}"


def test_every_command_and_setting_exists(longshore):
    """What the page tells people to type."""
    settings = longshore.run("config", "schema").stdout
    for name in re.findall(r"`([a-z_]+\.[a-z_.]+)`", PAGE):
        if name.endswith((".yaml", ".md", ".py")):
            continue
        for part in name.split("."):
            assert f'"{part}"' in settings, f"{name}: no setting has the part {part}"
    for command in set(re.findall(r"longshore ([a-z]+)", PAGE)):
        assert longshore.run(command, "--help").code == 0, command


def ask(longshore: Longshore, url: str, *more: str, name: str = "gpu") -> str:
    """One question to one server, and everything that is said of it."""
    sets = ["--set", f"servers.0.name={name}", "--set", f"servers.0.rest={url}"]
    done = longshore.run("chat", "-m", "tell me", "--server", name, *sets, *more)
    return f"$ {done.stdout}\n{done.stderr}"


@provokes("Connection refused")
def _(longshore, sim, server):
    (port,) = free_ports(1)
    return ask(longshore, f"http://127.0.0.1:{port}")


@provokes("The name cannot be resolved")
def _(longshore, sim, server):
    return ask(longshore, "http://gpu.invalid:8000")


@provokes("No connection within the limit")
def _(longshore, sim, server):
    # A full queue of connections: the kernel answers no further one.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            return ask(longshore, f"http://127.0.0.1:{full.getsockname()[1]}", "--set", "timeouts.connect=300ms")
        finally:
            for one in waiting:
                one.close()


@provokes("TLS where there is none")
def _(longshore, sim, server):
    return ask(longshore, sim().url.replace("http:", "https:"))


@provokes("The certificate is not trusted")
def _(longshore, sim, server):
    return ask(longshore, sim("models: [{ id: m }]", "--tls", str(longshore.home / "ca.pem")).url.replace("http:", "https:"))


@provokes("The server refuses the key")
def _(longshore, sim, server):
    rule = "rules: [{ when: { route: /v1/models }, what: { effect: status, status: 401 } }]"
    return ask(longshore, sim(rule).url, "--set", "servers.0.dialect=openai")


@provokes("No such model")
def _(longshore, sim, server):
    return ask(longshore, sim("models: [{ id: llama }, { id: qwen }]").url, "lama")


@provokes("Nobody can tell what the server speaks")
def _(longshore, sim, server):
    return ask(longshore, sim().url + "/wrong/path", "m")


@provokes("The model is not loaded")
def _(longshore, sim, server):
    return ask(longshore, sim("models: [{ id: m, loaded: false }]\nautoload: false").url, "m", "--set", "retry.max_attempts=1")


@provokes("Nothing comes for a long time")
def _(longshore, sim, server):
    rules = "rules: [{ when: { op: chat }, what: { effect: stall } }]"
    limits = ["--set", "timeouts.first_token=300ms", "--set", "timeouts.headers=300ms", "--set", "retry.max_attempts=1"]
    return ask(longshore, sim(f"models: [{{ id: m }}]\n{rules}").url, "m", *limits)


@provokes("The answer breaks off")
def _(longshore, sim, server):
    rules = "rules: [{ when: { op: chat }, what: { effect: reset_mid_stream, after_tokens: 2 } }]"
    return ask(longshore, sim(f"models: [{{ id: m }}]\n{rules}").url, "m")


@provokes("Too many requests")
def _(longshore, sim, server):
    rules = "rules: [{ when: { op: chat }, what: { effect: status, status: 429, retry_after: { seconds: 600 } } }]"
    return ask(longshore, sim(f"models: [{{ id: m }}]\n{rules}").url, "m")


@provokes("The prompt is too long")
def _(longshore, sim, server):
    return ask(longshore, sim("models: [{ id: m, context_window: 2 }]").url, "m")


@provokes("A web page in place of an answer")
def _(longshore, sim, server):
    rules = "rules: [{ when: { op: chat }, what: { effect: html_at_200 } }]"
    return ask(longshore, sim(f"models: [{{ id: m }}]\n{rules}").url, "m")


@provokes("The answer is larger than allowed")
def _(longshore, sim, server):
    config = "models: [{ id: m, tokens: 4000 }]"
    return ask(longshore, sim(config).url, "m", "--no-stream", "--set", "limits.reply_body=1KiB")


@provokes("Several servers have the model")
def _(longshore, sim, server):
    sets = []
    for index, name in enumerate(["gpu-1", "gpu-2"]):
        sets += ["--set", f"servers.{index}.name={name}", "--set", f"servers.{index}.rest={sim().url}"]
    return longshore.run("load", "m", *sets).stderr


@provokes("The configuration is wrong")
def _(longshore, sim, server):
    file = longshore.config("servers:\n  - name: gpu\n    rest: http://127.0.0.1:8000\n    wieght: 2\n", "longshore-wrong.yaml")
    return longshore.run("config", "check", "--config", file).stderr


@provokes("The port is taken")
def _(longshore, sim, server):
    return longshore.run("serve", "--listen", server.authority).stderr


@provokes("Other machines cannot reach the gateway")
def _(longshore, sim, server):
    return longshore.run("serve", "--listen", "0.0.0.0:0").stderr


@provokes("The gateway refuses the host")
def _(longshore, sim, server):
    return httpx.get(f"{server.url}/v1/models", headers={"Host": "gateway.example"}).text


@provokes("The gateway wants a token")
def _(longshore, sim, server):
    guarded = longshore.serve("--set", "gateway.token.env=GATEWAY_TOKEN", env={"GATEWAY_TOKEN": "swordfish"})
    try:
        return httpx.get(f"{guarded.url}/v1/models").text
    finally:
        guarded.process.stop()

