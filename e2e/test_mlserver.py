"""MLServer as a server behind the command line: list, load, unload, infer, and failover between its two protocols."""

import json

import numpy as np
import pytest

from behind import Behind, outputs_of
from harness import Longshore

X = [[1, 2], [3, 4]]
Y = [[3, 5], [7, 9]]
TOTAL = [[3], [7]]


@pytest.fixture(scope="module")
def cli(tmp_path_factory, mlserver) -> Behind:
    return Behind(Longshore(tmp_path_factory.mktemp("ml-home")), "ml", mlserver.rest, mlserver.grpc)


@pytest.fixture(autouse=True)
def show_mlserver_on_failure(mlserver):
    """Named by every test here, so that its output is part of a failure's report."""


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_models(cli, how):
    assert cli.states(how) == {"affine": "ready", "words": "ready"}


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_unload_and_load(cli, how):
    try:
        unloaded = cli.run(how, "unload", "words")
        assert unloaded.code == 0, unloaded
        assert cli.states(how)["words"] == "unloaded"
    finally:
        loaded = cli.run(how, "load", "words")
    assert loaded.code == 0, loaded
    assert cli.states(how)["words"] == "ready"


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_infer(cli, how):
    said = cli.run(how, "infer", "affine", "-i", f"x={json.dumps(X)}", "--json")
    assert outputs_of(said) == {"y": Y, "total": TOTAL}, said
    reply = said.json()
    assert (reply["model"], reply["server"], reply["protocol"]) == ("affine", "ml", how), said
    assert [attempt["outcome"] for attempt in reply["attempts"]] == ["committed"], said


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_infer_with_npy_files(cli, how):
    home = cli.longshore.home
    x = np.random.default_rng(3).normal(size=(64, 2)).astype(np.float32)
    np.save(home / "x.npy", x)
    (home / "y.npy").unlink(missing_ok=True)
    said = cli.run(how, "infer", "affine", "-i", "x=@x.npy", "-o", "y=@y.npy")
    assert said.code == 0, said
    y = np.load(home / "y.npy")
    assert y.dtype == np.float32 and y.shape == x.shape, said
    np.testing.assert_array_equal(y, 2 * x + 1)


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_infer_text(cli, how):
    said = cli.run(how, "infer", "words", "-i", 'text_input=["one two drei é"]', "--json")
    assert outputs_of(said) == {"text_output": [["é drei two one"]]}, said


@pytest.mark.parametrize("how", ["rest", "grpc"])
def test_errors(cli, how):
    unknown = cli.run(how, "infer", "no-such-model", "-i", "x=[1]")
    assert unknown.code == 5 and "no-such-model" in unknown.stderr and "affine" in unknown.stderr, unknown
    malformed = cli.run(how, "infer", "affine", "-i", "x=[1, ")
    assert malformed.code == 2 and "x" in malformed.stderr, malformed


@pytest.mark.parametrize("closed, open_", [("rest", "grpc"), ("grpc", "rest")])
def test_failover_to_the_other_protocol(cli, closed, open_):
    """The preferred protocol's port is closed: the answer comes by the other, and the ledger says so."""
    said = cli.run(f"{closed} is closed", "infer", "affine", "-i", f"x={json.dumps(X)}", "--json")
    assert outputs_of(said)["y"] == Y, said
    reply = said.json()
    assert reply["protocol"] == open_ and reply["server"] == "ml", said
    failed, answered = reply["attempts"]
    assert (failed["protocol"], failed["outcome"], failed["sent"]) == (closed, "connect", "no"), said
    assert str(cli.closed) in failed["endpoint"] and failed["error"], said
    assert (answered["protocol"], answered["outcome"]) == (open_, "committed"), said


@pytest.mark.parametrize("how", ["rest is closed", "grpc is closed"])
def test_listing_and_lifecycle_fail_over_too(cli, how):
    assert cli.states(how) == {"affine": "ready", "words": "ready"}
    for command in ("unload", "load"):
        said = cli.run(how, command, "words")
        assert said.code == 0, said
    assert cli.states(how)["words"] == "ready"


def test_a_dead_server_stands_beside(cli):
    said = cli.run("with a dead one", "models", "--json")
    assert said.code == 0, said
    assert {"affine", "words"} <= {model["id"] for model in said.json()["models"]}, said
    assert "dead" in json.dumps(said.json()["unavailable"]) and str(cli.closed) in said.stdout, said
    assert outputs_of(cli.run("with a dead one", "infer", "affine", "-i", f"x={json.dumps(X)}", "--json"))["y"] == Y


def test_servers_shows_each_protocol(cli):
    said = cli.run("grpc is closed", "servers", "--json")
    text = json.dumps(said.json())
    assert said.code == 0 and "ml" in text and str(cli.closed) in text and '"rest"' in text and '"grpc"' in text, said


def test_gateway_in_front_of_mlserver(cli, mlserver):
    """`tritonclient` → longshore → MLServer, over REST and gRPC on longshore's one port."""
    import tritonclient.grpc as triton_grpc
    import tritonclient.http as triton_http

    server = cli.longshore.serve("--config", cli.files["rest"])
    try:
        for module in (triton_http, triton_grpc):
            tensor = module.InferInput("x", [2, 2], "FP32")
            tensor.set_data_from_numpy(np.array(X, dtype=np.float32))
            with module.InferenceServerClient(server.authority) as client:
                result = client.infer("affine", [tensor])
                assert result.as_numpy("y").tolist() == Y and result.as_numpy("total").tolist() == TOTAL
    finally:
        server.process.stop()
