"""PyPI's `openai` as a client of `longshore serve`."""

import asyncio
import time

import openai
import pytest

from conftest import MODEL

QUESTION = [{"role": "user", "content": "What is streaming?"}]
GREEDY = {"model": MODEL, "messages": QUESTION, "temperature": 0}


def text_of(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@pytest.fixture(scope="module")
def answer(client):
    """The whole answer to QUESTION, the same every time since it is greedy."""
    return client.chat.completions.create(**GREEDY)


def test_models_are_listed(client):
    models = {model.id: model for model in client.models.list()}
    assert MODEL in models
    assert models[MODEL].object == "model"


def test_chat(answer):
    choice = answer.choices[0]
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert choice.message.role == "assistant"
    assert "stream" in choice.message.content.lower()
    assert choice.finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_streams_the_same_text(client, answer):
    chunks = list(client.chat.completions.create(**GREEDY, stream=True))
    assert text_of(chunks) == answer.choices[0].message.content
    assert all(chunk.choices for chunk in chunks), "a chunk without choices, though no usage was asked for"
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) > 3, "the answer came in one piece"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk.model for chunk in chunks} == {MODEL}


def test_chat_stream_with_usage(client, answer):
    chunks = list(client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    *content, last = chunks
    assert last.choices == []
    assert last.usage.model_dump(exclude_none=True) == answer.usage.model_dump(exclude_none=True)
    assert all(chunk.choices for chunk in content)
    assert content[-1].choices[0].finish_reason == "stop"


def test_stream_helper_accepts_the_stream(client, answer):
    """The SDK's own accumulator is stricter than iteration: it checks the order and the fields of chunks."""
    with client.chat.completions.stream(**GREEDY) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == answer.choices[0].message.content


def test_system_prompt_and_history(client):
    messages = [
        {"role": "system", "content": "Answer in short."},
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": [{"type": "text", "text": "What is streaming?"}]},
    ]
    reply = client.chat.completions.create(model=MODEL, messages=messages, temperature=0)
    assert reply.choices[0].message.content


def test_seed_repeats_and_samples(client):
    def ask(seed):
        call = {"model": MODEL, "messages": [{"role": "user", "content": "Tell me a story."}], "temperature": 1.5, "max_tokens": 40}
        return client.chat.completions.create(**call, seed=seed).choices[0].message.content

    assert ask(7) == ask(7)
    assert len({ask(seed) for seed in range(5)}) > 1, "the temperature has no effect"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_token_limit(client, field):
    reply = client.chat.completions.create(**GREEDY, **{field: 3})
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 3
    chunks = list(client.chat.completions.create(**GREEDY, **{field: 3}, stream=True))
    assert chunks[-1].choices[0].finish_reason == "length"
    assert text_of(chunks) == reply.choices[0].message.content


def test_stop_string(client, answer):
    whole = answer.choices[0].message.content
    stop = whole.split()[3]
    for streamed in (False, True):
        reply = client.chat.completions.create(**GREEDY, stop=[stop], stream=streamed)
        text = text_of(reply) if streamed else reply.choices[0].message.content
        assert text == whole[: whole.index(stop)]


def test_completions(client):
    call = {"model": MODEL, "prompt": "Streaming means", "max_tokens": 12, "temperature": 0}
    reply = client.completions.create(**call)
    assert reply.object == "text_completion"
    assert reply.choices[0].text
    assert reply.usage.completion_tokens <= 12
    chunks = list(client.completions.create(**call, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == reply.choices[0].text
    assert chunks[-1].choices[0].finish_reason == reply.choices[0].finish_reason


def test_embeddings(client):
    """The SDK asks for base64 unless told otherwise; both encodings must give the same vectors."""
    inputs = ["a server that streams", "bread and butter", "a server that streams"]
    packed = client.embeddings.create(model=MODEL, input=inputs)
    plain = client.embeddings.create(model=MODEL, input=inputs, encoding_format="float")
    assert [item.index for item in packed.data] == [0, 1, 2]
    assert [item.embedding for item in packed.data] == [pytest.approx(item.embedding, abs=1e-6) for item in plain.data]
    first, second, third = (item.embedding for item in packed.data)
    assert first == pytest.approx(third, abs=1e-6)
    assert first != pytest.approx(second, abs=1e-3)
    assert len({len(item.embedding) for item in packed.data}) == 1 and len(first) > 1
    assert packed.usage.prompt_tokens > 0
    one = client.embeddings.create(model=MODEL, input=inputs[0])
    assert one.data[0].embedding == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.chat.completions.create(model="no-such-model", messages=QUESTION),
        lambda client: client.chat.completions.create(model="no-such-model", messages=QUESTION, stream=True),
        lambda client: client.completions.create(model="no-such-model", prompt="x"),
        lambda client: client.embeddings.create(model="no-such-model", input="x"),
    ],
    ids=["chat", "chat-stream", "completion", "embedding"],
)
def test_unknown_model_names_those_that_exist(client, ask):
    with pytest.raises(openai.NotFoundError) as caught:
        ask(client)
    assert "no-such-model" in str(caught.value) and MODEL in str(caught.value)


BAD = {
    "no messages": ("/chat/completions", {"model": MODEL}),
    "messages is text": ("/chat/completions", {"model": MODEL, "messages": "hi"}),
    "message without role": ("/chat/completions", {"model": MODEL, "messages": [{"content": "hi"}]}),
    "temperature is text": ("/chat/completions", {**GREEDY, "temperature": "hot"}),
    "negative max_tokens": ("/chat/completions", {**GREEDY, "max_tokens": -3}),
    "no prompt": ("/completions", {"model": MODEL}),
    "no input": ("/embeddings", {"model": MODEL}),
}


@pytest.mark.parametrize("path, body", BAD.values(), ids=BAD.keys())
def test_bad_request(client, path, body):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post(path, body=body, cast_to=object)
    assert caught.value.body["message"], caught.value.body


def test_tool_fields_pass_without_error(client):
    tool = {"type": "function", "function": {"name": "clock", "description": "tells the time", "parameters": {"type": "object", "properties": {}}}}
    call = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "noon"},
        {"role": "user", "content": "Thanks. What is streaming?"},
    ]
    extra = {"x_unknown": {"deep": [1, 2]}, "chat_template_kwargs": {"enable_thinking": False}}
    reply = client.chat.completions.create(
        model=MODEL, messages=messages, tools=[tool], tool_choice="auto", parallel_tool_calls=False, max_tokens=20, extra_body=extra
    )
    assert reply.choices[0].message.content


def test_five_rounds_of_ten_at_once(server, answer):
    """Half of them streamed: nobody gets another's text, nobody is turned away."""
    expected = answer.choices[0].message.content

    async def one(client, streamed):
        if not streamed:
            return (await client.chat.completions.create(**GREEDY)).choices[0].message.content
        return text_of([chunk async for chunk in await client.chat.completions.create(**GREEDY, stream=True)])

    async def rounds():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=50) as client:
            for _ in range(5):
                texts = await asyncio.gather(*(one(client, number % 2 == 0) for number in range(10)))
                assert texts == [expected] * 10

    asyncio.run(rounds())


def test_abandoned_streams_free_their_slots(client, answer):
    """Twelve streams dropped after two chunks: an ordinary question afterwards is answered as promptly as ever."""
    for _ in range(12):
        stream = client.chat.completions.create(
            model=MODEL, messages=QUESTION, stream=True, max_tokens=400, extra_body={"ignore_eos": True}
        )
        next(stream), next(stream)
        stream.close()
    started = time.monotonic()
    assert client.chat.completions.create(**GREEDY).choices[0].message.content == answer.choices[0].message.content
    assert time.monotonic() - started < 20
