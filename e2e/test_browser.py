"""The benchmark's page in Chromium: plots are drawn, nothing is loaded, every plot can be read as a table, and axe finds
nothing that would keep somebody out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness import Longshore

# A measurement and a browser on one machine; on a busy one they take their time.
pytestmark = pytest.mark.timeout(240)

HERE = Path(__file__).resolve().parent / "browser"
PLOTS = [
    "Latency against load",
    "Throughput against load",
    "Time to first token: distribution",
    "Time between tokens: distribution",
    "Whole answer: distribution",
    "Time before each event of an answer",
    "Time to first token over time",
]


def look(page: Path) -> dict:
    done = subprocess.run(["node", "look.mjs", str(page)], cwd=HERE, env=os.environ, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A run with everything that a report can have: several loads, objectives, a certificate."""
    home = tmp_path_factory.mktemp("report")
    longshore = Longshore(home)
    simulator = longshore.start("sim", "--listen", "127.0.0.1:0", "--ttft", "10ms", "--itl", "3ms", "--tokens", "5", name="sim")
    try:
        url = simulator.ready(lambda: next((word for word in simulator.stdout.split() if word.startswith("http://")), None), "its address")
        arguments = ["--url", url, "--dialect", "openai", "--concurrency", "1,4,10", "--requests", "320", "--tokens", "5", "--slo", "ttft=40ms,itl=10ms"]
        result = longshore.run("bench", *arguments, "--html", "report.html", seconds=120)
        assert result.code == 0, result
    finally:
        simulator.stop()
    return home / "report.html"


@pytest.fixture(scope="module")
def seen(report) -> dict:
    return look(report)


def test_every_plot_is_drawn(seen):
    plots = seen["light"]["plots"]
    assert [plot["title"] for plot in plots] == PLOTS
    for plot in plots:
        assert plot["width"] > 400 and plot["height"] > 200 and plot["shapes"] >= 3, plot
        # Each load or metric has its name in the legend, the axes their numbers.
        assert plot["name"] and len(plot["texts"]) > 8, plot


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_loaded_and_nothing_fails(seen, scheme):
    assert (seen[scheme]["requests"], seen[scheme]["errors"]) == ([], [])


def test_every_plot_opens_as_a_table_by_keyboard(seen):
    tables = seen["light"]["tables"]
    assert [table["caption"] for table in tables] == PLOTS
    for table in tables:
        assert not table["before"] and table["rows"] > 2 and table["columns"] == 3, table


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(seen, scheme):
    assert seen[scheme]["violations"] == [] and seen[scheme]["passes"] > 15, seen[scheme]["violations"]


def test_it_fits_on_paper_and_on_a_telephone(seen):
    light = seen["light"]
    assert light["printed"] > 20_000 and light["overflow"] <= 0 and light["narrowOverflow"] <= 0, light
