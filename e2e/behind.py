"""A server that somebody else wrote, behind the command line: configurations that reach it, and what is read of them."""

from __future__ import annotations

import numpy as np

from harness import Longshore, Result, free_ports


class Behind:
    """The command line with one configuration file for each way of reaching the server."""

    def __init__(self, longshore: Longshore, name: str, rest: str, grpc: str):
        (self.closed,) = free_ports(1)
        nobody = f"http://127.0.0.1:{self.closed}"
        self.longshore, self.name = longshore, name
        self.files = {
            "rest": self._file("rest", rest, grpc, "rest"),
            "grpc": self._file("grpc", rest, grpc, "grpc"),
            "rest is closed": self._file("rest-closed", nobody, grpc, "rest"),
            "grpc is closed": self._file("grpc-closed", rest, nobody, "grpc"),
            "with a dead one": self._file("dead", rest, grpc, "rest", f"  - name: dead\n    rest: {nobody}\n"),
        }

    def _file(self, name, rest, grpc, prefer, more=""):
        text = f"servers:\n  - name: {self.name}\n    rest: {rest}\n    grpc: {grpc}\n    prefer: {prefer}\n{more}"
        return self.longshore.config(text, f"{self.name}-{name}.yaml")

    def run(self, how: str, *arguments, **options) -> Result:
        return self.longshore.run(*arguments, "--config", self.files[how], **options)

    def states(self, how: str) -> dict[str, str]:
        """Each model's state, as `models --json` tells it."""
        said = self.run(how, "models", "--json")
        assert said.code == 0, said
        return {model["id"]: model["state"] for model in said.json()["models"] if model.get("server") == self.name}


def outputs_of(said: Result) -> dict:
    """Name → nested values of what `infer --json` printed."""
    assert said.code == 0, said
    return {tensor["name"]: np.array(tensor["data"]).reshape(tensor["shape"]).tolist() for tensor in said.json()["outputs"]}
