"""y = 2x + 1 and the sum of each row of x: numbers that no echo can produce, so a test knows that the model ran."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Affine(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0])
        outputs = [
            NumpyCodec.encode_output("y", 2 * x + 1),
            NumpyCodec.encode_output("total", x.sum(axis=1, keepdims=True)),
        ]
        return InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs)
