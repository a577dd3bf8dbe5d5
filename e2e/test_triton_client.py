"""NVIDIA's `tritonclient` as a client of `longshore serve`: REST, gRPC and their asyncio twins."""

import asyncio
import queue
import re

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.grpc.aio as triton_grpc_aio
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_http_aio
from tritonclient.utils import InferenceServerException

from conftest import MODEL

# A beginning to continue: without `messages`, a text model completes and does not converse.
PROMPT = "Streaming means"
GREEDY = {"max_tokens": 24, "temperature": 0}
SECONDS = 30


@pytest.fixture(scope="module")
def rest(server):
    with triton_http.InferenceServerClient(server.authority, network_timeout=SECONDS) as made:
        yield made


@pytest.fixture(scope="module")
def rpc(server):
    with triton_grpc.InferenceServerClient(server.authority) as made:
        yield made


def rest_input(text=PROMPT, binary=False):
    tensor = triton_http.InferInput("text_input", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode()], dtype=np.object_), binary_data=binary)
    return tensor


def rpc_input(text=PROMPT):
    tensor = triton_grpc.InferInput("text_input", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode()], dtype=np.object_))
    return tensor


def text_of(result) -> str:
    tensor = result.as_numpy("text_output")
    assert tensor is not None and tensor.shape == (1,), f"text_output: {tensor!r}"
    value = tensor[0]
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
def answer(rest):
    """What the built-in model says after PROMPT, whichever way it is asked."""
    text = text_of(rest.infer(MODEL, [rest_input()], parameters=GREEDY))
    assert text
    return text


def test_rest_health_and_metadata(rest):
    assert rest.is_server_live() and rest.is_server_ready() and rest.is_model_ready(MODEL)
    assert not rest.is_model_ready("no-such-model")
    assert rest.get_server_metadata()["name"] and "extensions" in rest.get_server_metadata()
    model = rest.get_model_metadata(MODEL)
    assert model["name"] == MODEL
    assert {"name": "text_input", "datatype": "BYTES", "shape": [1]} in model["inputs"]
    assert {"name": "text_output", "datatype": "BYTES", "shape": [1]} in model["outputs"]


def test_grpc_health_and_metadata(rpc):
    assert rpc.is_server_live() and rpc.is_server_ready() and rpc.is_model_ready(MODEL)
    assert not rpc.is_model_ready("no-such-model")
    assert rpc.get_server_metadata().name
    model = rpc.get_model_metadata(MODEL)
    assert model.name == MODEL
    assert ("text_input", "BYTES", [1]) in [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in model.inputs]
    assert ("text_output", "BYTES", [1]) in [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in model.outputs]


def test_both_name_the_same_server(rest, rpc):
    over_rest, over_grpc = rest.get_server_metadata(), rpc.get_server_metadata()
    assert (over_rest["name"], over_rest["version"]) == (over_grpc.name, over_grpc.version)


def test_repository_index(rest, rpc):
    assert (MODEL, "READY") in [(model["name"], model["state"]) for model in rest.get_model_repository_index()]
    assert (MODEL, "READY") in [(model.name, model.state) for model in rpc.get_model_repository_index().models]


def test_config(rest, rpc):
    over_rest, over_grpc = rest.get_model_config(MODEL), rpc.get_model_config(MODEL).config
    assert over_rest["name"] == over_grpc.name == MODEL
    inputs = {tensor["name"]: tensor["data_type"] for tensor in over_rest["input"]}
    assert inputs["text_input"] == "TYPE_STRING"
    assert "text_input" in [tensor.name for tensor in over_grpc.input]
    assert "text_output" in [tensor.name for tensor in over_grpc.output]


def test_statistics_count_inferences(rest, rpc):
    def counts():
        over_rest = {item["name"]: item for item in rest.get_inference_statistics(MODEL)["model_stats"]}
        over_grpc = {item.name: item for item in rpc.get_inference_statistics(MODEL).model_stats}
        assert int(over_rest[MODEL]["inference_count"]) == over_grpc[MODEL].inference_count
        return over_grpc[MODEL].inference_count

    before = counts()
    rpc.infer(MODEL, [rpc_input()], parameters={"max_tokens": 1})
    assert counts() == before + 1


