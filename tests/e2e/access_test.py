#!/usr/bin/env python3
# Keys, users and tokens of the real server: what is told once, what counts at once, and what is so
# after a stop, a kill -9, a restore and a damaged file.
import base64
import hashlib
import hmac
import json
import re
import shutil
import stat
import tempfile
import time
import unittest
from pathlib import Path

from suite import API_KEY, Client, Server, binary

KEY = re.compile(r"ferres_sk_[0-9a-f]{48}")
PASSWORD = re.compile(r"The user root was made, an admin, with this password\. "
                      r"It is shown only here:\n  ([0-9a-f]+)\n")
WAIT_SECONDS = 30
POINT = {"points": [{"id": "p", "vector": [1, 2]}]}


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts_of(token):
    return [json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            for text in token.split(".")[:2]]


def signed(header, claims, secret):
    text = part(header) + "." + part(claims)
    digest = hashlib.sha512 if header["alg"] == "HS512" else hashlib.sha256
    return text + "." + part(hmac.new(secret.encode(), text.encode(), digest).digest())


class AccessCase(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.accounts = self.folder / "data" / "system" / "accounts.json"

    def server(self, **env):
        server = Server(binary(), self.folder / "data", env)
        self.addCleanup(lambda: server.is_alive() and server.kill())
        return server.start()

    def call(self, method, path, body=None, key=API_KEY, expect=200):
        with Client(self.running.port, key) as client:
            status, answer = client.request(method, "/api/v1" + path, body)
        self.assertEqual(status, expect, (method, path, answer))
        return answer

    def serve(self, **env):
        self.running = self.server(**env)
        return self.running

    def restart(self, kill=False, **env):
        if kill:
            self.running.kill()
        else:
            self.assertEqual(self.running.stop(), 0)
        self.running.env.update(env)
        self.running.start()

    def password(self):
        return PASSWORD.search(Path(self.running.log_path).read_text()).group(1)

    def login(self, username, password, expect=200):
        return self.call("POST", "/auth/login", {"username": username, "password": password}, None,
                         expect)

    def make_key(self, maker=API_KEY, **fields):
        return self.call("POST", "/keys", {"name": "made", **fields}, maker)

    def make_collection(self, name):
        self.call("POST", "/collections", {"name": name, "dimension": 2, "distance": "Cosine"},
                  expect=201)

    def good(self, key):
        return self.call("GET", "/collections", key=key)

    def over(self, key, status=403):
        answer = self.call("GET", "/collections", key=key, expect=status)
        self.assertEqual(answer["error"], "unauthorized" if status == 401 else "forbidden")


class Beginnings(AccessCase):
    def test_roots_password_is_told_once_and_never_again(self):
        self.serve()
        self.assertEqual(len(PASSWORD.findall(Path(self.running.log_path).read_text())), 1)
        password = self.password()
        answer = self.login("root", password)
        self.assertEqual((answer["username"], answer["role"]), ("root", "admin"))
        for kill in (False, True):
            before = self.running.log_size()
            self.restart(kill)
            self.assertNotIn("password", self.running.log_since(before))
            self.assertNotIn(password, self.running.log_since(before))
            self.good(answer["token"])
            self.login("root", password)
        wrong = self.login("root", password + "x", 401)
        self.assertEqual((wrong["error"], wrong["code"]), ("unauthorized", 401))
        self.assertEqual(wrong, self.login("nobody", password, 401))

    def test_a_root_who_was_removed_does_not_come_back(self):
        self.serve()
        self.call("POST", "/users", {"username": "other", "password": "a password", "role": "admin"})
        root = next(u for u in self.call("GET", "/users") if u["username"] == "root")
        self.call("DELETE", f"/users/{root['id']}")
        before = self.running.log_size()
        self.restart()
        self.assertNotIn("password", self.running.log_since(before))
        self.assertEqual([u["username"] for u in self.call("GET", "/users")], ["other"])
        other = self.call("GET", "/users")[0]
        self.assertEqual(self.call("DELETE", f"/users/{other['id']}", expect=409)["error"],
                         "conflict")

    def test_the_first_key_closes_the_open_door_for_good(self):
        self.serve(FERRESDB_API_KEYS="")
        self.good(None)
        self.good("anything")
        self.over("eyJ.eyJ.x", 401)
        made = self.make_key(None)
        self.good(made["key"])
        self.over(None, 401)
        self.over("anything")
        self.call("DELETE", f"/keys/{made['id']}", key=made["key"])
        for kill in (False, True):
            self.over(None, 401)
            self.over(made["key"])
            self.restart(kill)
        token = self.login("root", self.password())["token"]
        self.good(self.make_key(token)["key"])

    def test_a_server_for_the_network_without_a_key_tells_one_once(self):
        self.serve(FERRESDB_API_KEYS="", HOST="0.0.0.0")
        told = KEY.findall(Path(self.running.log_path).read_text())
        self.assertEqual(len(told), 1)
        self.good(told[0])
        self.over(None, 401)
        for kill in (False, True):
            before = self.running.log_size()
            self.restart(kill)
            self.assertEqual(KEY.findall(self.running.log_since(before)), [])
            self.good(told[0])
            self.over(None, 401)
        self.call("DELETE", f"/keys/{self.call('GET', '/keys', key=told[0])[0]['id']}", key=told[0])
        before = self.running.log_size()
        self.restart()
        self.assertEqual(KEY.findall(self.running.log_since(before)), [])
        self.over(told[0])

    def test_keys_of_the_settings_end_with_them_and_are_changed_nowhere_else(self):
        self.serve(FERRESDB_API_KEYS="first-of-settings,second-of-settings")
        rows = self.call("GET", "/keys", key="first-of-settings")
        self.assertEqual(sorted(row["key_prefix"] for row in rows), ["first-of...", "second-o..."])
        for row in rows:
            for method, path, body in (("DELETE", "", None), ("POST", "/rotate", None),
                                       ("PUT", "", {"allowed_namespaces": ["a"]}),
                                       ("PUT", "", {"role": "viewer"})):
                answer = self.call(method, f"/keys/{row['id']}{path}", body, "first-of-settings",
                                   409)
                self.assertIn("FERRESDB_API_KEYS", answer["message"])
        self.assertEqual(self.call("GET", "/keys", key="second-of-settings"), rows)
        self.restart(FERRESDB_API_KEYS="second-of-settings")
        self.over("first-of-settings")
        self.good("second-of-settings")


class Keys(AccessCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.make_collection("c")

    def test_secrets_are_told_once_and_lie_nowhere(self):
        made = self.make_key(role="editor")
        rotated = self.call("POST", f"/keys/{made['id']}/rotate")
        self.call("POST", "/users", {"username": "ann", "password": "ann's password"})
        token = self.login("ann", "ann's password")["token"]
        self.assertRegex(made["key"], KEY)
        self.assertEqual(made["key_prefix"], made["key"][:18])
        secrets = [made["key"], rotated["key"], "ann's password", self.password(), token, API_KEY]
        listed = json.dumps([self.call("GET", "/keys"), self.call("GET", "/users")])
        self.call("POST", "/save")
        self.assertEqual(self.running.stop(), 0)
        files = [p for p in (self.folder / "data").rglob("*") if p.is_file()]
        self.assertIn(self.accounts, files)
        told = self.password()
        log = Path(self.running.log_path).read_text().replace(told, "", 1)
        for secret in secrets:
            self.assertNotIn(secret, listed)
            self.assertNotIn(secret, log)
            for path in files:
                self.assertNotIn(secret.encode(), path.read_bytes(), path)
        self.assertEqual(stat.S_IMODE(self.accounts.stat().st_mode), 0o600)

    def test_a_change_of_a_key_counts_from_the_next_request_on(self):
        made = self.make_key(role="editor")
        path = f"/keys/{made['id']}"
        with Client(self.running.port, made["key"]) as client:  # one connection all the time
            def write(expect, point=POINT):
                status, answer = client.request("POST", "/api/v1/collections/c/points", point)
                self.assertEqual(status, expect, answer)
            write(200)
            self.call("PUT", path, {"role": "viewer"})
            write(403)
            self.call("PUT", path, {"role": "editor", "allowed_namespaces": ["a"]})
            write(200)
            write(403, {"points": [{**POINT["points"][0], "namespace": "b"}]})
            found = client.request("GET", "/api/v1/collections/c/points")[1]
            self.assertEqual([p["namespace"] for p in found["points"]], ["a"])
            self.call("PUT", path, {"allowed_namespaces": ["b"]})
            self.assertEqual(client.request("GET", "/api/v1/collections/c/points")[1]["total"], 0)
            self.call("PUT", path, {"allowed_namespaces": None})
            self.assertEqual(client.request("GET", "/api/v1/collections/c/points")[1]["total"], 2)
            self.call("PUT", path, {"permissions": [
                {"resource": {"type": "collection", "name": "other"}, "actions": ["read"]}]})
            write(403)
            self.assertEqual(client.request("GET", "/api/v1/collections/c/points")[0], 403)
            self.call("PUT", path, {"permissions": []})
            write(200)
            self.call("DELETE", path)
            write(403)
        self.call("DELETE", path, expect=404)

    def test_what_was_revoked_stays_so_after_a_kill(self):
        kept, revoked, limited = [], [], []
        for _ in range(5):
            kept.append(self.make_key(role="viewer"))
            limited.append(self.make_key(role="editor"))
            gone = self.make_key()
            self.good(gone["key"])
            self.call("PUT", f"/keys/{limited[-1]['id']}", {"allowed_namespaces": ["a"]})
            self.call("DELETE", f"/keys/{gone['id']}")
            revoked.append(gone)
            self.restart(kill=True)
            for key in revoked:
                self.over(key["key"])
            for key in kept:
                self.good(key["key"])
            for key in limited:
                self.call("GET", "/collections/c/points?namespace=b", key=key["key"], expect=403)
        rows = {row["id"]: row for row in self.call("GET", "/keys")}
        for key in revoked:
            self.assertNotIn(key["id"], rows)
        for key in kept:
            self.assertEqual(rows[key["id"]]["role"], "viewer")
        for key in limited:
            self.assertEqual(rows[key["id"]]["allowed_namespaces"], ["a"])
        # Nor is an id given out again.
        self.assertGreater(self.make_key()["id"], max(key["id"] for key in revoked + kept + limited))

    def test_a_rotation_leaves_two_secrets_for_a_while(self):
        first = self.make_key(role="editor", allowed_namespaces=["a"])
        second = self.call("POST", f"/keys/{first['id']}/rotate")
        self.assertEqual((second["id"], second["role"], second["allowed_namespaces"]),
                         (first["id"], "editor", ["a"]))
        for kill in (False, True):
            for key in (first, second):
                self.good(key["key"])
                self.call("GET", "/collections/c/points?namespace=b", key=key["key"], expect=403)
            self.restart(kill)
        third = self.call("POST", f"/keys/{first['id']}/rotate?grace_seconds=0")
        self.over(first["key"])
        self.over(second["key"])
        self.good(third["key"])
        self.restart(kill=True)
        self.over(second["key"])
        self.good(third["key"])
        fourth = self.call("POST", f"/keys/{first['id']}/rotate?grace_seconds=2")
        self.good(fourth["key"])
        self.ends(third["key"])
        self.good(fourth["key"])
        self.call("DELETE", f"/keys/{first['id']}")
        self.over(fourth["key"])

    def ends(self, key):
        deadline = time.monotonic() + WAIT_SECONDS
        with Client(self.running.port, key) as client:
            while client.request("GET", "/api/v1/collections")[0] == 200:
                self.assertLess(time.monotonic(), deadline, "the key does not end")
        self.over(key)

    def test_a_key_ends_when_it_says(self):
        self.call("POST", "/keys", {"name": "past", "expires_at": int(time.time()) - 1}, expect=400)
        made = self.make_key(expires_at=int(time.time()) + 2)
        self.good(made["key"])
        self.ends(made["key"])
        self.restart()
        self.over(made["key"])
        self.call("PUT", f"/keys/{made['id']}", {"expires_at": None})
        self.good(made["key"])

    def test_a_restore_brings_no_revoked_key_back(self):
        made = self.make_key()
        limited = self.make_key(role="editor")
        written = self.call("POST", "/collections/c/points", POINT, made["key"])
        then = int(time.time())
        self.call("PUT", f"/keys/{limited['id']}", {"allowed_namespaces": ["a"]})
        self.call("DELETE", f"/keys/{made['id']}")
        while int(time.time()) == then:
            pass
        self.call("POST", "/collections/c/points", {"points": [{"id": "q", "vector": [1, 2]}]})
        rows = self.call("GET", "/keys")
        self.call("POST", "/admin/restore", {"collection": "c", "lsn": written["lsn"]})
        self.call("POST", "/admin/restore", {"timestamp": then})
        self.assertEqual(self.call("GET", "/collections/c")["num_points"], 1)
        self.over(made["key"])
        self.restart()
        self.over(made["key"])
        self.assertEqual(self.call("GET", "/keys"), rows)

    def test_permissions_go_by_name_through_drops_and_new_collections(self):
        self.make_collection("theirs")
        key = self.make_key(role="editor", permissions=[
            {"resource": {"type": "collection", "name": "c"}, "actions": ["read", "write"]}])["key"]
        self.call("POST", "/collections/c/points", POINT, key)
        self.call("DELETE", "/collections/c", expect=204)
        self.call("GET", "/collections/c/points", key=key, expect=404)
        self.call("GET", "/collections/theirs/points", key=key, expect=403)
        self.assertEqual(self.good(key), {"collections": []})
        self.call("POST", "/collections",
                  {"name": "c", "dimension": 2, "distance": "Cosine"}, key, 403)
        self.make_collection("c")
        self.assertEqual(self.call("GET", "/collections/c/points", key=key)["total"], 0)
        self.assertEqual([c["name"] for c in self.good(key)["collections"]], ["c"])


class Users(AccessCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.make_collection("c")

    def make_user(self, username, role="editor", **fields):
        return self.call("POST", "/users", {"username": username, "role": role,
                                            "password": username + "'s password", **fields})

    def test_a_change_of_a_user_counts_from_the_next_request_on(self):
        ann = self.make_user("ann")
        token = self.login("ann", "ann's password")["token"]
        with Client(self.running.port, token) as client:
            def status(method="POST", body=POINT):
                return client.request(method, "/api/v1/collections/c/points", body)[0]
            self.assertEqual(status(), 200)
            everything = {"type": "all_collections"}
            self.call("PUT", "/users/ann/permissions", {"permissions": [
                {"resource": everything, "actions": ["read"]}]})
            self.assertEqual((status(), status("GET", None)), (403, 200))
            self.call("PUT", "/users/ann/permissions", {"permissions": [
                {"resource": everything, "actions": ["read"],
                 "metadata_restriction": {"field": "of", "allowed_values": ["ann"]}}]})
            self.assertEqual(client.request("GET", "/api/v1/collections/c/points")[1]["total"], 0)
            self.call("PUT", "/users/ann/permissions", {"permissions": None})
            self.assertEqual(status(), 200)
            self.call("PUT", "/users/ann/password", {"password": "another password"})
            self.assertEqual(status(), 401)
        self.login("ann", "ann's password", 401)
        token = self.login("ann", "another password")["token"]
        self.restart(kill=True)
        self.good(token)
        self.call("DELETE", f"/users/{ann['id']}")
        self.over(token, 401)
        self.login("ann", "another password", 401)
        self.make_user("ann")
        self.over(token, 401)  # of the one who had the name before
        self.restart()
        self.over(token, 401)

    def test_too_many_failures_close_a_name_for_a_while_and_no_other(self):
        self.make_user("ann")
        token = self.login("ann", "ann's password")["token"]
        statuses = []
        with Client(self.running.port, None) as client:
            for _ in range(11):
                statuses.append(client.request("POST", "/api/v1/auth/login", {
                    "username": "ann", "password": "wrong"})[0])
        self.assertEqual(statuses, [401] * 10 + [429])
        self.login("ann", "ann's password", 429)
        self.login("root", self.password())
        self.good(token)

    def test_tokens_that_nobody_signed_are_refused(self):
        self.restart(FERRESDB_JWT_SECRET="the secret of this test, long enough")
        token = self.login("root", self.password())["token"]
        header, claims = parts_of(token)
        self.assertEqual((header["alg"], claims["sub"], claims["role"]), ("HS256", "root", "admin"))
        self.assertEqual(claims["exp"] - claims["iat"], 24 * 3600)
        secret = "the secret of this test, long enough"
        self.good(signed(header, claims, secret))
        for bad in (signed(header, claims, "another"), signed({**header, "alg": "HS512"}, claims, secret),
                    part({**header, "alg": "none"}) + "." + part(claims) + ".",
                    token[:-4] + "AAAA", token + "A", "eyJ." + token.split(".", 1)[1],
                    signed({**header, "alg": "none"}, claims, secret),
                    signed(header, {**claims, "exp": int(time.time()) - 1}, secret),
                    signed(header, {**claims, "sub": "nobody"}, secret),
                    signed(header, {**claims, "gen": claims["gen"] + 1}, secret),
                    signed(header, {k: v for k, v in claims.items() if k != "gen"}, secret),
                    signed(header, {k: v for k, v in claims.items() if k != "exp"}, secret),
                    signed(header, [claims], secret), signed(header, b"\xff", secret)):
            self.over(bad, 401)
        # The role is the user's, whatever the token says.
        self.make_user("ann", "viewer")
        header, claims = parts_of(self.login("ann", "ann's password")["token"])
        self.call("POST", "/collections/c/points", POINT,
                  signed(header, {**claims, "role": "admin"}, secret), 403)

    def test_a_token_is_good_under_the_secret_that_signed_it(self):
        kept = self.login("root", self.password())["token"]
        self.restart(FERRESDB_JWT_SECRET="a secret of the settings, long enough")
        self.over(kept, 401)
        of_settings = self.login("root", self.password())["token"]
        self.restart(kill=True)
        self.good(of_settings)
        self.restart(FERRESDB_JWT_SECRET="another secret, which is as long")
        self.over(of_settings, 401)
        self.restart(FERRESDB_JWT_SECRET="")
        self.over(of_settings, 401)
        self.good(kept)


class DamagedFile(AccessCase):
    def test_only_the_keys_of_the_settings_go_on(self):
        self.serve()
        key = self.make_key()["key"]
        token = self.login("root", self.password())["token"]
        sound = self.accounts.read_bytes()
        newer = json.dumps({**json.loads(sound), "format": 1000}).encode()
        for bad in (b"", b"nonsense", sound[:len(sound) // 2], sound[1:], newer,
                    sound.replace(b'"sha256":"', b'"sha256":"x', 1), b'{"format":1}'):
            with self.subTest(bad=bad[:40]):
                self.running.stop()
                self.accounts.write_bytes(bad)
                before = self.running.log_size()
                self.running.start()
                log = self.running.log_since(before)
                self.assertIn("accounts_unreadable", log)
                self.assertIn(str(self.accounts), log)
                self.assertNotIn("password.", log)
                self.good(API_KEY)
                self.call("GET", "/collections", key=key, expect=503)
                self.over(token, 401)
                for method, path, body in (
                        ("GET", "/keys", None), ("GET", "/users", None),
                        ("POST", "/keys", {"name": "new"}), ("DELETE", "/keys/1", None),
                        ("PUT", "/keys/1", {"role": "viewer"}), ("POST", "/keys/1/rotate", None),
                        ("POST", "/users", {"username": "new", "password": "a password"}),
                        ("PUT", "/users/root/password", {"password": "a password"}),
                        ("PUT", "/users/root/permissions", {"permissions": None}),
                        ("DELETE", "/users/1", None),
                        ("POST", "/auth/login", {"username": "root", "password": "a password"})):
                    answer = self.call(method, path, body, expect=503)
                    self.assertEqual(answer["error"], "api_key_store_unavailable", (method, path))
                    self.assertNotIn(str(self.folder), answer["message"])
                self.assertEqual(self.accounts.read_bytes(), bad)
        self.running.stop()
        self.accounts.write_bytes(sound)
        self.running.start()
        self.good(key)
        self.good(token)

    def test_a_damaged_file_opens_no_door(self):
        self.serve(FERRESDB_API_KEYS="")
        self.good(None)
        self.running.stop()
        self.accounts.write_bytes(b"nonsense")
        self.running.start()
        self.over(None, 401)
        self.call("GET", "/collections", key="anything", expect=503)
        self.assertEqual(self.accounts.read_bytes(), b"nonsense")


if __name__ == "__main__":
    binary()
    unittest.main(verbosity=2)
