"""The command line as a person or a program uses it: text, JSON, exit codes, signals."""

import json
import re
import shutil
import signal
import subprocess
import time

import httpx
import pytest

from conftest import MODEL
from drip import WORDS
from harness import Longshore, free_ports

QUESTION = "What is streaming?"
# The documented exit codes.
USAGE, CONFIGURATION, NO_SERVER, UNKNOWN_MODEL, INTERRUPTED, CANCELLED = 2, 3, 4, 5, 6, 130


@pytest.fixture(scope="module")
def with_drip(tmp_path_factory, drip) -> Longshore:
    """The command line with the slow server of `drip.py` configured in its folder."""
    made = Longshore(tmp_path_factory.mktemp("with-drip"))
    made.config(f"servers:\n  - name: drip\n    rest: {drip.url}\n    dialect: openai\n", "longshore.yaml")
    return made


# --- chat


def test_chat_answers(longshore):
    said = longshore.run("chat", "-m", QUESTION, "--temperature", 0)
    assert said.code == 0, said
    assert "stream" in said.stdout.lower(), said


def test_chat_json(longshore):
    said = longshore.run("chat", "-m", QUESTION, "--temperature", 0, "--json")
    assert said.code == 0, said
    reply = said.json()
    assert {"model", "server", "protocol", "text", "finish_reason", "usage", "timing", "attempts"} <= reply.keys(), said
    assert reply["model"] == MODEL and reply["finish_reason"] == "stop" and reply["protocol"] == "in_process", said
    assert reply["text"].strip() == longshore.run("chat", "-m", QUESTION, "--temperature", 0).stdout.strip()
    assert reply["usage"]["prompt_tokens"] > 0 and reply["usage"]["completion_tokens"] > 0, said
    assert 0 < reply["timing"]["ttft_ms"] <= reply["timing"]["total_ms"], said
    assert isinstance(reply["attempts"], list), said


@pytest.mark.parametrize("arguments", [[], ["--no-stream"]], ids=["stream", "no-stream"])
def test_piped_question(longshore, arguments):
    said = longshore.run("chat", MODEL, "--temperature", 0, *arguments, stdin=QUESTION + "\n")
    assert said.code == 0 and "stream" in said.stdout.lower(), said


def test_chat_options(longshore):
    short = longshore.run("chat", MODEL, "-m", QUESTION, "--max-tokens", 3, "--temperature", 0, "--json")
    assert short.code == 0 and short.json()["finish_reason"] == "length", short
    assert short.json()["usage"]["completion_tokens"] == 3, short
    sampled = ["chat", MODEL, "-m", "Tell me a story.", "--temperature", 1.5, "--seed", 4, "--max-tokens", 30, "--json"]
    assert longshore.run(*sampled).json()["text"] == longshore.run(*sampled).json()["text"]
    plain, system = (
        longshore.run("chat", MODEL, "-m", QUESTION, "--temperature", 0, "--json", *more).json()
        for more in ([], ["--system", "Answer like a pirate."])
    )
    assert system["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    assert system["text"] != plain["text"]


def test_remote_chat_says_which_way_it_took(with_drip):
    said = with_drip.run("chat", "drip", "-m", "go", "--json")
    assert said.code == 0, said
    reply = said.json()
    assert (reply["server"], reply["protocol"], reply["text"]) == ("drip", "rest", "".join(WORDS)), said
    assert [attempt["outcome"] for attempt in reply["attempts"]] == ["committed"], said
    assert reply["timing"]["ttft_ms"] < reply["timing"]["total_ms"] / 2, said


def test_streamed_text_is_flushed(with_drip):
    """The first words are there long before the last ones are sent."""
    child = with_drip.start("chat", "endless", "-m", "go", name="flush")
    try:
        child.ready(lambda: "word3" in child.stdout, "the first words")
    finally:
        child.stop()


# --- errors and exit codes


def test_unknown_model(longshore):
    said = longshore.run("chat", "no-such-model", "-m", "hi")
    assert said.code == UNKNOWN_MODEL, said
    assert "no-such-model" in said.stderr and MODEL in said.stderr and not said.stdout, said


@pytest.mark.parametrize("arguments", [["--no-such-flag"], ["infer"], ["no-such-command"], ["chat", "--temperature", "hot"], ["load"]])
def test_usage(longshore, arguments):
    said = longshore.run(*arguments)
    assert said.code == USAGE and said.stderr and not said.stdout, said


BROKEN = """servers:
  - name: one
    rest: http://127.0.0.1:1
    prefer: grpc
  - name: one
    rset: http://127.0.0.1:2
inference:
  temperature: very
"""


def test_configuration_errors_are_reported_at_once(longshore):
    file = longshore.config(BROKEN, "broken.yaml")
    for command in (["config", "check"], ["chat", "-m", "hi"], ["models"], ["serve"]):
        said = longshore.run(*command, "--config", file)
        assert said.code == CONFIGURATION, said
        for part in ("rset", "rest", "temperature", "grpc", "broken.yaml:8:"):
            assert part in said.stderr, f"no {part!r} in\n{said}"


def test_missing_configuration_file(longshore):
    said = longshore.run("chat", "-m", "hi", "--config", longshore.home / "nowhere.yaml")
    assert said.code == CONFIGURATION and "nowhere.yaml" in said.stderr, said


HOSTILE = {
    "binary": b"\x00\xff\xfe\x01" * 1000,
    "aliases": b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 21)),
    "10 MB": b"# " + b"x" * (10 << 20),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_configuration_is_refused_quickly(longshore, content):
    file = longshore.home / "hostile.yaml"
    file.write_bytes(content)
    said = longshore.run("config", "check", "--config", file, seconds=10)
    assert said.code == CONFIGURATION and said.seconds < 3 and len(said.stderr) < 20_000, said


