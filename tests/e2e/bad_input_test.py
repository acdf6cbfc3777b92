#!/usr/bin/env python3
# What a careless or hostile client sends, and that each gets a clear answer with the right status
# while the server goes on: bodies, JSON, vectors, ids, names, filters, limits, keys, raw bytes.
import json
import socket
import unittest
from urllib.parse import quote

from suite import Client, ServerTest, binary


class BadBodies(ServerTest):
    COLLECTIONS = "/api/v1/collections"

    def send(self, body, path=COLLECTIONS, method="POST", headers=None):
        status, answer = self.client.raw(method, path, body, headers)
        return status, json.loads(answer) if answer else None

    def test_empty_body(self):
        self.refused(self.send(""), 400, "invalid_payload")

    def test_text_that_is_not_json(self):
        for text in ("{", "nonsense", '{"name":"a",}', "{'name':1}", "\xff\xfe", '{"a":1}{"b":2}'):
            with self.subTest(text=text):
                self.refused(self.send(text.encode("latin-1")), 400, "invalid_payload")

    def test_json_of_the_wrong_shape(self):
        for body in ("[]", "null", "3", '"text"', "{}", '{"name":"a"}',
                     '{"name":"a","dimension":4}',
                     '{"name":5,"dimension":4,"distance":"Cosine"}',
                     '{"name":"a","dimension":"4","distance":"Cosine"}',
                     '{"name":"a","dimension":-4,"distance":"Cosine"}',
                     '{"name":"a","dimension":4.5,"distance":"Cosine"}',
                     '{"name":"a","dimension":4,"distance":"cosine"}',
                     '{"name":"a","dimension":4,"distance":"Manhattan"}'):
            with self.subTest(body=body):
                answer = self.send(body)
                self.assertIn(answer[0], (400, 422), answer)
                self.refused(answer, answer[0], "invalid_payload")

    def test_values_out_of_range(self):
        for dimension in (0, 4097, 10**9):
            body = json.dumps({"name": "a", "dimension": dimension, "distance": "Cosine"})
            self.refused(self.send(body), 400, "invalid_payload",
                         "dimension must be between 1 and 4096")

    def test_missing_content_type(self):
        status, _ = self.client.raw("POST", self.COLLECTIONS, '{"name":"a"}',
                                    {"Content-Type": "text/plain"})
        self.assertEqual(status, 415)

    def test_body_of_100_megabytes(self):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        size = 100 << 20
        head = (f"POST {self.COLLECTIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer {self.client.key}\r\nContent-Length: {size}\r\n\r\n")
        connection.sendall(head.encode())
        chunk = b"x" * (1 << 20)
        try:
            for _ in range(size // len(chunk)):
                connection.sendall(chunk)
        except OSError:
            pass  # refused before it was all sent
        try:
            answer = connection.recv(1 << 16)
        except OSError:
            answer = b""
        connection.close()
        if answer:  # a connection that was reset may have lost it
            self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:200])

    def test_announced_100_megabytes_are_refused_at_once(self):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=60)
        connection.sendall(
            (f"POST {self.COLLECTIONS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             f"Authorization: Bearer {self.client.key}\r\n"
             f"Content-Length: {100 << 20}\r\n\r\n").encode())
        self.assertTrue(connection.recv(1 << 16).startswith(b"HTTP/1.1 413"))
        connection.close()

    def test_json_10000_deep(self):
        path = self.create("deep")
        for open_text, close_text in (("[", "]"), ('{"a":', "}")):
            deep = open_text * 10_000 + "1" + close_text * 10_000
            self.refused(self.send(deep), 400, "invalid_payload")
            self.refused(self.send('{"vector":[1,0,0,0],"limit":1,"filter":%s}' % deep,
                                   path + "/search"), 400, "invalid_payload")
            answer = self.send('{"points":[{"id":"a","vector":[1,0,0,0],"metadata":%s}]}' % deep,
                               path + "/points")
            self.assertIn(answer[0], (200, 400), answer)
            if answer[0] == 200:
                self.assertEqual(answer[1]["upserted"], 0, answer)
                self.assertEqual(len(answer[1]["failed"]), 1, answer)
        self.assertEqual(self.client.request("GET", path + "/points")[1]["total"], 0)

    def test_raw_bytes_that_are_not_http(self):
        for raw in (b"GARBAGE\r\n\r\n", b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n",
                    b"GET /health HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"):
            connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            try:
                answer = connection.recv(1 << 16)
            except OSError:
                answer = b""
            self.assertFalse(answer.startswith(b"HTTP/1.1 2"), (raw, answer))
            connection.close()

    def test_header_of_a_megabyte(self):
        try:
            with Client(self.server.port) as client:
                status, _ = client.raw("GET", "/health", headers={"X-Large": "x" * (1 << 20)})
            self.assertIn(status, (400, 431))
        except OSError:
            pass  # closed while it was being sent


