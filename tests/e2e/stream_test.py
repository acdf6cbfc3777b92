#!/usr/bin/env python3
# Export and import over a real server: every point comes back, also in bad company; slow and vanished
# clients, a large body, a stop in between; and the command line on top.
import json
import os
import random
import re
import socket
import struct
import subprocess
import time
import unittest
from pathlib import Path

from suite import API_KEY, ServerTest, binary

DIMENSION = 16
POINTS = 20_000
LINES = {"Content-Type": "application/x-ndjson"}


def point(i, dimension=DIMENSION):
    noise = random.Random(i)
    made = {"id": f"p{i}", "vector": [noise.uniform(-1, 1) for _ in range(dimension)],
            "metadata": {"n": i, "text": "ä\n\"" * (i % 5), "even": i % 2 == 0}}
    if i % 7 == 0:
        made["namespace"] = f"ns{i % 3}"
    if i % 11 == 0:
        made["expires_at"] = 4_000_000_000 + i
    if i % 13 == 0:
        del made["vector"]
    made["created_at"] = 1_600_000_000 + i
    return made


def lines(points):
    return "".join(json.dumps(p) + "\n" for p in points).encode()


class StreamTest(ServerTest):

    def imported(self, path, body, headers=None):
        status, answer = self.client.raw("POST", path + "/import", body, headers or LINES)
        self.assertEqual(status, 200, answer)
        return json.loads(answer)

    def exported(self, path, **body):
        status, answer = self.client.raw("POST", path + "/export", json.dumps(body))
        self.assertEqual(status, 200, answer)
        return [json.loads(line) for line in answer.splitlines()]

    def tasks(self, kind):
        tasks = self.client.request("GET", "/api/v1/admin/tasks")[1]["tasks"]
        return [task for task in tasks if task["kind"] == kind]

    def wait_for(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def rss_anon_mib(self):
        for line in Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no RssAnon")

    def open(self, request, buffer=None):
        """A raw connection that has sent the request's bytes."""
        peer = socket.socket()
        self.addCleanup(peer.close)
        if buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        peer.settimeout(30)
        peer.connect(("127.0.0.1", self.server.port))
        peer.sendall(request)
        return peer

    def head(self, path, extra, content_type="application/json"):
        return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
                f"Content-Type: {content_type}\r\n{extra}\r\n").encode()

    def fill(self, name, count, dimension=DIMENSION, **more):
        path = self.create(name, dimension, "Euclidean", **more)
        answer = self.imported(path, lines(point(i, dimension) for i in range(count)))
        self.assertEqual((answer["imported"], answer["failed_total"]), (count, 0), answer)
        return path

