"""How exactly `longshore bench` measures, beside other tools, against `longshore sim`, whose timings are known.

    cargo build --release && cargo build --release -p longshore-bench --example raw-hyper
    python3 e2e/measure_accuracy.py                            # Longshore, and hyper alone: four minutes
    python3 e2e/measure_accuracy.py --tools longshore,hyper,wrk,oha,aiperf,guidellm --cases "20 ms"

Prints tables in Markdown, a row for each tool and case: measured minus true, in milliseconds; processor seconds for 1,000
requests; the most memory of all of a tool's processes. `cargo xtask perf accuracy` and `cargo xtask perf others` write them
into docs/performance/accuracy.md. A tool that is not installed is named and left out:

    apt-get install wrk                     # closed loops of whole answers, no time to first token
    cargo install oha --locked              # the same, and rates
    python3 -m venv target/tools && target/tools/bin/pip install aiperf==0.13.0
    python3 -m venv target/tools-guidellm && target/tools-guidellm/bin/pip install guidellm==0.8.1

aiperf and GuideLLM want a tokenizer on disk; a small one of words is written for them, as the simulator's tokens are words.
Needs Linux (/proc) and nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LONGSHORE = os.environ.get("LONGSHORE_BIN") or str(ROOT / "target/release/longshore")
HYPER = os.environ.get("RAW_HYPER_BIN") or str(ROOT / "target/release/examples/raw-hyper")
AIPERF = os.environ.get("AIPERF_BIN") or shutil.which("aiperf") or str(ROOT / "target/tools/bin/aiperf")
GUIDELLM = os.environ.get("GUIDELLM_BIN") or shutil.which("guidellm") or str(ROOT / "target/tools-guidellm/bin/guidellm")
HOME = pathlib.Path(tempfile.mkdtemp(prefix="accuracy-"))
PROMPT = "What is streaming?"
PATIENCE = 180


class Case:
    """What the simulator does, what is sent, and the truth of it in milliseconds: of means, and of p99 where it is another."""

    def __init__(self, name, sim, load, requests, ttft=None, itl=None, e2e=None, tokens=50, p99=None, rate=None):
        self.name, self.sim, self.load, self.requests, self.tokens, self.rate = name, sim, load, requests, tokens, rate
        self.truth = {"ttft": ttft, "itl": itl, "e2e": e2e}
        self.p99 = p99 or self.truth


def cases():
    """The issue's: two paces and a whole answer at three loads, three shapes that mislead, and a freeze."""
    slow, quick = "latency: { ttft: 200ms, itl: 20ms }", "latency: { ttft: 20ms, itl: 5ms }"
    model = "models: [{ id: sim, tokens: 50 }]\n"
    for load, requests in [(1, 10), (10, 300), (50, 300)]:
        yield Case("200 ms, then 20 ms × 49", model + slow, load, requests, 200, 20, 1180)
    for load, requests in [(1, 40), (10, 300), (50, 1500)]:
        yield Case("20 ms, then 5 ms × 49", model + quick, load, requests, 20, 5, 265)
    one = "models: [{ id: sim, tokens: 1 }]\nlatency: { ttft: 5ms }"
    for load, requests in [(1, 600), (10, 6000), (50, 20000)]:
        yield Case("5 ms in one piece", one, load, requests, None, None, 5, tokens=1)
    yield Case("five tokens an event", model + quick + "\nshape: { tokens_per_chunk: 5 }", 10, 300, 40, 5, 265)
    yield Case("an empty role chunk at once", model + quick + "\nshape: { role_at_once: true }", 10, 300, 20, 5, 265)
    reasoning = "models: [{ id: sim, tokens: 40, reasoning_tokens: 10 }]\n"
    yield Case("ten tokens of reasoning first", reasoning + quick, 10, 300, 20, 5, 265)
    # A fifteenth of the requests is due while the server stands, and waits evenly between nothing and two seconds: for one
    # in a hundred that is more than 1,700 ms, for one in twenty more than 500.
    frozen = "models: [{ id: sim, tokens: 1 }]\nlatency: { ttft: 1ms }\nfreezes: [{ at: 25s, lasting: 2s }]"
    yield Case("a freeze of 2 s, 200/s for 30 s", frozen, None, 6000, None, None, None, tokens=1, p99={"ttft": None, "itl": None, "e2e": 1701}, rate=200)