@pytest.mark.parametrize("binary_input", [False, True], ids=["json-in", "binary-in"])
@pytest.mark.parametrize("binary_output", [False, True], ids=["json-out", "binary-out"])
def test_rest_infer(rest, answer, binary_input, binary_output):
    outputs = [triton_http.InferRequestedOutput("text_output", binary_data=binary_output)]
    result = rest.infer(MODEL, [rest_input(binary=binary_input)], outputs=outputs, request_id="r-1", parameters=GREEDY)
    assert text_of(result) == answer
    response = result.get_response()
    assert response["id"] == "r-1" and response["model_name"] == MODEL
    assert ("data" in result.get_output("text_output")) is not binary_output


def test_rest_infer_without_asking_for_outputs(rest, answer):
    """The client then asks for all of them in binary form."""
    assert text_of(rest.infer(MODEL, [rest_input(binary=True)], parameters=GREEDY)) == answer


def test_grpc_infer(rpc, answer):
    result = rpc.infer(MODEL, [rpc_input()], request_id="g-1", outputs=[triton_grpc.InferRequestedOutput("text_output")], parameters=GREEDY)
    assert text_of(result) == answer
    assert result.get_response().id == "g-1" and result.get_response().model_name == MODEL


def test_parameters_have_an_effect(rpc, rest, answer):
    short = text_of(rpc.infer(MODEL, [rpc_input()], parameters={**GREEDY, "max_tokens": 3}))
    assert answer.startswith(short) and 0 < len(short) < len(answer)
    sampled = {"max_tokens": 30, "temperature": 2, "seed": 11}
    assert text_of(rest.infer(MODEL, [rest_input()], parameters=sampled)) == text_of(rpc.infer(MODEL, [rpc_input()], parameters=sampled))


def test_non_ascii_text(rest, rpc):
    text = "Wie heißt „naïve“? 日本 🚢"
    over_rest = [text_of(rest.infer(MODEL, [rest_input(text, binary)], parameters=GREEDY)) for binary in (False, True)]
    assert over_rest == [text_of(rpc.infer(MODEL, [rpc_input(text)], parameters=GREEDY))] * 2


def bad_inputs(module):
    """Requests that the model's metadata rules out."""
    wrong_name = module.InferInput("no_such_input", [1], "BYTES")
    wrong_name.set_data_from_numpy(np.array([b"x"], dtype=np.object_))
    wrong_type = module.InferInput("text_input", [1], "FP32")
    wrong_type.set_data_from_numpy(np.array([1], dtype=np.float32))
    return {"wrong name": wrong_name, "wrong type": wrong_type}


@pytest.mark.parametrize("case", ["wrong name", "wrong type"])
def test_bad_inputs_name_the_tensor(rest, rpc, case):
    for client, module in ((rest, triton_http), (rpc, triton_grpc)):
        with pytest.raises(InferenceServerException) as caught:
            client.infer(MODEL, [bad_inputs(module)[case]])
        assert re.search("text_input|no_such_input", caught.value.message()), caught.value.message()
    with pytest.raises(InferenceServerException) as caught:
        rpc.infer(MODEL, [bad_inputs(triton_grpc)[case]])
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_unknown_model(rest, rpc):
    asks = [
        lambda: rest.infer("no-such-model", [rest_input()]),
        lambda: rest.get_model_metadata("no-such-model"),
        lambda: rest.get_model_config("no-such-model"),
        lambda: rest.load_model("no-such-model"),
    ]
    for ask in asks:
        with pytest.raises(InferenceServerException, match="no-such-model"):
            ask()
    for ask in (rpc.get_model_metadata, rpc.get_model_config, lambda name: rpc.infer(name, [rpc_input()])):
        with pytest.raises(InferenceServerException, match="no-such-model") as caught:
            ask("no-such-model")
        assert caught.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match="no-such-model"):
        rpc.load_model("no-such-model")


def test_load_and_unload_over_rest(fresh_server):
    with triton_http.InferenceServerClient(fresh_server.authority, network_timeout=SECONDS) as client:
        lifecycle(client, lambda: [(model["name"], model.get("state")) for model in client.get_model_repository_index()], rest_input())


def test_load_and_unload_over_grpc(fresh_server):
    with triton_grpc.InferenceServerClient(fresh_server.authority) as client:
        lifecycle(client, lambda: [(model.name, model.state) for model in client.get_model_repository_index().models], rpc_input())


