#!/usr/bin/env python3
"""Durable upserts of one point on many connections against one client that sends batches: points
acknowledged a second and syncs of the log, run in turn on new servers; medians. Needs perf, and the
right to count system calls with it (root), for a count of syncs that costs the server nothing.

  benchmarks/group_commit.py --base B.npy --queries Q.npy --gt GT.npy [--connections 64]
"""
import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "harness"))
from ferres_server import API_KEY, Server  # noqa: E402

SYNCS = ("fdatasync", "fsync", "sync_file_range", "msync")


class SyncCount:
    """Counts the syncs of a process while it is entered."""

    def __init__(self, pid):
        events = ",".join(f"syscalls:sys_enter_{name}" for name in SYNCS)
        self.perf = subprocess.Popen(["perf", "stat", "-x", ",", "-e", events, "-p", str(pid)],
                                     stderr=subprocess.PIPE, text=True)
        self.total = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.perf.send_signal(signal.SIGINT)
        rows = [line.split(",") for line in self.perf.communicate()[1].splitlines()]
        counts = [int(row[0]) for row in rows if len(row) > 2 and row[0].isdigit()]
        if len(counts) != len(SYNCS):
            raise SystemExit(f"perf did not count: {rows}")
        self.total = sum(counts)


def measure(options, connections, batch):
    folder = Path(tempfile.mkdtemp(prefix="ferres-commit-", dir=ROOT / "build"))
    server = Server(options.server, folder / "data").start()
    result = folder / "result.json"
    try:
        with SyncCount(server.process.pid) as syncs:
            subprocess.run(
                [options.bench, "load", "--only", "fill", "--url",
                 f"http://127.0.0.1:{server.port}", "--key", API_KEY, "--pid",
                 str(server.process.pid), "--base", options.base, "--queries", options.queries,
                 "--gt", options.gt, "--connections", str(connections), "--batch", str(batch),
                 "--json", str(result)], check=True, stdout=subprocess.DEVNULL)
        figures = json.loads(result.read_text())
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    writes = -(-figures["n"] // batch)
    return {"points_per_s": figures["ingest_points_per_s"], "p50_ms": figures["ingest_p50_us"] / 1e3,
            "p99_ms": figures["ingest_p99_us"] / 1e3, "writes_a_sync": writes / syncs.total,
            "server_cpu_us_a_point": figures["ingest_server_cpu_us_per_point"]}


def main():
    parser = argparse.ArgumentParser()
    for name in ("base", "queries", "gt"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--server", default=str(ROOT / "build/release/bin/ferresdb"))
    parser.add_argument("--bench", default=str(ROOT / "build/release/bin/ferresdb-bench"))
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    forms = ((options.connections, 1), (1, options.batch))
    runs = {form: [] for form in forms}
    for _ in range(options.runs):
        for form in forms:
            runs[form].append(measure(options, *form))
            print(form, json.dumps(runs[form][-1]), flush=True)
    print("connections, batch: medians")
    for form in forms:
        medians = {name: round(statistics.median(run[name] for run in runs[form]), 1)
                   for name in runs[form][0]}
        print(f"{form[0]}, {form[1]}: {json.dumps(medians)}")
    shares = [one["points_per_s"] / many["points_per_s"]
              for one, many in zip(*runs.values(), strict=True)]
    print(f"single points against batches: {statistics.median(shares):.2f} of the rate "
          f"({min(shares):.2f} to {max(shares):.2f}, run by run)")


if __name__ == "__main__":
    main()
