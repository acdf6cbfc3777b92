#!/usr/bin/env python3
"""Measures a backup to a real S3 server and its restore: seconds, memory above idle, also with a
connection cut and the S3 server killed in the middle; and that every point came back.

  benchmarks/backup.py --server build/release/bin/ferresdb --s3-server VERSITYGW [--points 170000]
"""
import argparse
import base64
import hashlib
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "harness"))
from ferres_server import Server  # noqa: E402
from s3_server import Proxy, S3Server  # noqa: E402

DIMENSION = 1536
BATCH = 500
MIB = 1 << 20


def call(server, method, path, body=None, expect=200):
    with server.client() as client:
        client.connection.timeout = 3600
        status, answer = client.request(method, "/api/v1" + path, body)
    assert status == expect, (status, answer)
    return answer


def fill(server, count):
    call(server, "POST", "/collections",
         {"name": "docs", "dimension": DIMENSION, "distance": "Cosine", "index": "flat"}, 201)
    numbers = random.Random(1)
    with server.client() as client:
        for first in range(0, count, BATCH):
            points = []
            for i in range(first, min(count, first + BATCH)):
                raw = bytearray(numbers.randbytes(4 * DIMENSION))
                raw[3::4] = b"\x3f" * DIMENSION  # floats in [0.5, 2)
                points.append({"id": f"p{i}", "vector": base64.b64encode(raw).decode(),
                               "metadata": {"n": i}})
            status, answer = client.request("POST", "/api/v1/collections/docs/points",
                                            {"points": points})
            assert status == 200, answer


def digest(server):
    """Of every point as the server lists them."""
    sha, offset = hashlib.sha256(), 0
    with server.client() as client:
        while True:
            status, page = client.raw(
                "GET", f"/api/v1/collections/docs/points?limit=1000&offset={offset}")
            assert status == 200
            sha.update(page)
            if b'"has_more":false' in page[-100:]:
                return sha.hexdigest()
            offset += 1000


def resident(server):
    """Anonymous memory and all that is resident, in MiB."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    kib = {line.split(":")[0]: int(line.split()[1])
           for line in text.splitlines() if line.startswith(("RssAnon", "VmRSS"))}
    return kib["RssAnon"] / 1024, kib["VmRSS"] / 1024


def measured(server, what, work):
    idle, peak, ended = resident(server), [0.0, 0.0], threading.Event()

    def sample():
        while not ended.wait(0.02):
            peak[:] = map(max, peak, resident(server))
    sampler = threading.Thread(target=sample)
    sampler.start()
    start = time.monotonic()
    answer = work()
    seconds = time.monotonic() - start
    ended.set()
    sampler.join()
    print(f"{what}: {seconds:.1f} s; above idle: {peak[0] - idle[0]:.0f} MiB anonymous, "
          f"{peak[1] - idle[1]:.0f} MiB resident", flush=True)
    return answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--s3-server", required=True)
    parser.add_argument("--points", type=int, default=170000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ferres-backup-", dir=ROOT / "build"))
    s3 = S3Server(options.s3_server, folder / "s3").start()

    def restart():
        s3.kill()
        s3.start()
        return "cut"
    # The first backup goes through untouched: a plan far away.
    proxy = Proxy(s3.port, [])
    server = Server(options.server, folder / "data", env=s3.settings(port=proxy.port)).start()
    servers = [server]
    try:
        fill(server, options.points)
        call(server, "POST", "/save")
        total = sum(path.stat().st_size for path in (folder / "data/collections").rglob("*.bin"))
        print(f"{options.points} points, {total / MIB:.0f} MiB of page files", flush=True)
        expected = digest(server)
        keys = {}
        for what, body, plan in (
                ("full", None, []),
                ("full, connection cut at 500 MiB", None, [(500 * MIB, lambda: "cut")]),
                ("full, S3 server killed at 500 MiB", None, [(500 * MIB, restart)]),
                ("incremental, the first", {"incremental": True}, []),
                ("incremental, nothing new", {"incremental": True}, [])):
            proxy.passed, proxy.plan = 0, plan
            answer = measured(server, what,
                              lambda body=body: call(server, "POST", "/admin/backup", body))
            assert not proxy.plan
            keys[what] = answer["key"]
            print(f"  {answer['size_bytes'] / MIB:.0f} MiB uploaded", flush=True)
        for what in ("full, S3 server killed at 500 MiB", "incremental, the first"):
            other = Server(options.server, folder / f"copy{len(servers)}",
                           env=s3.settings()).start()
            servers.append(other)
            measured(other, f"restore of '{what}'",
                     lambda other=other, what=what: call(other, "POST", "/admin/restore/backup",
                                                         {"key": keys[what]}))
            print("  identical" if digest(other) == expected else "  DIFFERENT", flush=True)
    finally:
        for each in servers:
            each.stop()
        proxy.stop()
        s3.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
