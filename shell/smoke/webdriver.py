"""As much of W3C WebDriver as these tests need, over plain HTTP, for WebKitWebDriver."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request

PATIENCE = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def until(get, what, patience=PATIENCE):
    """Waits until `get` gives something that is true, and gives it."""
    end = time.monotonic() + patience
    while True:
        value = get()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s for {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Driver:
    """WebKitWebDriver with one session, whose browser is `binary`."""

    def __init__(self, binary, environment, folder):
        port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        # Without it the web view cannot be driven.
        environment = environment | {"TAURI_WEBVIEW_AUTOMATION": "true"}
        arguments = ["WebKitWebDriver", f"--port={port}", "--host=127.0.0.1"]
        self.process = subprocess.Popen(arguments, env=environment, cwd=folder)
        until(lambda: self._is_there(port), "WebKitWebDriver")
        options = {"webkitgtk:browserOptions": {"binary": str(binary), "args": []}}
        self.session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    @staticmethod
    def _is_there(port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from None

    def _in_session(self, method, path, body=None):
        return self._ask(method, f"/session/{self.session}{path}", body)

    def url(self):
        return self._in_session("GET", "/url")

    def windows(self):
        return self._in_session("GET", "/window/handles")

    def run(self, script, *arguments):
        return self._in_session("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_until_told(self, script):
        """Runs a script that tells its result by calling `arguments[0]`."""
        return self._in_session("POST", "/execute/async", {"script": script, "args": []})

    def text(self):
        return self.run("return document.body ? document.body.innerText : ''")

    def find(self, xpath):
        found = self._in_session("POST", "/elements", {"using": "xpath", "value": xpath})
        return found[0][ELEMENT] if found else None

    def click(self, xpath):
        element = until(lambda: self.find(xpath), xpath)
        self._in_session("POST", f"/element/{element}/click", {})

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)


def terminate(pid):
    """Asks a process to end that may have ended already."""
    try:
        os.kill(pid, 15)
    except ProcessLookupError:
        pass