class BadPoints(ServerTest):
    def setUp(self):
        if not hasattr(type(self), "path"):
            type(self).path = self.create("points", 4, "Cosine")

    def fails_with(self, point, reason):
        answer = self.upsert(self.path, [point])
        self.assertEqual(answer["upserted"], 0, answer)
        self.assertEqual(len(answer["failed"]), 1, answer)
        self.assertIn(reason, answer["failed"][0]["reason"])

    def test_wrong_dimension(self):
        self.fails_with({"id": "a", "vector": [1, 2, 3]}, "dimension mismatch: expected 4, got 3")
        self.refused(self.client.request("POST", self.path + "/search",
                                         {"vector": [1, 2, 3], "limit": 1}),
                     400, "invalid_dimension", "dimension mismatch: expected 4, got 3")

    def test_zero_vector_under_cosine(self):
        self.fails_with({"id": "a", "vector": [0, 0, 0, 0]}, "zero")

    def test_a_bad_point_does_not_fail_the_rest(self):
        answer = self.upsert(self.path, [
            {"id": "good", "vector": [1, 0, 0, 0]}, {"id": "bad", "vector": [1]},
            {"id": "", "vector": [1, 0, 0, 0]}])
        self.assertEqual(answer["upserted"], 1)
        self.assertEqual([f["id"] for f in answer["failed"]], ["bad", ""])

    def test_nan_and_infinity(self):
        for value in ("NaN", "Infinity", "-Infinity", "nan", "1e999", "0x10", "+1", ".5"):
            with self.subTest(value=value):
                status, answer = self.client.raw(
                    "POST", self.path + "/points",
                    '{"points":[{"id":"n","vector":[%s,0,0,1]}]}' % value)
                self.assertEqual(status, 400, answer)
        # Finite for JSON, not for 32 bits.
        status, answer = self.client.raw("POST", self.path + "/points",
                                         '{"points":[{"id":"n","vector":[1e39,0,0,1]}]}')
        if status == 200:
            self.assertEqual(json.loads(answer)["upserted"], 0, answer)
        else:
            self.assertIn(status, (400, 422), answer)
        self.assertEqual(self.client.request("GET", self.path + "/points/n")[0], 404)

    def test_odd_ids_come_back(self):
        odd = ["a/b", "../x", "..", ".", "a b", 'quo"te', "it's", "back\\slash", "100%", "%2F", "a?b",
               "a#b", "a&b=c", "\u00e9\u4e2d\u6587", "\U0001f600\U0001f1eb\U0001f1f7", "\t\n", "+",
               "x" * 1024, "a:b@c", "{}", "null", "0"]
        answer = self.upsert(self.path, [{"id": i, "vector": [1, 0, 0, n + 1], "metadata": {"n": n}}
                                         for n, i in enumerate(odd)])
        self.assertEqual((answer["upserted"], answer["failed"]), (len(odd), []))
        for n, point_id in enumerate(odd):
            with self.subTest(id=point_id):
                status, point = self.client.request(
                    "GET", self.path + "/points/" + quote(point_id, safe=""))
                self.assertEqual(status, 200, point)
                self.assertEqual((point["id"], point["metadata"]), (point_id, {"n": n}))
        status, answer = self.client.request("DELETE", self.path + "/points", {"ids": odd})
        self.assertEqual((status, answer["deleted"]), (200, len(odd)))

    def test_ids_that_cannot_be(self):
        self.fails_with({"id": "", "vector": [1, 0, 0, 0]}, "empty")
        self.fails_with({"id": "x" * 1025, "vector": [1, 0, 0, 0]}, "1024")
        self.fails_with({"id": "a\0b", "vector": [1, 0, 0, 0]}, "NUL")

    def test_points_of_the_wrong_shape(self):
        good = {"id": "a", "vector": [1, 0, 0, 0]}
        for points in (None, {}, "a", [1], [None], [{}], [{"id": 1, "vector": [1, 0, 0, 0]}],
                       [{"id": "a", "vector": "1,0,0,0"}], [{"id": "a", "vector": [1, 0, 0, "0"]}],
                       [{"id": "a", "vector": {"0": 1}}], [{**good, "namespace": 5}],
                       [{**good, "ttl": "soon"}], [{**good, "ttl": -1}], [{**good, "ttl": 1.5}]):
            with self.subTest(points=points):
                status, answer = self.client.request("POST", self.path + "/points",
                                                     {"points": points})
                if status == 200:
                    self.assertEqual((answer["upserted"], len(answer["failed"])), (0, 1), answer)
                else:
                    self.assertIn(status, (400, 422), answer)
                    self.refused((status, answer), status, "invalid_payload")

    def test_named_vectors_are_not_dropped_silently(self):
        status, answer = self.client.request("POST", self.path + "/points", {"points": [
            {"id": "named", "vector": [1, 0, 0, 0], "vectors": {"title": [1, 0, 0, 0]}}]})
        if status == 200 and answer["upserted"] == 1:
            point = self.client.request("GET", self.path + "/points/named")[1]
            self.assertEqual(point["vectors"], {"title": [1, 0, 0, 0]})

    def test_batch_limits(self):
        point = {"id": "a", "vector": [1, 0, 0, 0]}
        self.refused(self.client.request("POST", self.path + "/points", {"points": [point] * 1001}),
                     400, "invalid_payload", "batch too large: max 1000 points per request")
        self.refused(self.client.request("POST", self.path + "/points", {"points": []}),
                     400, "invalid_payload", "points must contain at least 1 item")
        self.refused(self.client.request("DELETE", self.path + "/points", {"ids": []}),
                     400, "invalid_payload", "ids cannot be empty")
        self.refused(self.client.request("DELETE", self.path + "/points",
                                         {"ids": [str(i) for i in range(10_001)]}),
                     400, "invalid_payload", "batch too large: max 10000 ids per delete request")

    def test_search_limits(self):
        def search(**more):
            return self.client.request("POST", self.path + "/search",
                                       {"vector": [1, 0, 0, 0], "limit": 5, **more})
        self.refused(search(limit=0), 400, "invalid_payload", "limit must be greater than 0")
        self.refused(search(limit=10_001), 400, "invalid_payload", "limit too large: max 10000")
        for more in ({"limit": -1}, {"limit": "5"}, {"limit": 1.5}, {"limit": None},
                     {"vector": []}, {"vector": None}, {"vector": "x"}, {"vector": [1, 0, 0, "a"]},
                     {"vector_field": "nobody"}, {"filter": []}, {"filter": "x"},
                     {"ef_search": "many"}, {"namespace": 1}):
            with self.subTest(more=more):
                status, answer = search(**more)
                self.assertIn(status, (400, 422), answer)
                self.assertTrue(answer["message"])

    def test_filters_say_what_is_wrong(self):
        for text, message in (
                ({"f": {"$foo": 1}}, "filter.f: unknown operator '$foo'"),
                ({"f": {"$in": 1}}, "filter.f: $in must be an array"),
                ({"f": {"$gt": None}}, "filter.f: $gt must be a number"),
                ({"$namespace": 1}, "filter.$namespace must be a string"),
                ([], "filter must be a JSON object or null"),
                ({"$or": [{"f": {"$match": "x"}}]}, "needs full text")):
            with self.subTest(filter=text):
                self.refused(self.client.request("POST", self.path + "/search", {
                    "vector": [1, 0, 0, 0], "limit": 1, "filter": text}),
                             400, "invalid_payload", message)
        for query in ("{", "[]", "%7B%22f%22%3A%7B%22%24in%22%3A1%7D%7D"):
            self.refused(self.client.request("GET", self.path + "/points?filter=" + query),
                         400, "invalid_payload")
        for query in ("limit=x", "limit=-1", "offset=-1", "offset=x"):
            answer = self.client.request("GET", self.path + "/points?" + query)
            self.refused(answer, 400)


