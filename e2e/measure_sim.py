"""How fast `longshore sim` answers, beside VidaiMock and a bare hyper server in the same run, and how exactly it keeps
its time.

    cargo build --release && cargo build --release -p longshore-sim --examples
    cargo install vidaimock --root target/vidaimock     # to compare with; without it, only ours is measured
    python3 e2e/measure_sim.py                          # prints a table

Where there is no release build of the binary, the example `serve`, which is the same simulator alone, takes its place.
Needs Linux (/proc), `wrk`, and nothing beyond the standard library. Not a test: the machine's other work is in the
numbers, so the servers take turns, each turn is short, and medians are told. CPU time per request is steadier than
requests per second, and says what a server costs where `wrk` shares its cores.
"""

import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target/release"
LONGSHORE = os.environ.get("LONGSHORE_BIN", RELEASE / "longshore")
VIDAIMOCK = os.environ.get("VIDAIMOCK_BIN") or shutil.which("vidaimock") or ROOT / "target/vidaimock/bin/vidaimock"
EXAMPLES = pathlib.Path(os.environ.get("EXAMPLES", RELEASE / "examples"))
OURS = "longshore sim"
BARE = "bare hyper"
TURNS, SECONDS, CONNECTIONS = 5, 4, 16

REQUEST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"sim","messages":[{"role":"user","content":"hello"}]}'
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def servers():
    """The name of each, and its command for a port."""
    if pathlib.Path(LONGSHORE).exists():
        found = {OURS: lambda port: [str(LONGSHORE), "sim", "--listen", f"127.0.0.1:{port}"]}
    else:
        found = {OURS: lambda port: [str(EXAMPLES / "serve"), f"127.0.0.1:{port}"]}
    if pathlib.Path(VIDAIMOCK).exists():
        arguments = ["--host", "127.0.0.1", "--mode", "benchmark", "--port"]
        found["VidaiMock"] = lambda port: [str(VIDAIMOCK), *arguments, str(port)]
    else:
        print("no VidaiMock: cargo install vidaimock --root target/vidaimock", file=sys.stderr)
    bare = EXAMPLES / "bare-server"
    if bare.exists():
        # What the simulator answers, in bytes.
        found[BARE] = lambda port: [str(bare), f"127.0.0.1:{port}", "363"]
    else:
        print("no bare server: cargo build --release -p longshore-sim --examples", file=sys.stderr)
    return found


def wait_for(port, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.02)
    sys.exit(f"{process.args[0]} does not listen")


def cpu_of(process):
    """Seconds of CPU time that the process has taken."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(port, script, seconds):
    """How many requests were answered, how many a second, and the CPU seconds that `wrk` itself took."""
    before = children_cpu()
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        sys.exit(told)
    requests = int(re.search(r"(\d+) requests in", told)[1])
    return requests, float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1]), children_cpu() - before


def turn(command, script, directory):
    port = free_port()
    output = subprocess.DEVNULL
    process = subprocess.Popen(command(port), cwd=directory, stdout=output, stderr=output)
    try:
        wait_for(port, process)
        load(port, script, 1)
        before = cpu_of(process)
        requests, rate, client = load(port, script, SECONDS)
        server = cpu_of(process) - before
        return rate, 1e6 * server / requests, 1e6 * client / requests, peak_mib(process)
    finally:
        process.terminate()
        process.wait()


def unary():
    turns = {name: [] for name in servers()}
    with tempfile.TemporaryDirectory() as directory:
        script = pathlib.Path(directory) / "request.lua"
        script.write_text(REQUEST)
        for _ in range(TURNS):
            for name, command in servers().items():
                turns[name].append(turn(command, str(script), directory))
    print(f"unary chat, wrk with {CONNECTIONS} connections, median of {TURNS} turns of {SECONDS} s (lowest to highest)")
    medians = {}
    for name, rows in turns.items():
        rates, server, client, peaks = zip(*rows)
        medians[name] = statistics.median(rates), statistics.median(server)
        print(
            f"{name:14} {medians[name][0]:8.0f} requests/s ({min(rates):.0f} to {max(rates):.0f})"
            f"  {medians[name][1]:5.1f} µs CPU/request  (wrk: {statistics.median(client):.1f})"
            f"  peak RSS {max(peaks):.1f} MiB"
        )
    for name in medians.keys() - {OURS}:
        (ours, our_cpu), (theirs, their_cpu) = medians[OURS], medians[name]
        ratios = f"{ours / theirs:.2f} times the requests/s, {our_cpu / their_cpu:.2f} times the CPU time per request"
        print(f"beside {name}: {ratios}")


def streams():
    timing = EXAMPLES / "stream-timing"
    if not timing.exists():
        print("no stream timing: cargo build --release -p longshore-sim --examples", file=sys.stderr)
        return
    for count in (1000, 2000):
        command = [str(timing), str(count), "50", "20"]
        print(subprocess.run(command, capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    if shutil.which("wrk"):
        unary()
    else:
        print("no wrk: apt-get install wrk", file=sys.stderr)
    streams()
