"""Servers shared by the tests. Each is started once; a failed test shows the output of those it used."""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from drip import Drip
from harness import MODEL as SIM_MODEL
from harness import Longshore, Process, Server, Sim, free_ports, longshore_binary

MODEL = "built-in"
MLSERVER_MODELS = Path(__file__).parent / "mlserver_models"


def pytest_collection_finish(session):
    """One clear message in place of a hundred identical errors."""
    if session.items and not session.config.option.collectonly:
        try:
            longshore_binary()
        except FileNotFoundError as missing:
            pytest.exit(str(missing), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.fixture(scope="session")
def longshore(tmp_path_factory) -> Longshore:
    """The command line in a clean home, without any server configured."""
    return Longshore(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One `longshore serve` with the built-in model. Tests that load or unload take `fresh_server`."""
    running = Longshore(tmp_path_factory.mktemp("serve")).serve("--json")
    _wait_for_model(running)
    yield running
    running.process.stop()


@pytest.fixture
def fresh_server(tmp_path):
    running = Longshore(tmp_path / "serve").serve()
    _wait_for_model(running)
    yield running
    running.process.stop()


def _wait_for_model(server: Server) -> None:
    """The port is open before the built-in model is loaded."""
    server.process.ready(lambda: answers(f"{server.url}/v2/models/{MODEL}/ready"), f"{MODEL} being ready")


@pytest.fixture(scope="session")
def client(server: Server):
    """`openai`'s client without retries: a hidden second attempt would hide a fault."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=30) as made:
        yield made


@pytest.fixture(scope="session")
def drip():
    running = Drip()
    yield running
    running.shutdown()


@pytest.fixture
def sim(tmp_path):
    """Starts simulators, and stops them; a failed test shows what they said."""
    running: list[Sim] = []

    def start(config: str = SIM_MODEL, *arguments: str) -> Sim:
        running.append(Sim(tmp_path / f"sim{len(running)}", config, *arguments))
        return running[-1]

    yield start
    for one in running:
        one.process.stop()


@dataclass
class MLServer:
    process: Process
    rest: str
    grpc: str


@pytest.fixture(scope="session")
def mlserver(tmp_path_factory):
    """MLServer with the models of `mlserver_models`, on free ports."""
    folder = tmp_path_factory.mktemp("mlserver") / "models"
    shutil.copytree(MLSERVER_MODELS, folder)
    http, grpc, metrics = free_ports(3)
    # With parallel workers and gzip, its defaults, it does not answer dependably on small machines.
    settings = {"host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics}
    settings |= {"parallel_workers": 0, "gzip_enabled": False, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    program = Path(sys.executable).parent / "mlserver"
    process = Process("mlserver", [str(program), "start", "."], folder, env=dict(os.environ))
    url = f"http://127.0.0.1:{http}"
    try:
        process.ready(lambda: answers(f"{url}/v2/health/ready"), "readiness", 60)
        yield MLServer(process, url, f"http://127.0.0.1:{grpc}")
    finally:
        process.stop()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            process = value if isinstance(value, Process) else getattr(value, "process", None)
            if isinstance(process, Process):
                report.sections.append((name, process.describe(1200)))
