#!/usr/bin/env python3
"""Many small namespaces on a real server, in both forms: times, memory, open files; then random
requests of every kind, each answer compared with what its tenant stored (tenants_load.py).

  benchmarks/tenants.py [--form shared|isolated] [--tenants 10000] [--requests 100000]
"""
import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tenants_load import BASE, DIMENSION, POINTS, Connection, first_points, make_point, marker
from ferres_server import Server  # noqa: E402 (tenants_load knows where)

ROOT = Path(__file__).resolve().parent.parent
TENANTS_A_BATCH = 100  # 1000 points
CALLS = 1000           # behind each latency
MIB = 1 << 20


def process_state(pid):
    status = dict(line.split(":", 1) for line in
                  Path(f"/proc/{pid}/status").read_text().splitlines())
    return {"rss_mib": int(status["VmRSS"].split()[0]) // 1024,
            "anonymous_mib": int(status["RssAnon"].split()[0]) // 1024,
            "threads": int(status["Threads"]),
            "open_files": len(os.listdir(f"/proc/{pid}/fd")),
            "mappings": Path(f"/proc/{pid}/maps").read_text().count("\n")}


class Peak:
    """The greatest of each figure while it is entered."""

    def __init__(self, server):
        self.pid = server.process.pid
        self.most, self.ended = {}, threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        while not self.ended.wait(0.1):
            for name, value in process_state(self.pid).items():
                self.most[name] = max(value, self.most.get(name, 0))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