def lifecycle(client, states, tensor):
    client.load_model(MODEL)  # already loaded, or loaded now: the same outcome
    assert client.is_model_ready(MODEL) and (MODEL, "READY") in states()
    client.unload_model(MODEL)
    assert not client.is_model_ready(MODEL)
    assert MODEL in dict(states()) and dict(states())[MODEL] != "READY"
    client.load_model(MODEL)
    assert client.is_model_ready(MODEL) and (MODEL, "READY") in states()
    assert text_of(client.infer(MODEL, [tensor], parameters=GREEDY))


class Stream:
    """The client's bidirectional stream, its callback turned into a queue."""

    def __init__(self, client):
        self.client, self.replies = client, queue.Queue()
        client.start_stream(lambda result, error: self.replies.put((result, error)))

    def ask(self, request_id, text=PROMPT, model=MODEL, **parameters):
        self.client.async_stream_infer(
            model, [rpc_input(text)], request_id=request_id, enable_empty_final_response=True, parameters={**GREEDY, **parameters}
        )

    def collect(self, *request_ids):
        """Reads until each of `request_ids` had its final response; returns the pieces of each."""
        pieces = {request_id: [] for request_id in request_ids}
        open_ids = set(request_ids)  # an earlier failed request may still send its final response
        while open_ids:
            result, error = self.replies.get(timeout=SECONDS)
            assert error is None, error
            response = result.get_response()
            if response.outputs:
                pieces.setdefault(response.id, []).append(text_of(result))
            if response.parameters["triton_final_response"].bool_param:
                open_ids.discard(response.id)
        return pieces


@pytest.fixture
def stream(server):
    with triton_grpc.InferenceServerClient(server.authority) as client:
        opened = Stream(client)
        yield opened
        client.stop_stream(cancel_requests=True)


def test_grpc_stream(stream, answer):
    stream.ask("s-1")
    pieces = stream.collect("s-1")["s-1"]
    assert len(pieces) > 3 and "".join(pieces) == answer


def test_grpc_stream_serves_many_requests(stream, answer):
    names = [f"s-{number}" for number in range(4)]
    for name in names:
        stream.ask(name)
    assert {name: "".join(pieces) for name, pieces in stream.collect(*names).items()} == dict.fromkeys(names, answer)


def test_grpc_stream_error_is_in_band(stream, answer):
    """The failed request says so; the stream, and the next request on it, live on."""
    stream.ask("bad", model="no-such-model")
    _, error = stream.replies.get(timeout=SECONDS)
    assert error is not None and "no-such-model" in error.message()
    stream.ask("good")
    while True:
        result, error = stream.replies.get(timeout=SECONDS)
        if error is None and result.get_response().id == "good":
            break
    stream.replies.queue.appendleft((result, error))
    assert "".join(stream.collect("good")["good"]) == answer


def test_cancelled_grpc_streams_free_their_slots(server, rpc, answer):
    for _ in range(12):
        with triton_grpc.InferenceServerClient(server.authority) as client:
            dropped = Stream(client)
            dropped.ask("dropped", max_tokens=400, ignore_eos=True)
            dropped.replies.get(timeout=SECONDS)
            client.stop_stream(cancel_requests=True)
    assert text_of(rpc.infer(MODEL, [rpc_input()], parameters=GREEDY, client_timeout=20)) == answer


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_health_service(server, service):
    """`grpc.health.v1.Health/Check`, as probes call it: `{1: service}` in, `{1: SERVING}` out."""
    request = b"\x0a" + bytes([len(service)]) + service.encode() if service else b""
    with grpc.insecure_channel(server.authority) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", lambda raw: raw, lambda raw: raw)
        assert check(request, timeout=SECONDS) == b"\x08\x01"


def test_asyncio_clients(server, answer):
    async def over_rest():
        async with triton_http_aio.InferenceServerClient(server.authority) as client:
            assert await client.is_server_live()
            return text_of(await client.infer(MODEL, [rest_input()], parameters=GREEDY))

    async def over_grpc():
        async with triton_grpc_aio.InferenceServerClient(server.authority) as client:
            assert await client.is_server_live()
            return text_of(await client.infer(MODEL, [rpc_input()], parameters=GREEDY))

    async def both():
        return await asyncio.gather(*(ask() for ask in [over_rest, over_grpc] * 4))

    assert asyncio.run(both()) == [answer] * 8
