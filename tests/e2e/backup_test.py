#!/usr/bin/env python3
# Backups to a real S3 server and back: the same points, on connections that break, from a server that
# dies in between, with wrong keys, from damaged objects, by HTTP and by the command line.
import base64
import contextlib
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from suite import API_KEY, Client, Server, binary
from s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, Proxy, S3Server

DIMENSION = 512
MIB = 1 << 20


def s3_binary():
    if len(sys.argv) > 1 and sys.argv[1] == "--s3-server":
        os.environ["S3_BINARY"] = sys.argv[2]
        del sys.argv[1:3]
    return os.environ["S3_BINARY"]


def vector(seed):
    """Floats in [0.5, 2) that do not compress."""
    raw = bytearray(random.Random(seed).randbytes(4 * DIMENSION))
    raw[3::4] = b"\x3f" * DIMENSION
    return base64.b64encode(raw).decode()


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.s3 = S3Server(s3_binary(), self.folder / "s3").start()
        self.addCleanup(self.s3.stop)

    def server(self, data, **more):
        server = Server(binary(), self.folder / data, **more).start()
        self.addCleanup(server.stop)
        return server

    def proxy(self, plan):
        proxy = Proxy(self.s3.port, plan)
        self.addCleanup(proxy.stop)
        return proxy

    def call(self, server, method, path, body=None, expect=200):
        # A backup notices a connection that fell silent after 30 seconds, and several may.
        with server.client(timeout=300) as client:
            status, answer = client.request(method, "/api/v1" + path, body)
        self.assertEqual(status, expect, answer)
        return answer

    def fill(self, server, name, first, last):
        if first == 0:
            # The large ones are there for their bytes: no graph of them is built.
            self.call(server, "POST", "/collections",
                      {"name": name, "dimension": DIMENSION, "distance": "Cosine",
                       "index": "flat" if last > 5000 else "auto"}, 201)
        for begin in range(first, last, 500):
            points = [{"id": f"p{i}", "vector": vector(i), "metadata": {"n": i, "t": "x" * (i % 50)}}
                      for i in range(begin, min(last, begin + 500))]
            answer = self.call(server, "POST", f"/collections/{name}/points", {"points": points})
            self.assertEqual(answer["upserted"], len(points))

    def points(self, server, name):
        """Every point, whole."""
        found, offset = [], 0
        while True:
            page = self.call(server, "GET", f"/collections/{name}/points?limit=1000&offset={offset}")
            found += page["points"]
            offset += len(page["points"])
            if not page["has_more"]:
                return found

    def digest(self, server, name):
        found = self.points(server, name)
        text = json.dumps(found, sort_keys=True)
        return len(found), hashlib.sha256(text.encode()).hexdigest()

    def backup(self, server, expect=200, **body):
        return self.call(server, "POST", "/admin/backup", body or None, expect)

    def restore(self, server, key, expect=200, **more):
        return self.call(server, "POST", "/admin/restore/backup", {"key": key, **more}, expect)

    def files(self, data, name):
        """Hashes of a collection's page files by name."""
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (self.folder / data / "collections" / name).glob("*.bin")}

    def test_a_fresh_server_gets_the_same_collections(self):
        first = self.server("first", env=self.s3.settings())
        self.fill(first, "docs", 0, 3000)
        self.fill(first, "few", 0, 5)
        self.call(first, "DELETE", "/collections/docs/points", {"ids": ["p7", "p8"]})
        full = self.backup(first)
        self.assertEqual(sorted(full), ["bucket", "key", "ok", "region", "size_bytes"])
        self.assertEqual((full["ok"], full["bucket"], full["region"]), (True, BUCKET, REGION))
        self.assertRegex(full["key"], r"^backups/ferresdb-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ\.tar\.gz$")
        self.assertEqual(self.s3.objects()[full["key"]], full["size_bytes"])
        part = self.backup(first, incremental=True)
        listed = self.call(first, "GET", "/admin/backups")["backups"]
        self.assertEqual({b["key"]: b["incremental"] for b in listed},
                         {full["key"]: False, part["key"]: True})
        # Other programs read it too.
        names = subprocess.run(["tar", "tzf", self.s3.bucket / full["key"]], check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split()
        self.assertEqual(names[0], "manifest.json")
        for data, key in (("second", full["key"]), ("third", part["key"])):
            server = self.server(data, env=self.s3.settings())
            answer = self.restore(server, key)
            self.assertEqual(sorted(answer["restored"]), ["docs", "few"])
            for name in ("docs", "few"):
                self.assertEqual(self.points(server, name), self.points(first, name))
                was, now = self.files("first", name), self.files(data, name)
                self.assertTrue(was.keys() & now.keys())
                for file in was.keys() & now.keys():
                    self.assertEqual(was[file], now[file], file)
            query = {"vector": vector(77), "limit": 5, "exact": True}
            self.assertEqual(
                self.call(server, "POST", "/collections/docs/search", query)["results"],
                self.call(first, "POST", "/collections/docs/search", query)["results"])
            self.fill(server, "docs", 3000, 3100)
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(len(self.points(server, "docs")), 3098)
            task = self.call(first, "GET", "/admin/tasks")["tasks"][0]
            self.assertEqual((task["kind"], task["state"]), ("backup", "done"))

    def test_names_that_are_taken_are_refused(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 10)
        key = self.backup(server)["key"]
        answer = self.restore(server, key, 409)
        self.assertIn("target_collection", answer["message"])
        answer = self.restore(server, key, collection="docs", target_collection="old")
        self.assertEqual(answer["details"][0]["points"], 10)
        self.assertEqual(self.digest(server, "old"), self.digest(server, "docs"))
        self.restore(server, "backups/ferresdb-2001-01-01T00-00-00Z.tar.gz", 404)
        self.restore(server, "../../etc/passwd", 404)

    def test_an_incremental_one_uploads_what_is_new(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 2000)
        self.fill(server, "other", 0, 100)
        self.backup(server, incremental=True)
        before = self.s3.objects()
        again = self.backup(server, incremental=True)
        self.assertEqual(again["new_files"], 0)
        self.assertEqual(self.s3.objects().keys() - before.keys(), {again["key"]})
        before = self.s3.objects()
        self.fill(server, "other", 100, 120)
        more = self.backup(server, incremental=True)
        new = self.s3.objects().keys() - before.keys() - {more["key"]}
        self.assertEqual(len(new), more["new_files"])
        self.assertLess(more["size_bytes"], 4 * MIB)
        second = self.server("second", env=self.s3.settings())
        self.restore(second, more["key"])
        for name in ("docs", "other"):
            self.assertEqual(self.digest(second, name), self.digest(server, name))

    def test_writes_go_on_and_batches_stay_whole(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 1000)
        ended = threading.Event()

        def write():
            batch = 0
            with server.client() as client:
                while not ended.is_set():
                    points = [{"id": f"b{batch}-{i}", "vector": vector(i)} for i in range(7)]
                    status, answer = client.request("POST", "/api/v1/collections/docs/points",
                                                    {"points": points})
                    assert status == 200, answer
                    batch += 1
        writer = threading.Thread(target=write)
        writer.start()
        try:
            keys = [self.backup(server, incremental=i == 1)["key"] for i in range(2)]
        finally:
            ended.set()
            writer.join()
        second = self.server("second", env=self.s3.settings())
        for number, key in enumerate(keys):
            name = f"copy{number}"
            self.restore(second, key, collection="docs", target_collection=name)
            ids = {point["id"] for point in self.points(second, name)}
            self.assertTrue({f"p{i}" for i in range(1000)} <= ids)
            batches = {id.split("-")[0] for id in ids if id.startswith("b")}
            self.assertEqual(len(ids), 1000 + 7 * len(batches))

    def test_wrong_keys_and_none(self):
        wrong = "wrong-secret-9876543210"
        server = self.server("first", env=self.s3.settings(secret=wrong))
        self.fill(server, "docs", 0, 10)
        answer = self.backup(server, 502)
        self.assertEqual((answer["error"], answer["code"]), ("s3_upload_failed", 502))
        self.assertIn("403", answer["message"])
        tested = self.call(server, "POST", "/admin/settings/test-s3", expect=502)
        self.assertFalse(tested["ok"])
        for text in (json.dumps(answer), json.dumps(tested), server.log_tail(10000)):
            self.assertNotIn(wrong, text)
        self.assertEqual(self.s3.objects(), {})
        nowhere = {"HOME": str(self.folder), "AWS_SHARED_CREDENTIALS_FILE": ""}
        bare = self.server("bare", env=nowhere)
        answer = self.backup(bare, 503)
        self.assertEqual(answer["error"], "s3_not_configured")
        self.assertEqual(self.call(bare, "POST", "/admin/settings/test-s3", expect=400)["ok"], False)

    def test_settings_of_the_cloud_are_kept_and_the_secret_is_not_told(self):
        server = self.server("first", env={"HOME": str(self.folder)})
        self.fill(server, "docs", 0, 10)
        settings = {"region": REGION, "bucket": BUCKET,
                    "endpoint": f"http://127.0.0.1:{self.s3.port}", "access_key_id": ACCESS_KEY}
        self.call(server, "PUT", "/admin/settings/cloud", settings, 400)
        self.call(server, "PUT", "/admin/settings/cloud",
                  {**settings, "secret_access_key": SECRET_KEY})
        self.assertEqual(self.call(server, "GET", "/admin/settings/cloud"), settings)
        file = self.folder / "first/system/cloud.json"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertTrue(self.call(server, "POST", "/admin/settings/test-s3")["ok"])
        self.assertEqual(self.s3.objects(), {})
        self.assertEqual(server.stop(), 0)
        server.start()
        key = self.backup(server)["key"]
        self.call(server, "PUT", "/admin/settings/cloud", {"bucket": "another-bucket"})
        self.assertEqual(self.backup(server, 502)["error"], "s3_upload_failed")
        missing = self.restore(server, key, 502)
        self.assertIn("NoSuchBucket", missing["message"])
        self.assertNotIn(SECRET_KEY, server.log_tail(10000))
        with server.client() as client:
            client.key = None
            self.assertEqual(client.request("GET", "/api/v1/admin/settings/cloud")[0], 401)

    def test_keys_and_users_are_in_no_backup(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 20)
        made = self.call(server, "POST", "/keys", {"name": "tenant"})
        full = self.backup(server)
        names = subprocess.run(["tar", "tzf", self.s3.bucket / full["key"]], check=True, text=True,
                               capture_output=True).stdout
        self.assertNotIn("accounts", names)
        part = self.backup(server, incremental=True)
        accounts = (self.folder / "first" / "system" / "accounts.json").read_bytes()
        for key in self.s3.objects():
            self.assertNotEqual((self.s3.bucket / key).read_bytes(), accounts, key)
        self.call(server, "DELETE", f"/keys/{made['id']}")
        self.restore(server, full["key"], collection="docs", target_collection="old")
        self.restore(server, part["key"], collection="docs", target_collection="older")
        with Client(server.port, made["key"]) as client:
            self.assertEqual(client.request("GET", "/api/v1/collections")[0], 403)
        self.assertEqual([row["name"][:9] for row in self.call(server, "GET", "/keys")],
                         ["bootstrap"])

    def test_keys_from_the_shared_file(self):
        shared = self.folder / "credentials"
        shared.write_text(f"[x]\naws_access_key_id = {ACCESS_KEY}\n"
                          f"aws_secret_access_key = {SECRET_KEY}\n")
        env = self.s3.settings()
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        env.update(AWS_SHARED_CREDENTIALS_FILE=str(shared), AWS_PROFILE="x")
        server = self.server("first", env=env)
        self.assertTrue(self.call(server, "POST", "/admin/settings/test-s3")["ok"])

    def test_a_silent_store_keeps_nobody_else_waiting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            env = self.s3.settings(port=silent.getsockname()[1])
            server = self.server("first", env=env)
            self.fill(server, "docs", 0, 10)
            waiting = [threading.Thread(target=self.ask_in_vain, args=(server, method, path))
                       for method, path in (("GET", "/admin/backups"),
                                            ("POST", "/admin/settings/test-s3"))]
            for thread in waiting:
                thread.start()
            connections = [silent.accept()[0] for _ in waiting]  # both have asked
            self.assertTrue(self.call(server, "POST", "/admin/checkpoint", {})["ok"])
            self.call(server, "POST", "/save")
            self.assertTrue(all(thread.is_alive() for thread in waiting))
            self.assertEqual(server.stop(), 0)
            for connection in connections:
                connection.close()
        for thread in waiting:
            thread.join()

    def ask_in_vain(self, server, method, path):
        with contextlib.suppress(OSError), server.client(timeout=300) as client:
            client.request(method, "/api/v1" + path)

    def test_connections_that_break_on_both_ways(self):
        up = self.proxy([(n * MIB, lambda: "cut") for n in (2, 9, 17, 21)])
        first = self.server("first", env=self.s3.settings(port=up.port))
        self.fill(first, "docs", 0, 12000)
        key = self.backup(first)["key"]
        self.assertEqual(up.plan, [])
        self.assertEqual(self.s3.uploads_left(), [])
        down = self.proxy([(n * MIB, lambda: "cut") for n in (1, 9, 20)])
        second = self.server("second", env=self.s3.settings(port=down.port))
        self.restore(second, key)
        self.assertEqual(down.plan, [])
        self.assertEqual(self.digest(second, "docs"), self.digest(first, "docs"))

    def test_an_s3_server_that_dies_and_comes_back(self):
        def restart():
            self.s3.kill()
            self.s3.start()
            return "cut"
        for kind in (False, True):
            proxy = self.proxy([(12 * MIB, restart)])
            data = f"first-{kind}"
            first = self.server(data, env=self.s3.settings(port=proxy.port))
            self.fill(first, "docs", 0, 12000)
            key = self.backup(first, incremental=kind)["key"]
            self.assertEqual(proxy.plan, [])
            second = self.server(f"second-{kind}", env=self.s3.settings())
            self.restore(second, key)
            self.assertEqual(self.digest(second, "docs"), self.digest(first, "docs"))

    def test_a_stop_ends_a_backup_and_leaves_nothing(self):
        stalled = threading.Event()

        def stall():
            stalled.set()
            return "stall"
        proxy = self.proxy([(12 * MIB, stall)])
        server = self.server("first", env=self.s3.settings(port=proxy.port))
        self.fill(server, "docs", 0, 12000)
        answers = []

        def ask():
            with server.client() as client:
                answers.append(client.request("POST", "/api/v1/admin/backup"))
        asker = threading.Thread(target=ask)
        asker.start()
        self.assertTrue(stalled.wait(60))
        with server.client() as client:
            status, answer = client.request("POST", "/api/v1/admin/backup")
            self.assertEqual((status, answer["error"]), (409, "conflict"))
        self.assertEqual(server.stop(), 0)
        asker.join()
        self.assertEqual(answers[0][0], 503, answers)
        self.assertEqual(self.s3.objects(), {})
        self.assertEqual(self.s3.uploads_left(), [])

    def test_damage_is_found(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 500)
        full, part = self.backup(server)["key"], self.backup(server, incremental=True)["key"]
        second = self.server("second", env=self.s3.settings())
        objects = [key for key in self.s3.objects() if key.startswith("backups/objects/")]
        for key, victims in ((full, [full]), (part, objects)):
            for victim in victims:
                path = self.s3.bucket / victim
                good = path.read_bytes()
                bad = bytearray(good)
                bad[len(bad) // 2] ^= 0x10
                path.write_bytes(bad)
                answer = self.restore(second, key, 422)
                self.assertEqual(answer["error"], "backup_damaged")
                self.assertEqual(self.call(second, "GET", "/collections")["collections"], [])
                self.assertEqual(os.listdir(self.folder / "second/collections"), [])
                path.write_bytes(good)
        self.restore(second, part)
        self.assertEqual(self.digest(second, "docs"), self.digest(server, "docs"))

    def command(self, *arguments, data, expect=0):
        env = {k: v for k, v in os.environ.items() if not k.startswith("FERRESDB_")}
        env.update(self.s3.settings(), FERRESDB_STORAGE_PATH=str(self.folder / data))
        run = subprocess.run([binary(), *arguments], env=env, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(run.returncode, expect, run.stderr)
        return run.stdout if expect == 0 else run.stderr

    def test_the_command_line_does_the_same(self):
        server = self.server("first", env=self.s3.settings())
        self.fill(server, "docs", 0, 100)
        self.assertIn("in use", self.command("backup", data="first", expect=1))
        before = self.digest(server, "docs")
        self.assertEqual(server.stop(), 0)
        self.assertIn("not a data folder", self.command("backup", data="none", expect=1))
        self.assertFalse((self.folder / "none").exists())
        full = self.command("backup", data="first").split()[0]
        part = self.command("backup", "--incremental", data="first").split()[0]
        listed = self.command("backups", data="first")
        self.assertIn(full, listed)
        self.assertIn(part, listed)
        self.command("restore-backup", data="second", expect=1)
        self.assertEqual(self.command("restore-backup", full, data="second"), "docs  100 points\n")
        self.command("restore-backup", part, "--collection", "docs", "--target-collection", "again",
                     data="second")
        second = self.server("second")
        self.assertEqual(self.digest(second, "docs"), before)
        self.assertEqual(self.digest(second, "again"), before)


if __name__ == "__main__":
    binary()
    s3_binary()
    unittest.main(verbosity=2)
