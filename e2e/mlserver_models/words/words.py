"""Answers a text with its words in reverse order: whole when asked once, one word per response on a stream."""

import asyncio
from typing import AsyncIterator

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Words(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        return self._answer(payload, " ".join(self._words(payload)))

    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncIterator[InferenceResponse]:
        async for payload in payloads:
            for index, word in enumerate(self._words(payload)):
                await asyncio.sleep(0.02)
                yield self._answer(payload, word if index == 0 else " " + word)

    def _words(self, payload: InferenceRequest) -> list[str]:
        return StringCodec.decode_input(payload.inputs[0])[0].split()[::-1]

    def _answer(self, payload: InferenceRequest, text: str) -> InferenceResponse:
        output = StringCodec.encode_output("text_output", [text])
        return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=[output])
