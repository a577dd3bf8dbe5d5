"""How fast `longshore serve` listens, and how much memory it needs when idle: prints one JSON object.

    LONGSHORE_BIN=target/release/longshore python3 e2e/measure_serve.py

Needs Linux (/proc) and nothing beyond the standard library. Not a test: the machine's other work is in the numbers, so
each is taken several times and the median is told beside the worst.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = str(pathlib.Path(os.environ.get("LONGSHORE_BIN", ROOT / "target/release/longshore")).resolve())
STARTS = 15


def start(home):
    """A server of its own home, the seconds until it said that it listens, and its address."""
    environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
    begun = time.monotonic()
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", "--json"]
    process = subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    address = json.loads(process.stdout.readline())["listening"]
    return process, time.monotonic() - begun, address


def resident_mib(process):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)


def wait_for_model(address):
    """The built-in model loads in the background."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urllib.request.urlopen(address + "/api/models") as reply:
            if all(model["state"] == "ready" for model in json.load(reply)["models"]):
                return
    sys.exit("the model was not ready after 30 s")


def chat(address):
    body = {"model": "built-in", "messages": [{"role": "user", "content": "What is streaming?"}]}
    request = urllib.request.Request(
        address + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        reply.read()


def main():
    listening, idle, busy = [], [], []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(STARTS):
            process, seconds, address = start(home)
            try:
                listening.append(round(seconds * 1000, 1))
                wait_for_model(address)
                idle.append(resident_mib(process))
                for _ in range(20):
                    chat(address)
                busy.append(resident_mib(process))
            finally:
                process.terminate()
                process.wait()
    told = {"listening_ms": listening, "idle_rss_mib": idle, "rss_after_20_chats_mib": busy}
    print(json.dumps({name: {"median": statistics.median(values), "worst": max(values)} for name, values in told.items()}))


main()
