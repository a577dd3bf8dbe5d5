"""The window as a person has it: from the first start to the end, with the built-in model and with what goes wrong."""

import json
import os
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from harness import Home, Screen, Tray, Web, reply
from webdriver import PATIENCE, terminate, until

# Where its picture is kept; with a frame around it where a window manager is named.
PICTURE = Path(os.environ.get("PICTURE", "/tmp/longshore-window.png"))
MANAGER = os.environ.get("WINDOW_MANAGER")

# A link that wants a window of its own, as those in answers do.
LINK = """
const link = Object.assign(document.createElement("a"), {{ id: "away", href: "{}/by-link", target: "_blank" }});
link.style = "position: fixed; inset: 0 auto auto 0; z-index: 9999";
link.textContent = "away";
document.body.append(link);
"""


def is_open(url):
    """Whether somebody answers there."""
    try:
        urllib.request.urlopen(url, timeout=5).close()
        return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


class WindowTest(unittest.TestCase):
    def setUp(self):
        self.screen = Screen()
        self.addCleanup(self.screen.stop)

    def home(self, config=None):
        home = Home(self.screen, config)
        self.addCleanup(home.remove)
        return home

    def web(self, answer):
        web = Web(answer)
        self.addCleanup(web.stop)
        return web

    def gone(self):
        return until(lambda: not self.screen.windows(), "the window to go")


class FirstRun(WindowTest):
    def test_from_the_first_start_to_the_first_answer(self):
        if MANAGER:
            self.screen.manage(MANAGER)
        home = self.home()
        driver = home.drive()
        until(lambda: "Ask anything" in driver.text(), "the page")
        origin = home.instance()["url"]
        self.assertTrue(driver.url().startswith(f"{origin}/desk/"), driver.url())
        self.assertNotIn("token", driver.url(), "the key is taken out of the address")

        driver.click("//button[contains(., 'What is streaming?')]")
        until(lambda: "tokens/s" in driver.text() and "TTFT" in driver.text(), "the answer")
        driver.run_until_told("const told = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(told))")
        self.assertGreater(self.screen.picture(self.screen.window(), PICTURE), 50, "there are letters and signs to be seen")

        with self.subTest("what the page gives to keep comes into the folder for downloads"):
            driver.click("//button[@aria-label='More for this conversation']")
            driver.click("//*[@role='menuitem'][contains(., 'Export as JSON')]")
            kept = until(lambda: list((home.folder / "Downloads").glob("*.json")), "the download")
            until(lambda: kept[0].stat().st_size > 0, "its content")
            self.assertIn("What is streaming?", kept[0].read_text())

        with self.subTest("the page may ask nothing of the program"):
            said = driver.run_until_told(
                "const told = arguments[0]; const inside = window.__TAURI_INTERNALS__;"
                "if (!inside) told('nobody to ask'); else inside.invoke('plugin:window|destroy', { label: 'main' })"
                ".then(() => told('done'), (error) => told(`refused: ${error}`));"
            )
            self.assertRegex(said, "^(refused|nobody)")

        with self.subTest("the rest of the web is for the browser, and nothing else is for anybody"):
            other = self.web(lambda handler: reply(handler, "other", "text/plain"))
            for script, expected in [
                ("location.href = '{}/by-location'", [f"{other.url}/by-location"]),
                (LINK, [f"{other.url}/by-link"]),
                ("location.href = 'file:///etc/hostname'", []),
                ("location.href = 'data:text/html,hello'", []),
            ]:
                before = len(home.browsed())
                driver.run(script.format(other.url))
                if script == LINK:
                    driver.click("//a[@id='away']")
                if expected:
                    until(lambda: len(home.browsed()) > before, script)
                self.assertEqual(home.browsed()[before:], expected)
                self.assertTrue(driver.url().startswith(f"{origin}/desk/"), driver.url())
                self.assertIn("tokens/s", driver.text(), "the page is still there")
            self.assertEqual(other.asked, [], "the window asked nobody else")
            self.assertEqual(len(self.screen.windows()), 1)

        with self.subTest("a second start shows the first window"):
            self.screen.xdotool("windowunmap", "--sync", self.screen.window())
            self.gone()
            self.assertEqual(home.start_second(), 0)
            until(self.screen.windows, "the window")
            self.assertEqual(len(self.screen.windows()), 1)
            self.assertEqual(home.instance()["url"], origin)

        with self.subTest("closing it is quitting, and leaves nothing"):
            self.screen.close(self.screen.window())
            self.assertEqual(home.code(), 0)
            self.assertFalse(is_open(origin))
            self.assertIsNone(home.read("data/longshore/instance.json"))


class Size(WindowTest):
    def test_it_is_as_large_as_it_was(self):
        home = self.home()
        driver = home.drive()
        window = self.screen.window()
        until(lambda: driver.run("return innerWidth") == 1280, "the page")
        self.assertEqual(self.screen.size(window), (1280, 800))
        self.screen.xdotool("windowsize", window, "1000", "700")
        until(lambda: driver.run("return [innerWidth, innerHeight]") == [1000, 700], "the new size")
        terminate(home.pid())
        self.assertEqual(home.code(), 0)
        home.stop()
        home.start()
        self.assertEqual(self.screen.size(self.screen.window()), (1000, 700))