class Stream(StreamTest):
    env = {"FERRESDB_REQUEST_SECONDS_MAX": "2"}

    def test_every_point_comes_back(self):
        source = self.fill("source", POINTS)
        first = self.exported(source)
        self.assertEqual(len(first), POINTS)
        copy = self.create("copy", DIMENSION, "Euclidean")
        answer = self.imported(copy, lines(first))
        self.assertEqual((answer["imported"], answer["failed"]), (POINTS, []), answer)
        second = self.exported(copy)
        key = lambda one: one["id"]  # noqa: E731
        self.assertEqual(sorted(first, key=key), sorted(second, key=key))
        for made in first[:200]:
            sent = point(int(made["id"][1:]))
            self.assertEqual(made["metadata"], sent["metadata"])
            self.assertEqual(made.get("namespace"), sent.get("namespace"))
            self.assertEqual(made.get("expires_at"), sent.get("expires_at"))
            self.assertEqual(made["created_at"], sent["created_at"])
            wanted = sent.get("vector")
            packed = wanted and [struct.unpack("f", struct.pack("f", x))[0] for x in wanted]
            got = made["vector"]
            self.assertEqual(got and [struct.unpack("f", struct.pack("f", x))[0] for x in got], packed)
        self.assertEqual(self.tasks("export")[0]["state"], "done")
        self.assertEqual(self.tasks("import")[0]["state"], "done")

    def test_filter_namespace_and_vectors_are_chosen(self):
        path = self.fill("chosen", 2000)
        self.assertEqual(len(self.exported(path, filter={"even": True})), 1000)
        self.assertEqual({p["namespace"] for p in self.exported(path, namespace="ns1")}, {"ns1"})
        self.assertNotIn("vector", self.exported(path, with_vector=False)[0])
        self.refused(self.client.request("POST", "/api/v1/collections/none/export", {}), 404)
        self.refused(self.client.request("POST", path + "/export", {"filter": 3}), 400)

    def test_a_client_that_stops_reading_is_let_go(self):
        path = self.fill("slow", 20_000, 64)
        before = self.rss_anon_mib()
        peers = [self.open(self.head(path + "/export", "Content-Length: 2\r\n") + b"{}", 4096)
                 for _ in range(8)]
        running = lambda: [t for t in self.tasks("export") if t["state"] == "running"]  # noqa: E731
        self.wait_for(lambda: len(running()) == 8, "they run at once")
        self.assertLess(self.rss_anon_mib() - before, 150)
        self.assertEqual(self.client.request("GET", "/health")[0], 200)
        self.wait_for(lambda: not running(), "they are let go after request_seconds_max")
        self.assertTrue(all(t["state"] == "failed" for t in self.tasks("export")[:8]))
        self.assertEqual(len(peers), 8)

    def test_clients_that_vanish_end_their_tasks(self):
        path = self.fill("vanish", 20_000, 64)
        peer = self.open(self.head(path + "/export", "Content-Length: 2\r\n") + b"{}", 4096)
        self.assertTrue(peer.recv(100))
        peer.close()
        self.wait_for(lambda: self.tasks("export")[0]["state"] == "failed", "the export ends")
        self.assertIn("went away", self.tasks("export")[0]["error"])
        peer = self.open(self.head(path + "/import", "Content-Length: 999999999\r\n",
                                   "application/x-ndjson") + lines(point(i, 64) for i in range(3000)))
        self.wait_for(lambda: self.tasks("import")[0]["done"] >= 1000, "the lines arrive")
        peer.close()
        self.wait_for(lambda: self.tasks("import")[0]["state"] == "failed", "the import ends")
        self.assertIn("went away", self.tasks("import")[0]["error"])

    def test_garbage_does_not_stop_the_rest(self):
        path = self.create("garbage", 2, "Euclidean")
        body = b"\n".join([
            b'{"id":"a","vector":[1,2]}', b"not json", b'{"vector":[1,2]}', b"",
            b'{"id":"b","vector":[1,2,3]}', b'{"id":"c","vector":[1,"x"]}', b"[1,2]",
            b'{"id":"old","vector":[1,2],"expires_at":5}', b"\xff\xfe",
            b'{"id":"big","vector":[1,2],"metadata":{"t":"' + b"x" * (9 << 20) + b'"}}',
            b'{"id":"n\\u0000d","vector":[1,2],"relations":["a"],"vectors":{}}',
            b'{"id":"v","vector":[1,2],"vectors":{"other":[1]}}',
            b'{"id":"late","vector":[1,2],"created_at":99999999999999}',
            b'{"id":"e","vector":[3,4]}'])
        answer = self.imported(path, body)
        self.assertEqual((answer["imported"], answer["expired"]), (3, 1), answer)
        self.assertEqual(answer["relations_left_out"], 1)
        self.assertEqual({f["line"]: f.get("id") for f in answer["failed"]},
                         {2: None, 3: None, 5: "b", 6: "c", 7: None, 9: None, 10: None, 12: "v",
                          13: "late"}, answer)
        self.assertEqual(answer["failed_total"], 9)
        there = {(p.get("namespace"), p["id"]) for p in self.exported(path)}
        self.assertEqual(there, {(None, "a"), ("n", "d"), (None, "e")})
        many = self.imported(path, b"?\n" * 5000)
        self.assertEqual((len(many["failed"]), many["failed_total"]), (100, 5000))

    def test_refusals_come_before_the_body(self):
        self.refused(self.client.request("POST", "/api/v1/collections/none/import", {}), 404)
        status, answer = self.client.raw("POST", "/api/v1/collections/none/import", b"x",
                                         {"Content-Type": "text/plain"})
        self.assertEqual(status, 415, answer)
        nobody = self.open(b"POST /api/v1/collections/none/import HTTP/1.1\r\nHost: x\r\n"
                           b"Content-Type: application/x-ndjson\r\nExpect: 100-continue\r\n"
                           b"Content-Length: 999999999\r\n\r\n")
        self.assertTrue(nobody.recv(1000).startswith(b"HTTP/1.1 401"))

    def test_a_large_import_takes_bounded_memory(self):
        path = self.create("large", 256, "Euclidean", index="flat", storage={"vectors": "disk"})
        self.assertEqual(self.client.request("POST", path + "/import", None)[0], 415)
        text = json.dumps({"t": "x" * 1500})
        vector = json.dumps([0.123456] * 256)
        piece = "".join(f'{{"id":"%d-{i}","vector":{vector},"metadata":{text}}}\n'
                        for i in range(100)) % tuple([0] * 100)
        rounds = (200 << 20) // len(piece) + 1
        before = self.rss_anon_mib()
        peak = 0

        def pieces():
            nonlocal peak
            for i in range(rounds):
                if i % 20 == 0:
                    peak = max(peak, self.rss_anon_mib() - before)
                # The same ids again: the collection stays small, what grows is the server's own.
                yield piece.encode()

        answer = self.imported(path, pieces())
        print(f"import of {rounds * len(piece) >> 20} MiB: RssAnon grew by {peak:.0f} MiB at most")
        self.assertEqual((answer["imported"], answer["failed_total"]), (rounds * 100, 0))
        self.assertLess(peak, 120)

    def test_a_task_can_be_cancelled(self):
        path = self.fill("cancel", 20_000, 64)
        peer = self.open(self.head(path + "/export", "Content-Length: 2\r\n") + b"{}", 4096)
        self.wait_for(lambda: self.tasks("export")[0]["state"] == "running", "it runs")
        number = self.tasks("export")[0]["id"]
        self.assertEqual(self.client.request("DELETE", f"/api/v1/admin/tasks/{number}")[0], 202)
        got = b"?"
        text = b""
        while got:
            got = peer.recv(1 << 20)
            text += got
        self.assertFalse(text.endswith(b"0\r\n\r\n"), "a cancelled export must look cut")
        self.assertIn("cancelled", self.tasks("export")[0]["error"])
        self.refused(self.client.request("DELETE", f"/api/v1/admin/tasks/{number}"), 409)
        self.refused(self.client.request("DELETE", "/api/v1/admin/tasks/999999"), 404)

    def test_a_checkpoint_says_what_it_holds(self):
        path = self.create("pointed", 2, "Euclidean")
        self.upsert(path, [{"id": "a", "vector": [1, 2]}])
        status, answer = self.client.request("POST", "/api/v1/admin/checkpoint",
                                             {"collection": "pointed"})
        self.assertEqual((status, answer), (200, {"ok": True,
                                                  "collections": [{"name": "pointed", "lsn": 1}]}))


