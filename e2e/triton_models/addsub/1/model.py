import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        def answer(request):
            a, b = (pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("INPUT0", "INPUT1"))
            return pb.InferenceResponse([pb.Tensor("OUTPUT0", a + b), pb.Tensor("OUTPUT1", a - b)])

        return [answer(request) for request in requests]
