class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("no memory for this model")

    def execute(self, requests):
        return []
