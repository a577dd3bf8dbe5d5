"""A real `tritonserver`, out of the `nvidia-pytriton` package: fetched once, unpacked, and run on the CPU.

Nothing of the package is imported; its Python side has dependencies that clash with ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = "nvidia-pytriton==0.7.0"
# Its stub was built against the first numpy's layout of arrays, and misreads the second's as empty.
NUMPY = "numpy==1.26.4"
KEPT = Path(__file__).parent / ".venv" / "triton"


class Unavailable(Exception):
    """There is no such package for this machine."""


def unpacked() -> Path:
    """The folder of the package, fetched if it is not there yet."""
    done = KEPT / "done"
    if not done.is_file():
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        _run(sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", str(KEPT), PACKAGE)
        _run(sys.executable, "-m", "venv", str(KEPT / "python"))
        _run(str(KEPT / "python" / "bin" / "python"), "-m", "pip", "--quiet", "install", "--no-deps", NUMPY)
        (wheel,) = KEPT.glob("*.whl")
        with zipfile.ZipFile(wheel) as package:
            package.extractall(KEPT)
        wheel.unlink()
        done.touch()
    return KEPT


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Unavailable(done.stderr.strip().splitlines()[-1])


def command(models: Path, work: Path, http: int, grpc: int) -> tuple[list[str], dict[str, str]]:
    """The command line of a server of these models, and its environment. `work` is a folder of its own."""
    server = unpacked() / "pytriton" / "tritonserver"
    # The backend wants the stub of this very Python beside it.
    backend = work / "backends" / "python"
    shutil.copytree(server / "backends" / "python", backend)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = Path(shutil.copy(server / "python_backend_stubs" / python / "triton_python_backend_stub", backend))
    program = server / "bin" / "tritonserver"
    for file in (stub, program):
        file.chmod(0o755)
    arguments = {
        "model-repository": models,
        "backend-directory": backend.parent,
        "model-control-mode": "explicit",
        "http-address": "127.0.0.1",
        "http-port": http,
        "grpc-address": "127.0.0.1",
        "grpc-port": grpc,
        "allow-metrics": "false",
    }
    # Its libraries are for it alone; of Python it takes the first on the path, and nothing else from the environment.
    environment = dict(os.environ)
    environment["LD_LIBRARY_PATH"] = str(unpacked() / "nvidia_pytriton.libs")
    environment["PATH"] = f"{unpacked() / 'python' / 'bin'}{os.pathsep}{environment['PATH']}"
    return [str(program), *(f"--{name}={value}" for name, value in arguments.items())], environment
