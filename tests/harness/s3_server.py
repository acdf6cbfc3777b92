# A real S3 server for tests (versitygw, which checks signatures), and a proxy before it that breaks
# connections. Objects are files below folder/BUCKET.
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from ferres_server import free_port

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test-secret-key-0123456789"
BUCKET = "backup-bucket"
REGION = "us-east-1"
START_SECONDS_MAX = 30


class S3Server:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = Path(folder)
        self.bucket = self.folder / BUCKET
        self.bucket.mkdir(parents=True)
        self.port = free_port()
        self.process = None

    def start(self):
        env = dict(os.environ, ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY)
        with open(str(self.folder) + ".log", "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "--port", f"127.0.0.1:{self.port}", "posix", str(self.folder)],
                env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the S3 server did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def settings(self, port=None, secret=SECRET_KEY):
        """The environment of a FerresDB server that uses it, perhaps through a proxy's port."""
        return {
            "FERRESDB_S3_ENDPOINT": f"http://127.0.0.1:{port or self.port}",
            "FERRESDB_S3_REGION": REGION,
            "FERRESDB_S3_BUCKET": BUCKET,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def objects(self):
        """Sizes by key."""
        return {str(path.relative_to(self.bucket)): path.stat().st_size
                for path in self.bucket.rglob("*") if path.is_file() and not self.partial(path)}

    def partial(self, path):
        return ".sgwtmp" in path.parts

    def uploads_left(self):
        return [path for path in self.bucket.rglob("*") if path.is_file() and self.partial(path)]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Forwards to a port. Each entry of `plan` is (bytes, action): when so many bytes went up or
    down in all, the action is called, and the connection they went over is closed if it returns
    "cut", or is left without another byte if it returns "stall"."""

    def __init__(self, port, plan):
        self.upstream = port
        self.plan = list(plan)
        self.passed = 0
        self.lock = threading.Lock()
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.sockets += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    def next_action(self, count):
        with self.lock:
            self.passed += count
            if self.plan and self.passed >= self.plan[0][0]:
                return self.plan.pop(0)[1]
            return None

    def pump(self, source, target):
        try:
            while data := source.recv(65536):
                action = self.next_action(len(data))
                verdict = action() if action else None
                if verdict == "stall":
                    return
                if verdict == "cut":
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
        for end in self.sockets:
            end.close()