class BadNames(ServerTest):
    def test_names_that_are_paths(self):
        for name in ("../x", "..", ".", "a/b", "/etc", "a\\b", "a b", "\u00e9", "a.b", "a\0b", "-\n",
                     "CON:", "%2e%2e"):
            with self.subTest(name=name):
                self.refused(self.client.request("POST", "/api/v1/collections", {
                    "name": name, "dimension": 4, "distance": "Cosine"}),
                             400, "invalid_payload", "name can only contain letters, numbers, "
                             "hyphens, and underscores")
        self.refused(self.client.request("POST", "/api/v1/collections", {
            "name": "", "dimension": 4, "distance": "Cosine"}),
                     400, "invalid_payload", "name cannot be empty")
        self.refused(self.client.request("POST", "/api/v1/collections", {
            "name": "x" * 100_000, "dimension": 4, "distance": "Cosine"}), 400, "invalid_payload")
        beside = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(beside, ["data", "data.log"])

    def test_paths_that_climb(self):
        self.create("inside")
        for name in ("..%2F..%2Fetc", "%2e%2e", "..%5c..", "%00", "inside%2F..%2Finside",
                     "inside%00", "%ff%fe"):
            for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/points"),
                                 ("GET", "/points/a")):
                with self.subTest(name=name, method=method, tail=tail):
                    status, _ = self.client.raw(method, f"/api/v1/collections/{name}{tail}")
                    self.assertIn(status, (400, 404))
        self.assertEqual(self.client.request("GET", "/api/v1/collections/inside")[0], 200)

    def test_existing_and_missing(self):
        self.create("twice")
        self.refused(self.client.request("POST", "/api/v1/collections", {
            "name": "twice", "dimension": 4, "distance": "Cosine"}),
                     409, "collection_already_exists", "collection 'twice' already exists")
        message = "collection 'nobody' not found"
        for method, tail, body in (
                ("GET", "", None), ("DELETE", "", None), ("GET", "/points", None),
                ("GET", "/points/a", None), ("POST", "/search", {"vector": [1], "limit": 1}),
                ("POST", "/points", {"points": [{"id": "a", "vector": [1]}]}),
                ("DELETE", "/points", {"ids": ["a"]})):
            self.refused(self.client.request(method, "/api/v1/collections/nobody" + tail, body),
                         404, "collection_not_found", message)
        self.refused(self.client.request("GET", "/api/v1/collections/twice/points/nobody"),
                     404, "collection_not_found", "point 'nobody' not found")

    def test_routes_and_methods(self):
        self.assertEqual(self.client.raw("GET", "/api/v1/nowhere")[0], 404)
        self.assertEqual(self.client.raw("GET", "/")[0], 404)
        self.assertEqual(self.client.raw("PUT", "/api/v1/collections", "{}")[0], 405)
        self.assertEqual(self.client.raw("POST", "/health", "{}")[0], 405)

    def test_keys(self):
        self.create("guarded")
        routes = [("GET", "/api/v1/collections", None), ("GET", "/api/v1/collections/guarded", None),
                  ("DELETE", "/api/v1/collections/guarded", None),
                  ("POST", "/api/v1/collections",
                   '{"name":"thief","dimension":4,"distance":"Cosine"}'),
                  ("POST", "/api/v1/collections/guarded/search", '{"vector":[1,0,0,0],"limit":1}')]
        for headers, wanted in (({"Authorization": ""}, 401), ({"Authorization": "Basic x"}, 401),
                                ({"Authorization": "Bearer wrong"}, 403)):
            for method, path, body in routes:
                with self.subTest(headers=headers, method=method, path=path):
                    status, answer = self.client.raw(method, path, body, headers)
                    self.assertEqual(status, wanted, answer)
                    self.assertTrue(json.loads(answer)["message"])
        self.assertEqual(self.client.raw("GET", "/health", headers={"Authorization": ""})[0], 200)
        self.assertEqual(self.client.request("GET", "/api/v1/collections/guarded")[0], 200)
        self.assertEqual(self.client.request("GET", "/api/v1/collections/thief")[0], 404)


if __name__ == "__main__":
    binary()
    unittest.main(verbosity=2)