def test_no_server_answers(longshore, tmp_path):
    (port,) = free_ports(1)
    file = longshore.config(f"servers:\n  - name: gone\n    rest: http://127.0.0.1:{port}\n    dialect: openai\n", "gone.yaml")
    said = longshore.run("chat", "some-model", "-m", "hi", "--server", "gone", "--config", file)
    assert said.code == NO_SERVER, said
    assert str(port) in said.stderr, said


def test_cut_stream_is_interrupted(with_drip):
    """What arrived is shown; the exit code says that it is not all."""
    said = with_drip.run("chat", "cut", "-m", "go")
    assert said.code == INTERRUPTED and "word2" in said.stdout, said


# --- models, servers, embeddings, completions


def test_models(longshore):
    said = longshore.run("models", "--json")
    assert said.code == 0 and MODEL in [model["id"] for model in said.json()["models"]], said
    assert MODEL in longshore.run("models").stdout


def test_a_dead_server_does_not_blank_the_list(with_drip):
    (port,) = free_ports(1)
    drip = (with_drip.home / "longshore.yaml").read_text()
    file = with_drip.config(f"{drip}  - name: dead\n    rest: http://127.0.0.1:{port}\n    dialect: openai\n", "dead.yaml")
    said = with_drip.run("models", "--json", "--config", file)
    assert said.code == 0, said
    assert {"drip", "endless"} <= {model["id"] for model in said.json()["models"]}, said
    assert "dead" in json.dumps(said.json()["unavailable"]) and str(port) in said.stdout, said
    people = with_drip.run("models", "--config", file)
    assert people.code == 0 and "drip" in people.stdout and "dead" in people.stdout + people.stderr, people


def test_servers(with_drip):
    said = with_drip.run("servers", "--json")
    assert said.code == 0, said
    assert "drip" in json.dumps(said.json()), said
    assert "drip" in with_drip.run("servers").stdout


def test_embed(longshore):
    said = longshore.run("embed", MODEL, "-i", "one text", "-i", "another", "--json")
    assert said.code == 0, said
    vectors = said.json()["embeddings"]
    assert len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) > 1 and vectors[0] != vectors[1], said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completions(longshore, shell):
    said = longshore.run("completions", shell)
    assert said.code == 0 and "longshore" in said.stdout, said
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=said.stdout.encode(), check=True)


def test_help_names_every_command(longshore):
    said = longshore.run("--help")
    assert said.code == 0, said
    for command in ("chat", "infer", "embed", "models", "load", "unload", "pull", "servers", "serve", "config", "completions"):
        assert re.search(rf"^\s+{command}\b", said.stdout, re.M), f"no {command} in\n{said}"


