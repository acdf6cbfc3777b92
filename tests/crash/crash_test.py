#!/usr/bin/env python3
# Kills the real server at random moments under load and checks what it promised: every write that
# it acknowledged is there after the restart, every acknowledged deletion stays, and nothing is
# there that nobody wrote.
#
# Who writes, and what may be there afterwards, is in load.py. kill -9 keeps what the kernel holds;
# power cuts are the business of tests/sim. The data folder is kept when a check fails.
#
#   crash_test.py --server build/release/bin/ferresdb [--cycles 25] [--seed N] [--threads 4]
import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from ferres_server import Server  # noqa: E402
from load import DIMENSION, Writer, check_searches, read_points, settle  # noqa: E402

COLLECTIONS = ("kept", "other")
# Small, so that kills meet checkpoints, new log segments and the building of the graph.
SETTINGS = {
    "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 20),
    "FERRESDB_CHECKPOINT_SECONDS": "1",
    "FERRESDB_LOG_SEGMENT_BYTES": str(1 << 18),
    "FERRESDB_FLAT_POINTS_MAX": "100",
    "FERRESDB_LOG_LEVEL": "warning",
}


def fail(server, text):
    print(f"FAILED: {text}\n--- the server's last lines\n{server.log_tail()}", flush=True)
    sys.exit(1)


def create_collections(client):
    kinds = ({"distance": "Cosine", "index": "fast", "quantization": {"RaBitQ": {"bits": 8}}},
             {"distance": "Euclidean", "storage": {"vectors": "mmap"}})
    for name, kind in zip(COLLECTIONS, kinds):
        status, answer = client.request("POST", "/api/v1/collections", {
            "name": name, "dimension": DIMENSION, **kind})
        if status not in (201, 409):
            raise AssertionError(f"create answered {status}: {answer}")


def check(client, states, draw):
    for name in COLLECTIONS:
        settle(name, read_points(client, name), states)
    check_searches(client, states, draw)


def run(arguments):
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}, {arguments.cycles} cycles", flush=True)
    draw = random.Random(seed)
    places = [(name, "") for name in COLLECTIONS]
    folder = Path(tempfile.mkdtemp(prefix="ferres-crash-"))
    server = Server(arguments.server, folder / "data", SETTINGS)
    states = {}
    requests = points = 0
    restart_seconds = 0.0
    try:
        server.start()
        with server.client() as client:
            create_collections(client)
        for cycle in range(arguments.cycles):
            writers = [Writer(i, server, draw.random(), states, places, changes_index=True)
                       for i in range(arguments.threads)]
            for writer in writers:
                writer.start()
            time.sleep(draw.uniform(0.05, 1.2))
            server.kill()
            for writer in writers:
                writer.join()
                requests += writer.requests
                points += writer.points
                if writer.error is not None:
                    fail(server, f"cycle {cycle}, seed {seed}: {writer.error}")
            if draw.random() < 0.3:  # once more while it recovers
                server.launch()
                time.sleep(draw.uniform(0, 0.3))
                server.kill()
            began = time.monotonic()
            server.start()
            restart_seconds = max(restart_seconds, time.monotonic() - began)
            try:
                with server.client() as client:
                    check(client, states, draw)
            except AssertionError as error:
                fail(server, f"cycle {cycle}, seed {seed}: {error}")
        server.stop()
    finally:
        if server.process is not None and server.is_alive():
            server.kill()
    print(f"{arguments.cycles} kills, {requests} acknowledged requests with "
          f"{points} points; slowest restart {restart_seconds:.2f} s; nothing lost, "
          f"nothing came back", flush=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--cycles", type=int, default=25)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int, default=4)
    run(parser.parse_args())
