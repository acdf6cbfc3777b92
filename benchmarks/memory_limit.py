#!/usr/bin/env python3
"""Vectors larger than memory: a server whose vectors are cold, in a control group with a limit of
memory that is a share of their size, beside the same collection without a limit and all hot.

Needs root and Linux's memory control groups, version 1 or 2. The page cache counts towards the
limit, so what the files left in it is dropped before the limited server starts. Run it as
  benchmarks/memory_limit.py --base B.npy --queries Q.npy --gt GT.npy --dir EMPTY_FOLDER
The last line is the result as JSON.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "harness"))
from ferres_server import API_KEY, Server  # noqa: E402

NAME = "ferresdb-bench"
COLLECTION = f"/api/v1/collections/{NAME}"
HOURS_MAX = 24 * 366 * 100


class Group:
    """A control group of memory, version 1 or 2, that ends with the object."""

    def __init__(self, limit):
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        self.v1 = v1.is_dir()
        self.folder = (v1 if self.v1 else v1.parent) / f"ferresdb-bench-{os.getpid()}"
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if self.v1 else "memory.max")).write_text(str(limit))

    def figures(self):
        peak = "memory.max_usage_in_bytes" if self.v1 else "memory.peak"
        stat = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return {"peak_bytes": int((self.folder / peak).read_text()),
                "anonymous_bytes": int(stat["rss" if self.v1 else "anon"])}

    def wrap(self, binary, script):
        script.write_text(f"#!/bin/sh\necho $$ > {self.folder}/cgroup.procs\nexec {binary}\n")
        script.chmod(0o755)
        return str(script)

    def remove(self):
        self.folder.rmdir()


def drop_from_cache(folder):
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines if line.endswith("kB")}
    return {"resident_peak_bytes": found["VmHWM"], "resident_anonymous_bytes": found["RssAnon"]}


def ask(server, method, path, body=None):
    with server.client() as client:
        status, answer = client.request(method, path, body)
    if status >= 300:
        raise SystemExit(f"{method} {path}: {status} {answer}")
    return answer


def settle(server, tiers, wanted):
    """Waits until all points are where the policy wants them."""
    ask(server, "PATCH", COLLECTION, {"tiered_storage": tiers})
    while True:
        found = ask(server, "GET", COLLECTION + "/tiers")
        if found[wanted] == found["hot"] + found["warm"] + found["cold"]:
            return found
        time.sleep(0.2)


def bench(options, server, only):
    out = options.dir / "bench.json"
    run = [options.bench, "load", "--url", f"http://127.0.0.1:{server.port}", "--key", API_KEY,
           "--base", options.base, "--queries", options.queries, "--gt", options.gt,
           "--metric", options.metric, "--connections", str(options.connections), "--ef", options.ef,
           "--batch", "500", "--only", only, "--pid", str(server.process.pid), "--json", str(out),
           "--config", json.dumps({"quantization": {"RaBitQ": {"bits": options.bits}},
                                   "tiered_storage": {"enabled": True,
                                                      "compaction_interval_secs": 1}})]
    subprocess.run(run, check=True)
    return json.loads(out.read_text())


def main():
    build = HERE.parent / "build" / "release" / "bin"
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ["--base", "--queries", "--gt"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--dir", required=True, type=pathlib.Path, help="empty, or not there")
    parser.add_argument("--metric", default="cosine")
    parser.add_argument("--bits", type=int, default=2, help="of the codes in memory")
    parser.add_argument("--share", type=float, default=0.25, help="limit, of the vectors' bytes")
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--ef", default="50,100,200,400")
    parser.add_argument("--server", default=str(build / "ferresdb"))
    parser.add_argument("--bench", default=str(build / "ferresdb-bench"))
    options = parser.parse_args()
    options.dir.mkdir(exist_ok=True)
    if any(options.dir.iterdir()):
        raise SystemExit(f"{options.dir} is not empty")
    data = options.dir / "data"
    result = {}
    with Server(options.server, data) as server:
        filled = bench(options, server, "fill")
        ask(server, "POST", "/api/v1/save")
        always = {"hot_threshold_hours": HOURS_MAX, "warm_threshold_hours": HOURS_MAX}
        result["hot"] = {"tiers": settle(server, always, "hot"),
                         "curve": bench(options, server, "search")["curve"],
                         **resident(server.process.pid)}
        settle(server, {"hot_threshold_hours": 0, "warm_threshold_hours": 0}, "cold")
    vectors = filled["n"] * filled["dim"] * 4
    limit = int(vectors * options.share)
    drop_from_cache(data)
    group = Group(limit)
    try:
        limited = Server(group.wrap(options.server, options.dir / "limited.sh"), data)
        with limited as server:
            tiers = settle(server, {"hot_threshold_hours": 0}, "cold")
            result["limited"] = {"tiers": tiers, "curve": bench(options, server, "search")["curve"],
                                 **resident(server.process.pid), **group.figures()}
    finally:
        group.remove()
    print(json.dumps({"n": filled["n"], "dim": filled["dim"], "vector_bytes": vectors,
                      "limit_bytes": limit, "bits": options.bits, **result}))


if __name__ == "__main__":
    main()
