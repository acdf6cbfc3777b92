# Starts the real server for tests, talks HTTP to it with the standard library, stops and kills it.
# Used by tests/crash and tests/e2e. A Server belongs to one thread; each thread has its own Client.
import http.client
import json
import os
import signal
import socket
import subprocess
import time

API_KEY = "test-key-0123456789"
START_SECONDS_MAX = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process on one data folder. Its output goes to a file beside the folder."""

    def __init__(self, binary, folder, env=None, port=None):
        self.binary = binary
        self.folder = str(folder)
        self.port = port or free_port()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("FERRESDB_")}
        self.env.update({
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "STORAGE_PATH": self.folder,
            "FERRESDB_API_KEYS": API_KEY,
        })
        self.env.update(env or {})
        self.log_path = self.folder.rstrip("/") + ".log"
        self.process = None

    def launch(self):
        """Starts the process without waiting for it to answer."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([self.binary], env=self.env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        return self

    def start(self):
        self.launch()
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            try:
                with self.client() as client:
                    if client.request("GET", "/health")[0] == 200:
                        return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the server did not answer:\n{self.log_tail()}")

    def client(self, timeout=60):
        return Client(self.port, timeout=timeout)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds_max=60):
        """Asks it to end, as Ctrl-C does; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop:\n{self.log_tail()}") from None

    def is_alive(self):
        return self.process.poll() is None

    def log_tail(self, lines=40):
        try:
            with open(self.log_path, errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def log_size(self):
        return os.path.getsize(self.log_path)

    def log_since(self, size):
        with open(self.log_path, errors="replace") as log:
            log.seek(size)
            return log.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Client:
    """One keep-alive connection. Errors of the connection are OSError or http.client's."""

    def __init__(self, port, key=API_KEY, timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.key = key

    def raw(self, method, path, body=None, headers=None):
        """The answer's status and body as bytes; headers replace the usual ones."""
        sent = {"Authorization": "Bearer " + self.key} if self.key else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        try:
            self.connection.request(method, path, body=body, headers=sent)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except Exception:
            self.connection.close()
            raise

    def request(self, method, path, body=None):
        """Sends body as JSON; returns the status and the parsed answer (None when it is empty)."""
        text = None if body is None else json.dumps(body)
        status, answer = self.raw(method, path, text)
        return status, json.loads(answer) if answer else None

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
