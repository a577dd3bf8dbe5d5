"""The window with a screen and a home of its own; and servers that it may meet."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import x11
from webdriver import PATIENCE, Driver, terminate, until

WINDOW = Path(os.environ["WINDOW"]).resolve()

# Keeps the window's process, what it says on standard error, and what it ends with; and is started as if it were it.
LAUNCHER = """#!/bin/sh
"{window}" {arguments} 2>>"{folder}/stderr" &
echo $! >"{folder}/pid.new" && mv "{folder}/pid.new" "{folder}/pid"
wait $!
echo $? >"{folder}/code.new" && mv "{folder}/code.new" "{folder}/code"
"""


class Screen:
    """An X server without a window manager."""

    def __init__(self):
        read, write = os.pipe()
        # It would begin anew whenever its last client leaves, and xdotool comes and leaves all the time.
        arguments = ["Xvfb", "-displayfd", str(write), "-noreset", "-nolisten", "tcp", "-screen", "0", "1600x1000x24"]
        self.process = subprocess.Popen(arguments, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as said:
            self.display = f":{said.readline().strip()}"
        self.manager = None

    def xdotool(self, *arguments):
        environment = os.environ | {"DISPLAY": self.display}
        done = subprocess.run(["xdotool", *arguments], env=environment, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    def windows(self):
        """The visible windows of Longshore."""
        return self.xdotool("search", "--onlyvisible", "--class", "longshore-window").split()

    def window(self):
        return until(self.windows, "a window")[0]

    def size(self, window):
        lines = self.xdotool("getwindowgeometry", "--shell", window).splitlines()
        values = dict(line.split("=") for line in lines)
        return int(values["WIDTH"]), int(values["HEIGHT"])

    def close(self, window):
        """Closes it as a click on its cross does."""
        x11.ask_to_close(self.display, int(window))

    def manage(self, manager):
        """Has a window manager put frames around windows."""
        self.manager = subprocess.Popen([manager], env=os.environ | {"DISPLAY": self.display}, stderr=subprocess.DEVNULL)

    def picture(self, window, file):
        """Keeps what is to be seen of a window, its frame included; how many colours that has."""
        subprocess.run(["import", "-display", self.display, "-frame", "-window", window, str(file)], check=True)
        counted = subprocess.run(["identify", "-format", "%k", str(file)], capture_output=True, text=True, check=True)
        return int(counted.stdout)

    def stop(self):
        for process in filter(None, [self.manager, self.process]):
            process.terminate()
            process.wait(PATIENCE)


class Tray:
    """The icon's menu, as a desktop's panel gets it over D-Bus."""

    ICON = "/org/ayatana/NotificationItem/tray_icon_tray_app_tray"

    def __init__(self, process):
        names = until(lambda: re.findall(r"'(:[\d.]+)'", self._bus("ListNames")), "the bus")
        owners = [name for name in names if f" {process}," in self._bus("GetConnectionUnixProcessID", name)]
        self.owner = until(lambda: next(filter(self._has_menu, owners), None), "the icon in the tray")

    def items(self):
        """Each label and its number."""
        return {label: number for number, label in self._items(self.owner)}

    def click(self, label):
        self._menu(self.owner, "Event", "--", self.items()[label], "clicked", "<''>", "0")

    def _has_menu(self, owner):
        return bool(self._items(owner))

    def _items(self, owner):
        return re.findall(r"\((\d+), {[^}]*'label': <'([^']*)'>", self._menu(owner, "GetLayout", "--", "0", "-1", "[]"))

    def _menu(self, owner, method, *arguments):
        return self._call(owner, f"{self.ICON}/Menu", f"com.canonical.dbusmenu.{method}", *arguments)

    def _bus(self, method, *arguments):
        return self._call("org.freedesktop.DBus", "/org/freedesktop/DBus", f"org.freedesktop.DBus.{method}", *arguments)

    @staticmethod
    def _call(owner, path, method, *arguments):
        command = ["gdbus", "call", "--session", "--timeout", "2", "--dest", owner, "--object-path", path, "--method", method]
        return subprocess.run([*command, *arguments], capture_output=True, text=True).stdout


class Home:
    """An empty home, in which the window is started; browsers that would be opened are noted."""

    def __init__(self, screen, config=None):
        self.folder = Path(tempfile.mkdtemp(prefix="longshore-window-"))
        for name in ["config", "data", "cache", "run", "bin", "Downloads"]:
            (self.folder / name).mkdir()
        (self.folder / "run").chmod(0o700)
        (self.folder / "config/user-dirs.dirs").write_text(f'XDG_DOWNLOAD_DIR="{self.folder}/Downloads"\n')
        if config is not None:
            (self.folder / "longshore.yaml").write_text(config)
        browser = self.folder / "bin/xdg-open"
        browser.write_text(f'#!/bin/sh\necho "$1" >>"{self.folder}/browsed"\n')
        browser.chmod(0o700)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("LONGSHORE_", "XDG_"))}
        self.environment = own | {
            "DISPLAY": screen.display,
            "GDK_BACKEND": "x11",
            "HOME": str(self.folder),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_DATA_HOME": str(self.folder / "data"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
            "LONGSHORE_GATEWAY__LISTEN": "127.0.0.1:0",
        }
        self.driver = None
        self.launched = None

    def _launcher(self, arguments):
        for name in ["pid", "code", "stderr"]:
            (self.folder / name).unlink(missing_ok=True)
        launcher = self.folder / "bin/launch"
        launcher.write_text(LAUNCHER.format(window=WINDOW, folder=self.folder, arguments=" ".join(arguments)))
        launcher.chmod(0o700)
        return launcher

    def drive(self, *arguments):
        """Starts the window under WebDriver."""
        self.driver = Driver(self._launcher(arguments), self.environment, self.folder)
        return self.driver

    def start(self, *arguments):
        """Starts the window alone."""
        command = [self._launcher(arguments)]
        self.launched = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start_second(self):
        """Starts it again; what that ends with."""
        second = subprocess.run([WINDOW], env=self.environment, cwd=self.folder, capture_output=True, timeout=PATIENCE)
        return second.returncode

    def pid(self):
        return int(until(lambda: self.read("pid"), "the window's process"))

    def code(self):
        """What it ended with, as soon as it has."""
        return int(until(lambda: self.read("code"), "the end of the window's process"))

    def is_running(self):
        return self.read("code") is None

    def read(self, name):
        file = self.folder / name
        return file.read_text().strip() if file.exists() else None

    def instance(self):
        """The daemon, as the next start would find it."""
        text = until(lambda: self.read("data/longshore/instance.json"), "the daemon")
        return json.loads(text)

    def browsed(self):
        return (self.read("browsed") or "").splitlines()

    def stop(self):
        if self.read("pid") and self.is_running():
            # Twice: it does not wait for what still runs.
            for _ in range(2):
                terminate(self.pid())
            self.code()
        if self.driver:
            self.driver.stop()
            self.driver = None
        if self.launched:
            self.launched.wait(PATIENCE)
            self.launched = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Web:
    """A server on this machine that answers by `answer(handler)`, and keeps what was asked."""

    def __init__(self, answer):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append(self.path)
                answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def reply(handler, body, media_type="application/json", status=200):
    data = body.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", media_type)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
