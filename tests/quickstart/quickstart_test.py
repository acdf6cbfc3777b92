#!/usr/bin/env python3
"""./quickstart as a person meets it: in a terminal, with the lines it prints pasted into a shell, a
Ctrl-C typed at it, a second start, and the ways it can be refused. Standard library only."""
import json
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS_MAX = 300
READY = "Ctrl-C stops the server."


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Terminal:
    """quickstart as the foreground program of a terminal of its own."""

    def __init__(self, *args):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            os.execv("./quickstart", ["./quickstart", *args])
        self.text, self.status = "", None

    def read_until(self, words):
        deadline = time.monotonic() + SECONDS_MAX
        while words not in self.text:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {words!r} within {SECONDS_MAX} s in:\n{self.text}")
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:  # How a terminal says that its last program is gone.
                    data = b""
                if not data:
                    break
                self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return self.text

    def end(self):
        if self.status is None:
            self.read_until("\0")  # Never printed: reads to the end.
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.status

    def type_control_c(self):
        os.write(self.fd, b"\x03")
        return self.end()


def run(*args):
    return subprocess.run(["./quickstart", *args], cwd=ROOT, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=SECONDS_MAX, check=False)


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="ferresdb-quickstart-")
        self.addCleanup(shutil.rmtree, self.data, ignore_errors=True)
        self.port = str(free_port())
        self.running = []
        self.addCleanup(lambda: [t.type_control_c() for t in self.running if t.status is None])

    def start(self, *args):
        terminal = Terminal("--port", self.port, "--data", self.data, *args)
        self.running.append(terminal)
        return terminal, terminal.read_until(READY)

    def paste(self, line):
        return json.loads(subprocess.run(line, shell=True, cwd=ROOT, capture_output=True,
                                         check=True, timeout=60).stdout)

    def test_demo_from_first_start_to_second(self):
        terminal, text = self.start()
        self.assertIn("Loaded 12800 of 12800", text)
        self.assertRegex(text, r'"instrument for measuring temperature".*\n +0\.\d+  thermometer:')
        lines = re.findall(r"^ *(curl .*)$", text, re.M)
        self.assertEqual(len(lines), 3, text)
        by_id, by_vector, by_filter = (self.paste(line)["results"] for line in lines)
        self.assertEqual(by_id[0]["id"], "leopard-n02128385")
        self.assertEqual(by_vector[0]["id"], "pilot-n10433164")
        self.assertEqual(len(by_filter), 5)
        self.assertEqual({hit["metadata"]["topic"] for hit in by_filter}, {"person"})

        busy = run("--port", self.port, "--data", self.data)
        self.assertNotEqual(busy.returncode, 0)
        self.assertIn(f"port {self.port} is in use", busy.stderr)
        locked = run("--port", str(free_port()), "--data", self.data, "--no-demo")
        self.assertNotEqual(locked.returncode, 0)
        self.assertIn(f"the data folder '{self.data}' is in use by another server", locked.stderr)

        self.assertEqual(terminal.type_control_c(), 0)
        self.assertIn("FerresDB stopped.", terminal.text)
        with open(os.path.join(ROOT, "build", f"server-{self.port}.log"), encoding="utf-8") as log:
            self.assertIn("clean=true", log.read())
        terminal, text = self.start()
        self.assertIn("holds its 12800 entries already", text)
        self.assertIn("0.095  thermometer:", text)
        self.assertEqual(terminal.type_control_c(), 0)

    def test_no_demo_serves_an_empty_database(self):
        terminal, text = self.start("--no-demo")
        self.assertNotIn("Loaded", text)
        url = f"http://127.0.0.1:{self.port}/api/v1/collections"
        self.assertEqual(self.paste(f"curl -s {url}"), {"collections": []})
        self.assertEqual(terminal.type_control_c(), 0)

    def test_wrong_arguments_are_named(self):
        for args, words in [(("--port", "http"), "1 to 65535"), (("--port", "70000"), "1 to 65535"),
                            (("--port",), "needs a value"), (("--fast",), "unknown option"),
                            (("--data", "/dev/null/x"), "cannot create")]:
            with self.subTest(args=args):
                done = run(*args)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, done.stderr)
        self.assertEqual(run("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