class Watched:
    """A command, and what it and its children take: processor seconds, and the most memory together."""

    def __init__(self, command, **options):
        self.peak, self.cpu, self.over = 0, {}, threading.Event()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HOME, **options)
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            self.out, self.err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.out, self.err = self.process.communicate()
            self.err += f"\nnot done after {PATIENCE} s"
        self.over.set()
        watcher.join()

    def _watch(self):
        while not self.over.wait(0.05):
            memory = 0
            for pid in family(self.process.pid):
                try:
                    memory += int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])
                    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                    self.cpu[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                except (OSError, TypeError):
                    continue
            self.peak = max(self.peak, memory)

    @property
    def seconds(self):
        return sum(self.cpu.values())


def family(pid):
    """The process and its descendants."""
    found = [pid]
    for one in found:
        try:
            for task in pathlib.Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def longshore(case, url):
    load = ["--rate", str(case.rate), "--duration", "30s"] if case.rate else ["--concurrency", str(case.load), "--requests", str(case.requests)]
    shape = ["--tokens", str(case.tokens), *([] if case.truth["ttft"] else ["--no-stream"])]
    command = [LONGSHORE, "bench", "--url", url, "--dialect", "openai", "--no-certificate", "--no-store", "--json", *load, *shape]
    done = Watched(command, env=plain())
    run = json.loads(done.out)
    if "levels" not in run:
        raise RuntimeError(done.out)
    level = run["levels"][0]
    stage = run["stages"][0]
    found = {}
    for metric, key in [("ttft", "scheduled_ttft"), ("itl", "itl"), ("e2e", "scheduled_e2e")]:
        spread = level["metrics"][key]
        if spread:
            found[metric] = (spread["mean"], (spread["p99"] or {}).get("value"), (spread["p95"] or {}).get("value"))
    return found, level["window"]["requests_per_second"], stage["spent"]["client"]["cpu_s"], len(stage["requests"]), done.peak


def hyper(case, url):
    if "× 49" not in case.name:
        return None
    done = Watched([HYPER, url, str(case.load), str(case.requests)])
    told = json.loads(done.out)
    found = {metric: (told[metric]["mean"], told[metric]["p99"], None) for metric in ("ttft", "e2e")}
    return found, None, told["cpu_s"] * case.requests / 1000, case.requests, done.peak


def wrk(case, url):
    if case.rate or case.truth["ttft"]:
        return None
    script = HOME / "wrk.lua"
    body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": case.tokens})
    done_line = 'done = function(s, l, r) io.write(string.format("%.6f %.6f %.6f %d\\n", l.mean / 1000, l:percentile(99) / 1000, l:percentile(95) / 1000, s.requests)) end'
    script.write_text(f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = \'{body}\'\n{done_line}\n')
    done = Watched(["wrk", "-t1", f"-c{case.load}", "-d3s", "-s", str(script), f"{url}/v1/chat/completions"])
    mean, p99, p95, count = map(float, done.out.strip().splitlines()[-1].split())
    return {"e2e": (mean, p99, p95)}, count / 3, done.seconds, count, done.peak


def oha(case, url):
    streamed = bool(case.truth["ttft"])
    if streamed and case.load != 10:
        return None
    body = {"model": "sim", "messages": [{"role": "user", "content": PROMPT}], "max_tokens": case.tokens, "stream": streamed}
    load = ["-q", str(case.rate), "--latency-correction", "-c", "500", "-z", "30s"] if case.rate else ["-c", str(case.load), "-n", str(case.requests)]
    common = ["--no-tui", "--output-format", "json", "-m", "POST", "-T", "application/json", "-d", json.dumps(body)]
    done = Watched([OHA, *common, *load, f"{url}/v1/chat/completions"])
    told = json.loads(done.out)
    percentiles = told["latencyPercentiles"]
    found = {"e2e": (told["summary"]["average"] * 1e3, percentiles["p99"] * 1e3, percentiles["p95"] * 1e3)}
    return found, told["summary"]["requestsPerSec"], done.seconds, case.requests, done.peak


def aiperf(case, url):
    folder = HOME / f"aiperf-{time.monotonic_ns()}"
    load = ["--request-rate", str(case.rate), "--request-rate-mode", "constant"] if case.rate else ["--concurrency", str(case.load)]
    command = [AIPERF, "profile", "--model", "sim", "--url", url, "--endpoint-type", "chat", "--tokenizer", str(tokenizer())]
    if case.truth["ttft"]:
        command.append("--streaming")
    command += ["--request-count", str(min(case.requests, 6000)), "--isl", "4", "--osl", str(case.tokens), "--ui", "none", "--artifact-dir", str(folder), *load]
    # Told to stay offline it looks for a folder's name among what it has from the hub, and fails.
    done = Watched(command, env=plain())
    reports = list(folder.rglob("profile_export_aiperf.json"))
    if not reports:
        raise RuntimeError((done.err or done.out)[-400:])
    told = json.loads(reports[0].read_text())
    found = {}
    for metric, key in [("ttft", "time_to_first_token"), ("itl", "inter_token_latency"), ("e2e", "request_latency")]:
        if told.get(key):
            found[metric] = (told[key]["avg"], told[key].get("p99"), told[key].get("p95"))
    return found, told["request_throughput"]["avg"], done.seconds, min(case.requests, 6000), done.peak


def guidellm(case, url):
    report = HOME / f"guidellm-{time.monotonic_ns()}.json"
    profile = f"kind=constant,rate={case.rate}" if case.rate else f"kind=concurrent,streams={case.load}"
    data = HOME / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt": PROMPT, "output_tokens_count": case.tokens}) + "\n" for _ in range(min(case.requests, 6000))))
    stream = "true" if case.truth["ttft"] else "false"
    command = [GUIDELLM, "run", "--backend", f"kind=openai_http,target={url},model=sim,request_format=/v1/chat/completions,stream={stream}"]
    command += ["--profile", profile, "--data", f"kind=json_file,path={data}", "--tokenizer", f"kind=hf_auto,model={tokenizer()}"]
    command += ["--constraint", f"kind=max_requests,count={min(case.requests, 6000)}", "--output", f"kind=json,path={report}", "--disable-console"]
    done = Watched(command, env=offline())
    if not report.exists():
        raise RuntimeError((done.err or done.out)[-400:])
    metrics = json.loads(report.read_text())["benchmarks"][0]["metrics"]
    found = {}
    for metric, key, unit in [("ttft", "time_to_first_token_ms", 1), ("itl", "inter_token_latency_ms", 1), ("e2e", "request_latency", 1e3)]:
        good = metrics.get(key, {}).get("successful")
        if good and good.get("count"):
            found[metric] = (good["mean"] * unit, good["percentiles"]["p99"] * unit, good["percentiles"]["p95"] * unit)
    return found, metrics["requests_per_second"]["successful"]["mean"], done.seconds, min(case.requests, 6000), done.peak


def offline():
    return {**plain(), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def plain():
    """The environment without settings of Longshore, in a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LONGSHORE_")}
    return {**kept, "HOME": str(HOME)}


def tokenizer():
    """A folder with a tokenizer of words, as `transformers` loads it."""
    folder = HOME / "tokenizer"
    if not folder.exists():
        folder.mkdir()
        words = {"[UNK]": 0, "<pad>": 1, "<eos>": 2, **{f"w{number}": number + 3 for number in range(2000)}}
        model = {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"}
        whole = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None, "truncation": None, "padding": None, "model": model}
        (folder / "tokenizer.json").write_text(json.dumps(whole))
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "pad_token": "<pad>", "eos_token": "<eos>"}))
        (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": len(words)}))
    return folder


OHA = os.environ.get("OHA_BIN") or shutil.which("oha") or str(ROOT / "target/tools/bin/oha")
TOOLS = {
    "longshore": ("longshore bench", longshore, LONGSHORE),
    "hyper": ("hyper alone (a floor)", hyper, HYPER),
    "wrk": ("wrk", wrk, "wrk"),
    "oha": ("oha", oha, OHA),
    "aiperf": ("aiperf", aiperf, AIPERF),
    "guidellm": ("GuideLLM", guidellm, GUIDELLM),
}


def simulator(case):
    """A fresh one for each measurement: a freeze is counted from its start."""
    config = HOME / "sim.yaml"
    config.write_text(case.sim + "\n")
    command = [LONGSHORE, "sim", "--listen", "127.0.0.1:0", "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOME, env=plain())
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return process, found[0]
    raise RuntimeError("the simulator does not say where it listens")


def off(value, truth, digits=3):
    return "–" if value is None or truth is None else f"{value - truth:+.{digits}f}"


def row(case, name, measured):
    found, rate, cpu, count, peak = measured
    cells = [case.name, "" if case.load is None else str(case.load), name]
    for metric in ("ttft", "itl", "e2e"):
        mean, p99, _ = found.get(metric, (None, None, None))
        cells += [off(mean, case.truth[metric]), off(p99, case.p99[metric])]
    cells += ["–" if rate is None else f"{rate:.0f}", f"{cpu * 1000 / count:.2f}", f"{peak / 1024:.0f}"]
    return cells


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--tools", default="longshore,hyper")
    arguments.add_argument("--cases", default="", help="only cases whose name has this in it")
    chosen = arguments.parse_args()
    tools = [tool for tool in chosen.tools.split(",") if shutil.which(TOOLS[tool][2])]
    missing = [TOOLS[tool][0] for tool in chosen.tools.split(",") if tool not in tools]
    print("| truth | C | tool | TTFT mean | p99 | ITL mean | p99 | E2E mean | p99 | requests/s | CPU, s | memory, MiB |")
    print("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    freezes, failed = [], []
    for case in cases():
        if chosen.cases not in case.name:
            continue
        for tool in tools:
            name, measure, _ = TOOLS[tool]
            process, url = simulator(case)
            print(f"{case.name}, {case.load}: {name}", file=sys.stderr)
            try:
                measured = measure(case, url)
            except Exception as error:  # whatever a tool does, the others are measured
                failed.append(f"{name}, {case.name}, C = {case.load}: {type(error).__name__} {error}")
                continue
            finally:
                process.kill()
                process.wait()
            if measured is None:
                continue
            if case.rate:
                _, p99, p95 = measured[0].get("e2e", (None, None, None))
                freezes.append((name, p95, p99, measured))
            else:
                print("| " + " | ".join(row(case, name, measured)) + " |", flush=True)
    if freezes:
        print("\nA server that stands still for two seconds at 200 requests a second, for 30 s: true p95 501 ms, true p99 1,701 ms.\n")
        print("| tool | p95, ms | p99, ms | CPU, s | memory, MiB |\n|---|--:|--:|--:|--:|")
        for name, p95, p99, (_, _, cpu, count, peak) in freezes:
            told = ["–" if value is None else f"{value:.1f}" for value in (p95, p99)]
            print(f"| {name} | {told[0]} | {told[1]} | {cpu * 1000 / count:.2f} | {peak / 1024:.0f} |")
    for problem in [f"{name}: not installed here" for name in missing] + failed:
        print(f"\nNot measured: {' '.join(problem.split())[:400]}.")
    shutil.rmtree(HOME, ignore_errors=True)


if __name__ == "__main__":
    main()
