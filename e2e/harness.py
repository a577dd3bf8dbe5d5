"""Processes under test: start them, wait for them, and show what they said when something goes wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"(?:127\.0\.0\.1|localhost):(\d+)")


def longshore_binary() -> str:
    """LONGSHORE_BIN, else the release build, else the debug build."""
    named = os.environ.get("LONGSHORE_BIN")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    found = [Path(named)] if named else [target / kind / "longshore" for kind in ("release", "debug")]
    for path in found:
        if path.is_file():
            return str(path.resolve())
    raise FileNotFoundError(f"no longshore binary at {', '.join(map(str, found))}: `cargo build --release`, or set LONGSHORE_BIN")


def wait_until(condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Polls until `condition` is true and returns its value; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different: for servers that cannot choose one themselves."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Process:
    """A child whose output goes to two files, so that neither a full pipe nor a lost line spoils a test."""

    def __init__(self, name: str, command: list[str], home: Path, stdin=subprocess.DEVNULL, env: dict[str, str] | None = None):
        self.name, self.command = name, command
        home.mkdir(parents=True, exist_ok=True)
        self._files = [home / f"{name}.stdout", home / f"{name}.stderr"]
        with open(self._files[0], "wb") as out, open(self._files[1], "wb") as err:
            self.child = subprocess.Popen(command, cwd=home, env=env, stdin=stdin, stdout=out, stderr=err)

    @property
    def stdout(self) -> str:
        return self._files[0].read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._files[1].read_text(errors="replace")

    def describe(self, tail: int = 6000) -> str:
        code = self.child.poll()
        state = "running" if code is None else f"exit {code}"
        return f"$ {' '.join(self.command)}  [{state}]\n--- stdout\n{self.stdout[-tail:]}\n--- stderr\n{self.stderr[-tail:]}"

    def ready(self, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """Like `wait_until`, but an early exit fails at once and a failure shows the output."""

        def alive_and_true():
            if self.child.poll() is not None:
                raise RuntimeError(f"{self.name} ended before {what}\n{self.describe()}")
            return condition()

        try:
            return wait_until(alive_and_true, what, seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.describe()}") from None

    def wait(self, seconds: float = 20) -> int:
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} did not end within {seconds} s\n{self.describe()}") from None

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Result(str):
    """What one command said. It is the text of the whole story, which `assert result.code == 0, result` shows uncut."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    def __new__(cls, command: list[str], code: int, stdout: str, stderr: str, seconds: float):
        text = (
            f"\n$ {' '.join(command)}  [exit {code}, {seconds:.2f} s]"
            f"\n--- stdout\n{stdout[-4000:]}\n--- stderr\n{stderr[-4000:]}\n---"
        )
        made = super().__new__(cls, text)
        made.code, made.stdout, made.stderr, made.seconds = code, stdout, stderr, seconds
        return made

    def json(self) -> Any:
        try:
            return json.loads(self.stdout)
        except json.JSONDecodeError as error:
            raise AssertionError(f"standard output is not one JSON document: {error}\n{self}") from None


class Longshore:
    """The binary in a home folder of its own: no configuration, no environment of the machine leaks in."""

    def __init__(self, home: Path):
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.binary = longshore_binary()

    def environment(self, extra: dict[str, str] | None = None) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LANG") if key in os.environ}
        return {**kept, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config"), "NO_COLOR": "1", **(extra or {})}

    def config(self, text: str, name: str = "test.yaml") -> Path:
        path = self.home / name
        path.write_text(text)
        return path

    def run(self, *arguments: Any, stdin: str | None = None, env: dict[str, str] | None = None, seconds: float = 30) -> Result:
        command = [self.binary, *map(str, arguments)]
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin.encode()}
        started = time.monotonic()
        try:
            done = subprocess.run(command, cwd=self.home, env=self.environment(env), capture_output=True, timeout=seconds, **source)
        except subprocess.TimeoutExpired as late:
            texts = [(part or b"").decode(errors="replace") for part in (late.stdout, late.stderr)]
            raise TimeoutError(str(Result(command, -1, *texts, time.monotonic() - started))) from None
        return Result(command, done.returncode, done.stdout.decode(), done.stderr.decode(), time.monotonic() - started)

    def start(self, *arguments: Any, name: str = "longshore", env: dict[str, str] | None = None) -> Process:
        return Process(name, [self.binary, *map(str, arguments)], self.home, env=self.environment(env))

    def serve(self, *arguments: Any, env: dict[str, str] | None = None) -> "Server":
        return Server(self.start("serve", "--listen", "127.0.0.1:0", *arguments, name="longshore-serve", env=env))


class Server:
    """A running `longshore serve`, its port read from what it printed."""

    def __init__(self, process: Process):
        self.process = process
        found = process.ready(lambda: ADDRESS.search(process.stdout) or ADDRESS.search(process.stderr), "its address")
        self.port = int(found.group(1))
        self.authority = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.authority}"
        process.ready(self._accepts, f"a listener on {self.authority}")

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


# What a simulator has unless a test says otherwise.
TOKENS = 4
MODEL = f"models: [{{ id: m, tokens: {TOKENS} }}]\n"


class Sim:
    """A running simulator. It is not probed: a connection more would shift the faults of connections."""

    def __init__(self, home, config: str = MODEL, *arguments: str):
        self.longshore = Longshore(home)
        file = self.longshore.config(config, "sim.yaml")
        command = ["sim", "--listen", "127.0.0.1:0", "--json", "--config", file, *arguments]
        self.process = self.longshore.start(*command, name="longshore-sim")
        first = self.process.ready(lambda: self.lines()[:1], "its address")[0]
        self.url, self.token = first["listening"], first.get("token", "")
        self.port = int(self.url.rsplit(":", 1)[1])
        self.authority = f"127.0.0.1:{self.port}"

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.process.stdout.splitlines(keepends=True) if line.endswith("\n")]

    def log(self, count: int) -> list[dict]:
        """The log once it has so many requests, by operation, model and index."""
        entries = self.process.ready(lambda: (found := self.lines()[1:])[count - 1 :] and found, f"{count} log entries")
        return sorted(entries, key=lambda entry: (entry["op"], entry["model"], entry["index"], entry["route"]))

    def openai(self):
        """`openai`'s client without retries: a hidden second attempt would hide a fault."""
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=10)

    def http(self):
        import httpx

        return httpx.Client(base_url=self.url, timeout=10)
