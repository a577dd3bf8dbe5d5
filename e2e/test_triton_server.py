"""A real `tritonserver` behind the command line and the gateway: what it does otherwise than others."""

import json
import platform
import shutil
import sys
import urllib.request

import numpy as np
import pytest

import triton
from behind import Behind, outputs_of
from conftest import answers
from harness import ROOT, Longshore, Process, free_ports, wait_until

BOTH = pytest.mark.parametrize("how", ["rest", "grpc"])
ADDSUB = ["infer", "addsub", "-i", "INPUT0=[1, 2]", "-i", "INPUT1=[10, 20]", "--json"]
# What the package is built for; there it must start, elsewhere there is nothing to test.
MADE_FOR = sys.platform == "linux" and platform.machine() == "x86_64"


@pytest.fixture(scope="module")
def tritonserver(tmp_path_factory):
    if not MADE_FOR:
        pytest.skip(f"{triton.PACKAGE} is built for Linux on x86-64")
    folder = tmp_path_factory.mktemp("triton")
    models = folder / "models"
    shutil.copytree(ROOT / "e2e" / "triton_models", models)
    http, grpc = free_ports(2)
    try:
        command, environment = triton.command(models, folder, http, grpc)
    except triton.Unavailable as reason:
        pytest.skip(f"{triton.PACKAGE} cannot be installed here: {reason}")
    process = Process("tritonserver", command, folder, env=environment)
    process.rest, process.grpc = f"http://127.0.0.1:{http}", f"http://127.0.0.1:{grpc}"
    try:
        process.ready(lambda: answers(f"{process.rest}/v2/health/live"), "being alive", 50)
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def cli(tmp_path_factory, tritonserver) -> Behind:
    made = Behind(Longshore(tmp_path_factory.mktemp("triton-home")), "triton", tritonserver.rest, tritonserver.grpc)
    for model in ("addsub", "echo"):
        loaded = made.run("rest", "load", model)
        assert loaded.code == 0, loaded
    return made


@pytest.fixture(autouse=True)
def show_tritonserver_on_failure(tritonserver):
    """Named by every test here, so that its output is part of a failure's report."""


@BOTH
def test_unloaded_models_have_a_state_too(cli, how):
    """Triton's index gives them none."""
    states = cli.states(how)
    assert (states["addsub"], states["echo"]) == ("ready", "ready") and states["broken"] != "ready", states


@BOTH
def test_unload_and_load(cli, how):
    try:
        unloaded = cli.run(how, "unload", "addsub")
        assert unloaded.code == 0, unloaded
        # It answers at once and unloads behind its answer.
        wait_until(lambda: cli.states(how)["addsub"] == "unloaded", "the model being unloaded")
    finally:
        loaded = cli.run(how, "load", "addsub")
    assert loaded.code == 0, loaded
    assert cli.states(how)["addsub"] == "ready"


@BOTH
def test_infer(cli, how):
    said = cli.run(how, *ADDSUB)
    assert outputs_of(said) == {"OUTPUT0": [11, 22], "OUTPUT1": [-9, -18]}, said
    assert said.json()["protocol"] == how, said


@BOTH
def test_a_decoupled_model_answers_several_times(cli, how):
    """Unary calls are refused by Triton; the client streams of itself."""
    said = cli.run(how, "chat", "echo", "-m", "one two three", "--json")
    assert said.code == 0 and said.json()["text"].split()[-3:] == ["one", "two", "three"], said


@BOTH
def test_a_failed_load_says_why_and_spoils_nothing(cli, how, tritonserver):
    """After it the whole server calls itself not ready; its other models answer all the same."""
    failed = cli.run(how, "load", "broken")
    assert failed.code != 0 and "no memory for this model" in failed.stderr, failed
    assert not answers(f"{tritonserver.rest}/v2/health/ready")
    said = cli.run(how, *ADDSUB)
    assert outputs_of(said)["OUTPUT0"] == [11, 22], said


@BOTH
def test_errors(cli, how):
    unknown = cli.run(how, "infer", "no-such-model", "-i", "x=[1]")
    assert unknown.code == 5 and "addsub" in unknown.stderr, unknown
    wrong = cli.run(how, "infer", "addsub", "-i", "INPUT0=[1, 2]", "-i", "INPUT1=[1, 2]", "-o", "OUTPUT7")
    assert wrong.code != 0 and "OUTPUT7" in wrong.stderr, wrong


@pytest.mark.parametrize("closed, open_", [("rest", "grpc"), ("grpc", "rest")])
def test_failover_to_the_other_protocol(cli, closed, open_):
    said = cli.run(f"{closed} is closed", *ADDSUB)
    assert outputs_of(said)["OUTPUT0"] == [11, 22] and said.json()["protocol"] == open_, said


@BOTH
def test_gateway_in_front_of_triton(cli, how):
    """`tritonclient` → longshore → Triton: tensors, and the streams of a decoupled model."""
    import tritonclient.grpc as triton_grpc
    import tritonclient.http as triton_http

    server = cli.longshore.serve("--config", cli.files[how])
    try:
        for module in (triton_http, triton_grpc):
            inputs = [module.InferInput(name, [2], "FP32") for name in ("INPUT0", "INPUT1")]
            inputs[0].set_data_from_numpy(np.array([1, 2], dtype=np.float32))
            inputs[1].set_data_from_numpy(np.array([10, 20], dtype=np.float32))
            with module.InferenceServerClient(server.authority) as client:
                assert client.infer("addsub", inputs).as_numpy("OUTPUT1").tolist() == [-9, -18]
        request = urllib.request.Request(
            f"{server.url}/v2/models/echo/generate_stream",
            json.dumps({"text_input": "one two three"}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            lines = [line for line in response.read().decode().splitlines() if line.startswith("data: ")]
        pieces = [json.loads(line.removeprefix("data: ")).get("text_output", "") for line in lines]
        assert "".join(pieces).split() == ["one", "two", "three"], lines
    finally:
        server.process.stop()