class Bench:
    def __init__(self, options, isolated, folder):
        self.options = options
        self.server = Server(options.server, folder / "data", env={
            "FERRESDB_NAMESPACE_PHYSICAL_ISOLATION": "true" if isolated else "false"})
        self.numbers = random.Random(options.seed)
        self.client = None

    def report(self, what, **figures):
        print(f"{what}: {json.dumps(figures)}", flush=True)

    def call(self, method, path, body=None, expect=200):
        status, answer = self.client.request(method, path, body)
        assert status == expect, (method, path, status, answer)
        return answer

    def timed(self, method, path, body=None):
        start = time.monotonic()
        self.call(method, path, body)
        return time.monotonic() - start

    def latency(self, what, request, calls=CALLS):
        times = sorted(self.timed(*request()) for _ in range(calls))
        self.report(what, calls=calls, p50_ms=round(statistics.median(times) * 1e3, 2),
                    p99_ms=round(times[int(calls * 0.99)] * 1e3, 2),
                    **process_state(self.server.process.pid))

    def start(self, what):
        start = time.monotonic()
        self.server.start()
        seconds = time.monotonic() - start
        self.client = self.server.client()
        self.client.connection.timeout = 3600
        first = self.timed(*self.search(self.anyone()))
        self.report(what, seconds=round(seconds, 3), first_search_ms=round(first * 1e3, 2),
                    **process_state(self.server.process.pid))

    def anyone(self):
        return marker(self.numbers.randrange(self.options.tenants))

    def search(self, namespace=None):
        body = {"vector": make_point(0, "", self.numbers)["vector"], "limit": POINTS}
        if namespace:
            body["namespace"] = namespace
        return "POST", f"{BASE}/search", body

    def upsert(self):
        """A point that is there already, as it is."""
        tenant = self.numbers.randrange(self.options.tenants)
        point = first_points(tenant)[self.numbers.randrange(POINTS)]
        return "POST", f"{BASE}/points", {"points": [{**point, "namespace": marker(tenant)}]}

    def load(self):
        self.client = self.server.start().client()
        self.call("POST", "/api/v1/collections",
                  {"name": "tenants", "dimension": DIMENSION, "distance": "Euclidean"}, 201)
        start = time.monotonic()
        with Peak(self.server) as peak:
            for first in range(0, self.options.tenants, TENANTS_A_BATCH):
                tenants = range(first, min(first + TENANTS_A_BATCH, self.options.tenants))
                self.call("POST", f"{BASE}/points", {"points": [
                    {**point, "namespace": marker(t)} for t in tenants for point in first_points(t)]})
        self.report("load", seconds=round(time.monotonic() - start, 1), peak=peak.most)

    def checkpoint(self, what):
        with Peak(self.server) as peak:
            seconds = self.timed("POST", "/api/v1/admin/checkpoint", {})
        data = Path(self.server.folder)
        files = [path.stat() for path in data.rglob("*") if path.is_file()]
        self.report(what, seconds=round(seconds, 3), files=len(files),
                    disk_mib=round(sum(f.st_blocks for f in files) * 512 / MIB),
                    bytes_mib=round(sum(f.st_size for f in files) / MIB), peak=peak.most)

    def restarts(self):
        self.server.kill()
        self.start("start after kill -9, just loaded")
        self.checkpoint("checkpoint")
        start = time.monotonic()
        assert self.server.stop() == 0
        self.report("clean stop", seconds=round(time.monotonic() - start, 3))
        self.start("start after a clean stop")
        self.latency("upserts", self.upsert)
        self.server.kill()
        self.start("start after kill -9, 1000 upserts since the checkpoint")

    def searches(self):
        each = iter(range(self.options.tenants))
        with Peak(self.server) as peak:
            self.latency("searches, each namespace once", lambda: self.search(marker(next(each))),
                         self.options.tenants)
        self.report("meanwhile", peak=peak.most)
        self.latency("searches in one namespace", lambda: self.search(marker(7)))
        with Peak(self.server) as peak:
            self.latency("searches without namespace", self.search, 5)
        self.report("meanwhile", peak=peak.most)
        self.latency("upserts", self.upsert)
        self.checkpoint("checkpoint after 1000 upserts")
        self.latency("drops of an empty namespace",
                     lambda: ("DELETE", f"{BASE}/namespaces/nobody{self.numbers.random()}"), 100)

    def random_requests(self):
        """Processes, for Python's threads would wait for each other more than for the server."""
        tenants, jobs = self.options.tenants, self.options.connections
        share = self.options.requests // jobs
        with Peak(self.server) as peak, multiprocessing.Pool(jobs) as pool:
            start = time.monotonic()
            results = pool.starmap(run_connection, [
                (self.server.port, range(i, tenants, jobs), (i + 1) % jobs, jobs, tenants, share,
                 self.options.seed + i) for i in range(jobs)])
            seconds = time.monotonic() - start
        points = {}
        times = {}
        for result in results:
            points.update(result["points"])
            for kind, values in result["times"].items():
                times.setdefault(kind, []).extend(values)
        problems = {what: [text for r in results for text in r[what]] for what in ("leaks", "wrong")}
        self.report("random requests", requests=sum(r["requests"] for r in results),
                    seconds=round(seconds, 1), leaks=len(problems["leaks"]),
                    wrong=len(problems["wrong"]), peak=peak.most,
                    now=process_state(self.server.process.pid))
        for text in (problems["leaks"] + problems["wrong"])[:20]:
            print("  " + text)
        for kind, values in sorted(times.items()):
            values.sort()
            print(f"  {kind}: {len(values)}, p50 {statistics.median(values) * 1e3:.2f} ms, "
                  f"p99 {values[int(len(values) * 0.99)] * 1e3:.2f} ms, "
                  f"longest {values[-1] * 1e3:.0f} ms")
        self.compare(points, "living points of all tenants")
        return points

    def compare(self, points, what):
        status, answer = self.client.raw("POST", f"{BASE}/export", "{}")
        assert status == 200, answer[:500]
        stored = {}
        for line in answer.splitlines():
            point = json.loads(line)
            stored.setdefault(point["namespace"], {})[point["id"]] = {
                key: point[key] for key in ("id", "vector", "metadata")}
        wanted = {marker(t): own for t, own in points.items() if own}
        different = [ns for ns in wanted.keys() | stored.keys() if wanted.get(ns) != stored.get(ns)]
        self.report(what, points=sum(map(len, stored.values())), namespaces=len(stored),
                    different=len(different))

    def drops(self):
        names = iter(self.numbers.sample(range(self.options.tenants), 100))
        self.latency("drops of a namespace",
                     lambda: ("DELETE", f"{BASE}/namespaces/{marker(next(names))}"), 100)
        self.checkpoint("checkpoint at the end")

    def run(self):
        self.load()
        self.restarts()
        self.searches()
        points = None
        if self.options.requests:
            points = self.random_requests()
            self.server.kill()
            self.start("start after kill -9, random requests since")
            self.compare(points, "living points after it")
        self.drops()


def run_connection(port, tenants, other, step, count, requests, seed):
    connection = Connection(port, tenants, range(other, count, step), seed)
    leaks, wrong = connection.run(requests)
    return {"leaks": leaks, "wrong": wrong, "times": connection.times, "points": connection.points,
            "requests": connection.requests}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=str(ROOT / "build/release/bin/ferresdb"))
    parser.add_argument("--form", choices=("shared", "isolated"))
    parser.add_argument("--tenants", type=int, default=10000)
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for form in (options.form,) if options.form else ("shared", "isolated"):
        print(f"== {form}: {options.tenants} namespaces of {POINTS} points, {DIMENSION} components")
        folder = Path(tempfile.mkdtemp(prefix="ferres-tenants-", dir=ROOT / "build"))
        bench = Bench(options, form == "isolated", folder)
        try:
            bench.run()
        finally:
            bench.server.stop()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
