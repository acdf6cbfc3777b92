#!/usr/bin/env python3
# The server as a process: starting twice, where it may not, on a full disk; stopping; what is there
# after a restart.
import concurrent.futures
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from suite import Server, binary


class Process(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        self.servers = []
        self.clients = []
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.addCleanup(self.end_all)

    def end_all(self):
        for client in self.clients:
            client.close()
        for server in self.servers:
            if server.process is not None and server.is_alive():
                server.kill()

    def server(self, data="data", **more):
        server = Server(binary(), self.folder / data, **more)
        self.servers.append(server)
        return server

    def client(self, server):
        self.clients.append(server.client())
        return self.clients[-1]

    def ends_with(self, server, *words):
        """A start that must fail soon, saying why."""
        server.launch()
        code = server.process.wait(30)
        self.assertNotEqual(code, 0)
        self.assertGreater(code, 0, "ended by a signal")
        text = server.log_tail()
        for word in words:
            self.assertIn(word, text)

    def fill(self, client, name="c", count=50):
        status, answer = client.request("POST", "/api/v1/collections", {
            "name": name, "dimension": 4, "distance": "Euclidean"})
        self.assertEqual(status, 201, answer)
        points = [{"id": str(i), "vector": [i, 1, 2, 3], "metadata": {"n": i}}
                  for i in range(count)]
        status, answer = client.request("POST", f"/api/v1/collections/{name}/points",
                                        {"points": points})
        self.assertEqual((status, answer["upserted"]), (200, count), answer)

    def test_a_stop_and_a_start_keep_everything(self):
        server = self.server().start()
        self.fill(self.client(server))
        self.assertEqual(server.stop(), 0)
        server.start()
        client = self.client(server)
        status, answer = client.request("GET", "/api/v1/collections/c")
        self.assertEqual((status, answer["num_points"]), (200, 50))
        status, answer = client.request("POST", "/api/v1/collections/c/search",
                                        {"vector": [7, 1, 2, 3], "limit": 1})
        self.assertEqual((answer["results"][0]["id"], answer["results"][0]["score"]), ("7", 0))
        self.assertEqual(client.request("DELETE", "/api/v1/collections/c")[0], 204)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(self.client(server).request("GET", "/api/v1/collections/c")[0], 404)

    def test_many_saves_at_once_leave_threads_for_writes(self):
        server = self.server().start()
        client = self.client(server)
        names = ["a", "b", "c", "d"]
        for name in names:
            self.fill(client, name)
        point = {"points": [{"id": "new", "vector": [1, 2, 3, 4]}]}
        savers = [self.client(server) for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(len(savers)) as pool:
            for _ in range(3):
                for name in names:  # else there is nothing to save
                    status, answer = client.request(
                        "POST", f"/api/v1/collections/{name}/points", point)
                    self.assertEqual(status, 200, answer)
                saved = pool.map(lambda saver: saver.request("POST", "/api/v1/save")[0], savers)
                self.assertEqual(list(saved), [200] * len(savers))

    def test_port_in_use(self):
        first = self.server().start()
        self.ends_with(self.server("second", port=first.port), str(first.port))
        self.assertTrue(first.is_alive())

    def test_two_servers_on_one_folder(self):
        first = self.server().start()
        self.fill(self.client(first))
        self.ends_with(self.server(), str(self.folder / "data"))
        self.fill(self.client(first), "still")

    def test_folder_that_cannot_be_made(self):
        (self.folder / "file").write_text("not a folder")
        server = self.server("file/data")
        server.log_path = str(self.folder / "server.log")
        self.ends_with(server, str(self.folder / "file"))
        self.assertEqual((self.folder / "file").read_text(), "not a folder")

    def test_folder_without_rights(self):
        if os.geteuid() != 0:
            (self.folder / "data").mkdir(mode=0o500)
            self.ends_with(self.server(), "data")
            return
        # Rights do not bind root: the server runs as nobody, from a place that nobody can read.
        copy = self.folder / "ferresdb"
        shutil.copy(binary(), copy)
        self.folder.chmod(0o755)
        copy.chmod(0o755)
        (self.folder / "data").mkdir(mode=0o700)
        server = self.server()
        run = subprocess.run([str(copy)], env=server.env, user=65534, group=65534, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                             check=False, cwd="/")
        self.assertGreater(run.returncode, 0, run.stdout)
        self.assertIn(str(self.folder / "data"), run.stdout)

    def test_settings_that_are_wrong(self):
        self.ends_with(self.server(env={"PORT": "99999"}), "99999")
        self.ends_with(self.server(env={"PORT": "eighty"}), "eighty")

    def test_a_full_disk_refuses_writes_and_recovers(self):
        self.fill_the_disk(reserve_bytes=1 << 20)

    def test_a_disk_that_is_full_to_the_last_byte_refuses_writes_and_recovers(self):
        self.fill_the_disk(reserve_bytes=0)

    def fill_the_disk(self, reserve_bytes):
        disk = self.folder / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)],
                                 check=False, capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("mounting a small tmpfs is not allowed here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)], check=False)
        (disk / "ballast").write_bytes(b"x" * (12 << 20))
        server = self.server("disk/data", env={"FERRESDB_LOG_SEGMENT_BYTES": str(1 << 20),
                                             "FERRESDB_DISK_RESERVE_BYTES": str(reserve_bytes)})
        server.log_path = str(self.folder / "server.log")
        server.start()
        client = self.client(server)
        self.fill(client)
        acknowledged, refused = 50, None
        for batch in range(200):
            points = [{"id": f"big-{batch}-{i}", "vector": [1, 2, 3, i],
                       "metadata": {"text": "x" * 5000}} for i in range(20)]
            status, answer = client.request("POST", "/api/v1/collections/c/points",
                                            {"points": points})
            if status != 200:
                refused = (status, answer)
                break
            acknowledged += len(points)
        self.assertIsNotNone(refused, "12 MB held 20 MB")
        self.assertEqual(refused[0], 507, refused)
        self.assertIn("space", refused[1]["message"])
        self.count_is(client, acknowledged)
        status, answer = client.request("POST", "/api/v1/collections/c/search",
                                        {"vector": [7, 1, 2, 3], "limit": 1})
        self.assertEqual(answer["results"][0]["id"], "7")

        (disk / "ballast").unlink()
        deadline = time.monotonic() + 20
        while True:
            status, answer = client.request("POST", "/api/v1/collections/c/points",
                                            {"points": [{"id": "after", "vector": [1, 2, 3, 4]}]})
            if status == 200 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.assertEqual(status, 200, answer)
        self.count_is(client, acknowledged + 1)
        server.stop()
        server.start()
        self.count_is(self.client(server), acknowledged + 1)

    def count_is(self, client, count):
        status, answer = client.request("GET", "/api/v1/collections/c/points?limit=1")
        self.assertEqual((status, answer["total"]), (200, count))


if __name__ == "__main__":
    binary()
    unittest.main(verbosity=2)
