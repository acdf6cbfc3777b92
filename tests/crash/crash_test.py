#!/usr/bin/env python3
# Kills the real server at random moments under load and checks what it promised: every write that
# it acknowledged is there after the restart, every acknowledged deletion stays, and nothing is
# there that nobody wrote.
#
# Threads own ids of their own, so each knows what its ids must be: the last acknowledged state, or
# that of the one request that was cut off. kill -9 keeps what the kernel holds; power cuts are the
# business of tests/sim. The data folder is kept when a check fails.
#
#   crash_test.py --server build/release/bin/ferresdb [--cycles 25] [--seed N] [--threads 4]
import argparse
import http.client
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from ferres_server import Server  # noqa: E402

DIMENSION = 16
IDS_PER_THREAD = 120
COLLECTIONS = ("kept", "other")
# Small, so that kills meet checkpoints, new log segments and the building of the graph.
SETTINGS = {
    "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 20),
    "FERRESDB_CHECKPOINT_SECONDS": "1",
    "FERRESDB_LOG_SEGMENT_BYTES": str(1 << 18),
    "FERRESDB_FLAT_POINTS_MAX": "100",
    "FERRESDB_LOG_LEVEL": "warning",
}
ABSENT = None


def fail(server, text):
    print(f"FAILED: {text}\n--- the server's last lines\n{server.log_tail()}", flush=True)
    sys.exit(1)


class Writer(threading.Thread):
    """Upserts and deletes ids of its own until the server is gone. states[(collection, id)] is the
    list of states that the point may be in: one, or more where a request was cut off."""

    def __init__(self, number, server, seed, states):
        super().__init__()
        self.number = number
        self.server = server
        self.random = random.Random(seed)
        self.states = states
        self.requests = 0
        self.points = 0
        self.error = None

    def run(self):
        client = self.server.client()
        try:
            while True:
                collection = self.random.choice(COLLECTIONS)
                chosen = self.random.sample(range(IDS_PER_THREAD), self.random.randint(1, 20))
                ids = [f"w{self.number}-{i}" for i in chosen]
                if self.random.random() < 0.02:
                    self.change_index(client, collection)
                elif self.random.random() < 0.3:
                    self.delete(client, collection, ids)
                else:
                    self.upsert(client, collection, ids)
        except (OSError, http.client.HTTPException):
            pass  # killed; what was under way stays uncertain
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            client.close()

    def upsert(self, client, collection, ids):
        points = []
        for point_id in ids:
            vector = [round(self.random.uniform(-1, 1), 3) for _ in range(DIMENSION)]
            stamp = self.random.randrange(1 << 50)
            points.append({"id": point_id, "vector": vector, "metadata": {"stamp": stamp}})
            self.ask(collection, point_id, (stamp, tuple(vector)))
        status, answer = client.request("POST", f"/api/v1/collections/{collection}/points",
                                        {"points": points})
        if status != 200 or answer["upserted"] != len(points) or answer["failed"]:
            raise AssertionError(f"upsert answered {status}: {answer}")
        self.acknowledge(collection, ids)

    def delete(self, client, collection, ids):
        for point_id in ids:
            self.ask(collection, point_id, ABSENT)
        status, answer = client.request("DELETE", f"/api/v1/collections/{collection}/points",
                                        {"ids": ids})
        if status != 200:
            raise AssertionError(f"delete answered {status}: {answer}")
        self.acknowledge(collection, ids)

    def change_index(self, client, collection):
        """Built in the background, beside everything else."""
        status, answer = client.request(
            "PATCH", f"/api/v1/collections/{collection}",
            {"index": self.random.choice(["fast", "compact", "flat"]),
             "quantization": self.random.choice([{"RaBitQ": {"bits": 8}}, {"Scalar": {}}])})
        if status != 204:
            raise AssertionError(f"patch answered {status}: {answer}")

    def ask(self, collection, point_id, state):
        self.states.setdefault((collection, point_id), [ABSENT]).append(state)

    def acknowledge(self, collection, ids):
        for point_id in ids:
            del self.states[(collection, point_id)][:-1]
        self.requests += 1
        self.points += len(ids)


def create_collections(client):
    kinds = ({"distance": "Cosine", "index": "fast", "quantization": {"RaBitQ": {"bits": 8}}},
             {"distance": "Euclidean", "storage": {"vectors": "mmap"}})
    for name, kind in zip(COLLECTIONS, kinds):
        status, answer = client.request("POST", "/api/v1/collections", {
            "name": name, "dimension": DIMENSION, **kind})
        if status not in (201, 409):
            raise AssertionError(f"create answered {status}: {answer}")


def read_collection(client, name):
    """All points by id, by pages."""
    found = {}
    offset = 0
    while True:
        status, answer = client.request(
            "GET", f"/api/v1/collections/{name}/points?limit=1000&offset={offset}")
        if status != 200:
            raise AssertionError(f"list answered {status}: {answer}")
        for point in answer["points"]:
            if point["id"] in found:
                raise AssertionError(f"{point['id']} is listed twice")
            found[point["id"]] = point
        offset += len(answer["points"])
        if not answer["has_more"]:
            if answer["total"] != len(found):
                raise AssertionError(f"total {answer['total']}, listed {len(found)}")
            return found


def state_of(point):
    if point is None:
        return ABSENT
    return (point["metadata"]["stamp"], tuple(round(x, 3) for x in point["vector"]))


def check(client, states):
    """Compares, and settles what was uncertain by what is there."""
    for name in COLLECTIONS:
        found = read_collection(client, name)
        for point_id in found:
            if (name, point_id) not in states:
                raise AssertionError(f"{name}: nobody wrote {point_id}")
        for (collection, point_id), allowed in states.items():
            if collection != name:
                continue
            state = state_of(found.get(point_id))
            if state not in allowed:
                what = "is gone" if state is ABSENT else (
                    "came back" if allowed == [ABSENT] else "is not as it was written")
                raise AssertionError(f"{name}: {point_id} {what}; allowed {allowed}, found {state}")
            allowed[:] = [state]
    check_search(client, states)


def check_search(client, states):
    """A few living points find themselves."""
    living = [(key, allowed[0]) for key, allowed in states.items() if allowed[0] is not ABSENT]
    for (name, point_id), (stamp, vector) in random.sample(living, min(10, len(living))):
        status, answer = client.request("POST", f"/api/v1/collections/{name}/search",
                                        {"vector": vector, "limit": 3})
        if status != 200:
            raise AssertionError(f"search answered {status}: {answer}")
        hits = {hit["id"]: hit for hit in answer["results"]}
        if point_id not in hits or hits[point_id]["metadata"]["stamp"] != stamp:
            raise AssertionError(f"{name}: a search by the vector of {point_id} misses it: {hits}")
        for hit in answer["results"]:
            if states.get((name, hit["id"]), [ABSENT])[0] is ABSENT:
                raise AssertionError(f"{name}: the search answers {hit['id']}, which is not there")


def run(arguments):
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}, {arguments.cycles} cycles", flush=True)
    draw = random.Random(seed)
    random.seed(seed)
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
            writers = [Writer(i, server, draw.random(), states)
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
                    check(client, states)
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
