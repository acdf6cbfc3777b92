#!/usr/bin/env python3
# Vectors away from memory: moving them between tiers, being killed meanwhile, and a page file that
# is cut while the server maps it.
import shutil
import tempfile
import time
import unittest
from pathlib import Path

from suite import Server, binary

DIMENSION = 64
POINTS = 4000  # on 16 pages of 64 KiB
SECONDS_MAX = 30


def vector(number, version=0):
    return [number + version / 4] + [1] * (DIMENSION - 1)


class Tiers(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.server = Server(binary(), self.folder / "data").start()
        self.addCleanup(lambda: self.server.is_alive() and self.server.kill())
        self.client = self.server.client()
        self.addCleanup(lambda: self.client.close())

    def ask(self, expected, method, path, body=None):
        status, answer = self.client.request(method, "/api/v1" + path, body)
        self.assertEqual(status, expected, answer)
        return answer

    def make(self, name, **config):
        self.ask(201, "POST", "/collections", {
            "name": name, "dimension": DIMENSION, "distance": "Euclidean", **config})
        self.fill(name)
        self.ask(200, "POST", "/save")

    def fill(self, name, version=0):
        for first in range(0, POINTS, 1000):
            points = [{"id": str(i), "vector": vector(i, version)} for i in range(first, first + 1000)]
            self.ask(200, "POST", f"/collections/{name}/points", {"points": points})

    def finds(self, name, number, version=0):
        answer = self.ask(200, "POST", f"/collections/{name}/search", {
            "vector": vector(number, version), "limit": 1, "exact": True})
        found = answer["results"][0]
        self.assertEqual((found["id"], found["score"]), (str(number), 0))

    def restart(self):
        self.client.close()
        self.server.start()
        self.client = self.server.client()

    def await_tiers(self, name, tier):
        deadline = time.monotonic() + SECONDS_MAX
        tiers = {}
        while time.monotonic() < deadline:
            tiers = self.ask(200, "GET", f"/collections/{name}/tiers")
            self.assertEqual(tiers["hot"] + tiers["warm"] + tiers["cold"], POINTS)
            if tiers[tier] == POINTS:
                return
            time.sleep(0.05)
        self.fail(f"never {tier}: {tiers}")

    def patch(self, name, hot, warm):
        self.ask(204, "PATCH", f"/collections/{name}", {
            "tiered_storage": {"hot_threshold_hours": hot, "warm_threshold_hours": warm}})

    def test_killed_while_vectors_move(self):
        self.make("t", tiered_storage={"enabled": True, "compaction_interval_secs": 1})
        self.await_tiers("t", "hot")
        for version in range(1, 5):
            self.fill("t", version)
            self.ask(200, "POST", "/save")
            for hot, warm in [(0, 0), (24, 168), (0, 168), (0, 0), (24, 24)]:
                self.patch("t", hot, warm)  # begins to move, and the next does not wait for it
            self.server.kill()
            self.restart()
            for number in range(0, POINTS, 501):
                self.finds("t", number, version)
            self.assertEqual(self.ask(200, "GET", "/collections/t")["num_points"], POINTS)
        self.patch("t", 0, 0)
        self.await_tiers("t", "cold")
        self.finds("t", 77, 4)

    def test_a_page_file_that_is_cut_stops_its_collection_alone(self):
        for name, config in [("mapped", {"storage": {"vectors": "mmap"}}),
                             ("tiered", {"tiered_storage": {"enabled": True}})]:
            self.make(name, **config)
        self.make("whole", storage={"vectors": "mmap"})
        self.patch("tiered", 0, 0)
        self.await_tiers("tiered", "cold")
        files = {path: path.read_bytes() for path in self.folder.rglob("points-*.bin")
                 if "whole" not in path.parts}
        self.assertGreaterEqual(len(files), 2)
        for path in files:
            with open(path, "r+b") as file:
                file.truncate(4096)
        for name in ["mapped", "tiered"]:
            status, answer = self.client.request("POST", f"/api/v1/collections/{name}/search", {
                "vector": vector(7), "limit": 1, "exact": True})
            self.assertEqual(status, 503, answer)
            self.assertIn(f"collection '{name}' is unavailable", answer["message"])
            self.assertIn("could not be read", answer["message"])
            self.ask(503, "POST", f"/collections/{name}/points",
                     {"points": [{"id": "new", "vector": vector(1)}]})
            self.ask(503, "GET", f"/collections/{name}/points/7")
        self.finds("whole", 7)
        self.ask(200, "POST", "/collections/whole/points",
                 {"points": [{"id": "new", "vector": vector(1)}]})
        self.assertEqual(self.server.stop(), 0)
        for path, content in files.items():
            path.write_bytes(content)
        self.restart()
        for name in ["mapped", "tiered", "whole"]:
            self.finds(name, 7)


if __name__ == "__main__":
    binary()
    unittest.main(verbosity=2)
