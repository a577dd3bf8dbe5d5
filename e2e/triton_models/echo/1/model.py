import numpy
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            text = pb.get_input_tensor_by_name(request, "text_input").as_numpy().reshape(-1)[0].decode()
            sender = request.get_response_sender()
            for word in text.split():
                piece = numpy.array([f"{word} ".encode()], dtype=object)
                sender.send(pb.InferenceResponse([pb.Tensor("text_output", piece)]))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
