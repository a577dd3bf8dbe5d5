"""`longshore chat` on a real terminal (a pty): interactive turns, Ctrl-C, and model output that tries to take it over."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

import pytest

from harness import Longshore, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pty")
PROMPT = "> "
CONTROL_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>]")


class Terminal:
    """A program on a terminal of its own; `screen` is all that it wrote so far."""

    def __init__(self, home: Longshore, *arguments: str):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        environment = home.environment({"TERM": "xterm-256color"})
        self.child = subprocess.Popen(
            [home.binary, *arguments], cwd=home.home, env=environment, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(slave)
        self.screen = b""

    def type(self, keys: str):
        os.write(self.master, keys.encode())

    def expect(self, text: str, after: int = 0, seconds: float = 20) -> int:
        """Waits until `text` stands on the screen past `after`; returns where it ends."""

        def seen():
            while select.select([self.master], [], [], 0)[0]:
                try:
                    self.screen += os.read(self.master, 65536)
                except OSError:  # the program has closed its terminal
                    break
            return self.screen.find(text.encode(), after) + 1

        try:
            return wait_until(seen, repr(text), seconds) + len(text)
        except TimeoutError as late:
            raise AssertionError(f"{late}; the screen: {self.screen!r}") from None

    def end(self) -> int:
        wait_until(lambda: self.expect("") and self.child.poll() is not None, "the end of the program")
        return self.child.returncode

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)


@pytest.fixture
def terminal(tmp_path, drip):
    home = Longshore(tmp_path)
    home.config(f"servers:\n  - name: drip\n    rest: {drip.url}\n    dialect: openai\n", "longshore.yaml")
    opened = []

    def open_terminal(*arguments):
        opened.append(Terminal(home, *arguments))
        return opened[-1]

    yield open_terminal
    for one in opened:
        one.close()


def test_conversation(terminal):
    chat = terminal("chat", "drip")
    end = chat.expect(PROMPT)
    chat.type("go\r")
    end = chat.expect(PROMPT, after=chat.expect("word19", after=end))
    chat.type("go again\r")
    chat.expect(PROMPT, after=chat.expect("word19", after=end))
    chat.type("\x04")
    assert chat.end() == 0, chat.screen


def test_interrupt_stops_the_answer_not_the_program(terminal, drip):
    chat = terminal("chat", "endless")
    end = chat.expect(PROMPT)
    for _ in range(2):
        chat.type("go\r")
        end = chat.expect("word5", after=end)
        before = drip.streams_abandoned
        chat.type("\x03")
        wait_until(lambda: drip.streams_abandoned > before, f"the end of the upstream stream; the screen: {chat.screen!r}")
        end = chat.expect(PROMPT, after=end)
    chat.type("\x04")
    assert chat.end() == 0, chat.screen


@pytest.mark.parametrize("arguments", [[], ["--no-stream"]], ids=["stream", "no-stream"])
def test_escape_sequences_of_a_model_are_inert(terminal, arguments):
    """No clipboard write, no title change, no clearing: only styling of our own may reach the terminal."""
    chat = terminal("chat", "escapes", "-m", "go", *arguments)
    assert chat.end() == 0, chat.screen
    assert b"plain" in chat.screen and b"text" in chat.screen, chat.screen
    assert b"\x1b]" not in chat.screen and b"\x1b[2J" not in chat.screen and b"\x07" not in chat.screen, chat.screen
    assert "\x9b".encode() not in chat.screen, chat.screen
    assert b"\x1b" not in CONTROL_SEQUENCE.sub(b"", chat.screen), chat.screen