class Work(WindowTest):
    def test_what_runs_is_finished_before_the_end(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def slow(handler):
            length = int(handler.headers.get("Content-Length", 0))
            handler.rfile.read(length)
            if handler.path.endswith("/chat/completions"):
                release.wait(PATIENCE * 2)
                choice = {"index": 0, "message": {"role": "assistant", "content": "late"}, "finish_reason": "stop"}
                body = {"id": "1", "object": "chat.completion", "created": 1, "model": "slow", "choices": [choice]}
            elif handler.path.endswith("/models"):
                body = {"object": "list", "data": [{"id": "slow", "object": "model", "created": 1, "owned_by": "test"}]}
            else:
                return reply(handler, "{}", status=404)
            return reply(handler, json.dumps(body))

        server = self.web(slow)
        home = self.home(f"servers:\n  - name: slow\n    rest: {server.url}\n    dialect: openai\n")
        home.start()
        self.screen.window()
        origin = home.instance()["url"]
        answers = []

        def ask():
            question = {"model": "slow", "messages": [{"role": "user", "content": "?"}]}
            request = urllib.request.Request(
                f"{origin}/v1/chat/completions", json.dumps(question).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=PATIENCE * 2) as response:
                answers.append(json.load(response)["choices"][0]["message"]["content"])

        tray = Tray(home.pid())
        self.assertEqual(list(tray.items()), ["Show Longshore", "no running requests", "Quit"])
        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: any("chat/completions" in path for path in server.asked), "the request")
        until(lambda: "1 running request" in tray.items(), "the number of requests")

        self.screen.close(self.screen.window())
        self.gone()
        # It has a beat in which it could end by mistake.
        time.sleep(1.5)
        self.assertTrue(home.is_running() and is_open(origin), "the request goes on")
        tray.click("Show Longshore")
        self.screen.close(self.screen.window())
        self.gone()
        release.set()
        asking.join(PATIENCE)
        self.assertEqual(answers, ["late"])
        self.assertEqual(home.code(), 0, "with nothing left to do it ends")
        self.assertFalse(is_open(origin))


class Elsewhere(WindowTest):
    def test_who_serves_already_is_shown_and_stays(self):
        def desk(handler):
            if handler.path == "/desk/api/hello":
                reply(handler, '{"started_at": "now"}')
            else:
                reply(handler, "<h1>The one that runs already</h1>", "text/html")

        other = self.web(desk)
        home = self.home()
        folder = home.folder / "data/longshore"
        folder.mkdir()
        instance = {"url": other.url, "pid": os.getpid(), "token": "t"}
        (folder / "instance.json").write_text(json.dumps(instance))
        driver = home.drive()
        until(lambda: "The one that runs already" in driver.text(), "its page")
        self.assertEqual(driver.url(), f"{other.url}/desk/#token=t")
        tray = Tray(home.pid())
        self.assertIn(f"Runs in process {os.getpid()}", tray.items())
        tray.click("Quit")
        self.assertEqual(home.code(), 0)
        self.assertEqual(home.instance(), instance)


class Simulator(WindowTest):
    def test_it_simulates_for_the_benchmarks_of_the_desk(self):
        command = [os.environ["WINDOW"], "sim", "--listen", "127.0.0.1:0", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.terminate)
        url = json.loads(process.stdout.readline())["listening"]
        with urllib.request.urlopen(f"{url}/v1/models", timeout=5) as answer:
            self.assertEqual([model["id"] for model in json.load(answer)["data"]], ["sim"])

    def test_a_benchmark_of_the_window_has_its_certificate(self):
        home = self.home()
        home.start()
        instance = home.instance()

        def ask(path, body=None):
            headers = {"Authorization": f"Bearer {instance['token']}", "Content-Type": "application/json"}
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{instance['url']}/desk/api/{path}", data, headers)
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.read().decode()

        order = {"op": "chat", "concurrency": [1], "requests": 3, "tokens": 8, "stream": True}
        begun = json.loads(ask("bench", order))["id"]
        told = ask(f"bench/{begun}/events")
        run = json.loads(told.split("event: done\ndata: ", 1)[1].splitlines()[0])["run"]
        self.assertGreater(run["levels"][0]["window"]["requests_per_second"], 0)
        certificate = run["certificate"]
        self.assertEqual(certificate["problems"], [])
        self.assertTrue(certificate["levels"][0]["deviations"], "what the same load came to against the simulator")


class Trouble(WindowTest):
    def test_what_is_wrong_with_the_configuration_is_shown(self):
        home = self.home("servers:\n  - name: <b>gpu\n    rest: nowhere at all\n")
        driver = home.drive()
        until(lambda: "Longshore could not start" in driver.text(), "the page of troubles")
        for word in ["longshore.yaml", "nowhere at all", "<b>gpu"]:
            self.assertIn(word, driver.text())
        self.assertIn("longshore.yaml", home.read("stderr"))
        self.screen.close(self.screen.window())
        self.assertEqual(home.code(), 3)

    def test_without_a_screen_it_says_so(self):
        home = self.home()
        home.environment.pop("DISPLAY")
        home.start()
        self.assertEqual(home.code(), 1)
        self.assertIn("there is no screen", home.read("stderr"))
        self.assertIsNone(home.read("data/longshore/instance.json"))


if __name__ == "__main__":
    unittest.main()