# --- config


def test_config_init_is_valid(longshore, tmp_path):
    home = Longshore(tmp_path)
    made = home.run("config", "init")
    assert made.code == 0, made
    file = home.home / "longshore.yaml"
    assert file.exists() and "#" in file.read_text(), made
    checked = home.run("config", "check")
    assert checked.code == 0, checked
    again = home.run("config", "init")
    assert again.code != 0, f"an existing file was overwritten\n{again}"


def test_config_show(with_drip):
    said = with_drip.run("config", "show", "--origins", env={"LONGSHORE_INFERENCE__TEMPERATURE": "0.25"})
    assert said.code == 0, said
    assert "0.25" in said.stdout and "LONGSHORE_INFERENCE__TEMPERATURE" in said.stdout and "longshore.yaml" in said.stdout, said


def test_config_secrets_do_not_print(longshore):
    secret = "canary-7f3a"
    file = longshore.config("servers:\n  - name: far\n    rest: https://far.example\n    credential: { env: FAR_KEY }\n", "secret.yaml")
    for command in (["config", "show"], ["config", "show", "--origins"], ["config", "show", "--json"], ["config", "check"]):
        said = longshore.run(*command, "--config", file, env={"FAR_KEY": secret})
        assert said.code == 0 and secret not in said.stdout + said.stderr, said


def test_config_schema_and_paths(longshore):
    schema = longshore.run("config", "schema")
    assert schema.code == 0 and "servers" in schema.json()["properties"], schema
    paths = longshore.run("config", "paths")
    assert paths.code == 0 and "longshore.yaml" in paths.stdout, paths


# --- signals


def test_interrupt_cancels_the_answer(with_drip, drip):
    """Ctrl-C: exit code 130, and the server's stream is dropped rather than left running."""
    before = drip.streams_abandoned
    child = with_drip.start("chat", "endless", "-m", "go", name="interrupted")
    child.ready(lambda: "word2" in child.stdout, "the first words")
    child.child.send_signal(signal.SIGINT)
    assert child.wait() == CANCELLED, child.describe()
    deadline = time.monotonic() + 10
    while drip.streams_abandoned == before:
        assert time.monotonic() < deadline, f"the upstream stream still runs\n{child.describe()}"
        time.sleep(0.02)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_serve_drains(tmp_path, drip, sign):
    """A running stream finishes, then the process ends with 0; meanwhile nobody new is let in."""
    home = Longshore(tmp_path)
    home.config(f"servers:\n  - name: drip\n    rest: {drip.url}\n    dialect: openai\n", "longshore.yaml")
    server = home.serve()
    body = {"model": "drip", "stream": True, "messages": [{"role": "user", "content": "go"}]}
    try:
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=20) as reply:
            lines = reply.iter_lines()
            first = next(line for line in lines if "word0" in line)
            server.process.child.send_signal(sign)
            rest = list(lines)
        text = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content") or "" for line in [first, *rest] if line.startswith("data: {"))
        assert text == "".join(WORDS), server.process.describe()
        assert rest[-2:] == ["data: [DONE]", ""], server.process.describe()
        assert server.process.wait() == 0, server.process.describe()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/livez")
    finally:
        server.process.stop()


def test_serve_announces_its_address_as_json(server):
    first = json.loads(server.process.stdout.splitlines()[0])
    assert f"{server.port}" in json.dumps(first)


def test_gateway_drops_the_upstream_when_the_client_goes(tmp_path, drip):
    home = Longshore(tmp_path)
    home.config(f"servers:\n  - name: drip\n    rest: {drip.url}\n    dialect: openai\n", "longshore.yaml")
    server = home.serve()
    before = drip.streams_abandoned
    body = {"model": "endless", "stream": True, "messages": [{"role": "user", "content": "go"}]}
    try:
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=20) as reply:
            next(line for line in reply.iter_lines() if "word0" in line)
        deadline = time.monotonic() + 10
        while drip.streams_abandoned == before:
            assert time.monotonic() < deadline, f"the upstream stream still runs\n{server.process.describe()}"
            time.sleep(0.02)
    finally:
        server.process.stop()
