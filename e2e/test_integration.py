"""The code of `docs/integration.md` in languages other than Rust runs as it stands, against a gateway on another port."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from harness import ROOT

PAGE = (ROOT / "docs" / "integration.md").read_text()
RUN = {
    "bash": ["bash", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
}
BLOCKS = [(language, code) for language, code in re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.M | re.S) if language in RUN]


def test_every_language_has_its_code():
    languages = [language for language, _ in BLOCKS]
    assert (languages.count("bash"), languages.count("python"), languages.count("javascript")) >= (1, 3, 2), languages


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_code_runs(number, server):
    language, code = BLOCKS[number]
    command = RUN[language]
    if shutil.which(command[0]) is None:
        pytest.fail(f"{command[0]} is needed to run the guide's {language}")
    done = subprocess.run([*command, code.replace("127.0.0.1:8400", server.authority)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{code}\n--- {done.stderr}"
    assert re.search(r"\w{3}", done.stdout), f"{code}\nsaid nothing: {done.stdout!r}\n{done.stderr}"
    assert "[interrupted]" not in done.stdout