class Patient(StreamTest):
    """With the usual time limits."""

    def test_a_snapshot_stays_what_it_was(self):
        path = self.fill("moving", 20_000, 64, retention_days=0)
        peer = self.open(self.head(path + "/export", "Content-Length: 2\r\n") + b"{}", 4096)
        self.wait_for(lambda: self.tasks("export") and self.tasks("export")[0]["total"] > 0,
                      "the export begins")
        for first in range(0, 20_000, 1000):
            self.upsert(path, [{"id": f"p{i}", "vector": [0] * 64, "metadata": {"changed": True}}
                               for i in range(first, first + 1000)])
        for _ in range(2):  # the files that the export reads lose their names
            self.assertEqual(self.client.request("POST", "/api/v1/admin/checkpoint", {})[0], 200)
        text = b""
        while not text.endswith(b"0\r\n\r\n"):
            got = peer.recv(1 << 20)
            self.assertTrue(got, "the export was cut")
            text += got
        self.assertEqual(text.count(b'{"id":'), 20_000)
        self.assertNotIn(b"changed", text)

    def run_command(self, *arguments, status=0, stdin=None):
        url = f"http://127.0.0.1:{self.server.port}"
        done = subprocess.run([binary(), *arguments], input=stdin, capture_output=True,
                              env={"FERRESDB_URL": url, "FERRESDB_API_KEY": API_KEY})
        self.assertEqual(done.returncode, status, done)
        return done

    def test_the_command_line_exports_and_imports(self):
        self.fill("there", 3000)
        file = self.folder / "points.jsonl"
        self.run_command("export", "there", "-o", str(file))
        self.assertEqual(len(file.read_text().splitlines()), 3000)
        self.assertFalse(Path(f"{file}.part").exists())
        text = self.run_command("export", "there", "--namespace", "ns1").stdout.decode()
        self.assertEqual({json.loads(x)["namespace"] for x in text.splitlines()}, {"ns1"})
        with open(file) as lines_of_file:
            first = json.loads(next(x for x in lines_of_file if json.loads(x)["vector"]))
        file.write_text(json.dumps(first) + "\n" + file.read_text())
        done = self.run_command("import", "back", str(file), "--create", "--distance", "Euclidean")
        self.assertIn(b"3001 points imported", done.stdout)
        key = lambda one: one["id"]  # noqa: E731
        self.assertEqual(sorted(self.exported("/api/v1/collections/there"), key=key),
                         sorted(self.exported("/api/v1/collections/back"), key=key))
        self.run_command("insert", "back", "--from-file", "-", stdin=file.read_bytes())
        self.assertEqual(self.client.request("GET", "/api/v1/collections/back")[1]["num_points"], 3000)
        done = self.run_command("import", "back", "-", status=1, stdin=b"?\n" + lines([point(1)]))
        self.assertIn(b"line 1: ", done.stderr)
        self.assertIn(b"1 points imported", done.stdout)

    def test_the_command_line_says_what_is_wrong(self):
        missing = self.folder / "none.jsonl"
        self.assertIn(b"none.jsonl", self.run_command("import", "x", str(missing), status=2).stderr)
        done = self.run_command("export", "nobody", "-o", str(missing), status=2)
        self.assertIn(b"'nobody' not found", done.stderr)
        self.assertFalse(missing.exists())
        pipe = self.folder / "pipe"
        os.mkfifo(pipe)
        for arguments in (("export", "x", "-o", str(pipe)), ("import", "x", str(pipe)),
                          ("import", "x", str(self.folder))):
            self.assertIn(b"no regular file", self.run_command(*arguments, status=2).stderr)
        self.assertTrue(pipe.is_fifo())
        self.run_command("export", status=2)
        self.run_command("export", "x", "--url", "ftp://x", status=2)
        self.run_command("export", "x", "--url", "http://127.0.0.1:1", status=2)
        self.run_command("export", "x", "--api-key", "wrong", status=2)
        self.run_command("export", "--help")

    def test_an_import_that_a_stop_cuts_says_how_to_go_on(self):
        path = self.fill("cut", 10)
        self.client.raw("GET", "/health")
        feed = subprocess.Popen(
            [binary(), "import", "cut", "-", "--url", f"http://127.0.0.1:{self.server.port}",
             "--api-key", API_KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        feed.stdin.write(lines(point(i) for i in range(5000)))
        feed.stdin.flush()
        self.wait_for(lambda: self.tasks("import")[0]["done"] >= 1000, "it runs")
        number = self.tasks("import")[0]["id"]
        self.assertEqual(self.client.request("DELETE", f"/api/v1/admin/tasks/{number}")[0], 202)
        _, errors = feed.communicate(lines(point(i) for i in range(5000, 50_000)), timeout=60)
        self.assertEqual(feed.returncode, 1, errors)
        self.assertIn(b"cancelled", errors)
        following = int(re.search(rb"tail -n \+(\d+) FILE", errors)[1])
        self.assertGreater(following, 1000)
        rest = subprocess.run(
            [binary(), "import", "cut", "-", "--url", f"http://127.0.0.1:{self.server.port}",
             "--api-key", API_KEY], input=lines(point(i) for i in range(following - 1, 50_000)),
            capture_output=True, timeout=60)
        self.assertEqual(rest.returncode, 0, rest.stderr)
        self.assertEqual(len(self.exported(path)), 50_000)


class Stop(ServerTest):
    env = {"FERRESDB_DRAIN_SECONDS_MAX": "600"}

    def test_a_stop_does_not_wait_for_streams(self):
        self.create("c", 64, "Euclidean")
        status, answer = self.client.raw("POST", "/api/v1/collections/c/import",
                                         lines(point(i, 64) for i in range(20_000)), LINES)
        self.assertEqual(status, 200, answer)
        head = (f"POST /api/v1/collections/c/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                f"{API_KEY}\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n")
        for verb, body, length in (("export", b"{}", 2), ("import", lines([point(1, 64)]), 10**9)):
            peer = socket.socket()
            self.addCleanup(peer.close)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.connect(("127.0.0.1", self.server.port))
            peer.sendall((head % (verb, length)).encode() + body)
        end = time.monotonic() + 30
        while len([t for t in self.client.request("GET", "/api/v1/admin/tasks")[1]["tasks"]
                   if t["state"] == "running"]) < 2:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        self.assertEqual(self.server.stop(60), 0)
        self.server.start()
        with self.server.client() as client:
            self.assertEqual(client.request("GET", "/api/v1/collections/c")[1]["num_points"], 20_000)


if __name__ == "__main__":
    binary()
    unittest.main(verbosity=2)
