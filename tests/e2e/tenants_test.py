#!/usr/bin/env python3
# Tenants on one server: keys limited to one and to several namespaces, a user and a key that see some
# points by their metadata. Each sends random requests of every operation, sound and broken, while
# others write beside it. Two oracles:
#   - what others have holds markers, and no answer may hold one of them;
#   - each tenant has a twin server on which it is alone and where the same requests are sent: the
#     answers must be equal but for figures of the whole log and of time (VOLATILE).
# Longer: tenants_test.py --server BINARY --requests 100000 [--seed N] [Tenants.test_...]
import json
import random
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

from suite import Client, Server, binary

SPEC = Path(__file__).resolve().parents[2] / "spec" / "openapi.yaml"
VOLATILE = {"lsn", "version", "query_id", "took_ms", "created_at", "last_updated", "expires_at",
            "score",  # compared apart
            "index_stats", "explain_meta"}  # of the whole index
COLLECTIONS = ["shared", "papers", "graph"]
DIMENSION = 4
IDS = [f"p{i}" for i in range(40)]  # everybody's
ONLY_THEIRS = [f"b{i}" for i in range(10)]
ALWAYS_THEIRS = [f"h{i}" for i in range(5)]  # never deleted
THEIR_NAMESPACES = ["b", "MARK-other-namespace"]
MARKERS = [b"MARK-one-", b"MARK-several-", b"MARK-user-", b"MARK-both-", b"MARK-other"]
DENIED = ("theirs", "MINE", "mine ", None, ["theirs", "x"], {"a": "mine"}, 1, "")
# Answers that depend on more than what the caller may see; they are searched for markers alone.
# A key's id counts everybody's, and the cost of a search depends on all points.
NOT_COMPARED = re.compile(r"/health|/metrics|/api/v1/(keys|save|cluster|auth|stats)|.*/estimate")


def operations():
    """(method, path) of everything in the specification."""
    found, path = [], None
    for line in SPEC.read_text().split("\ncomponents:")[0].splitlines():
        if match := re.match(r"  (/\S+):$", line):
            path = match.group(1)
        elif match := re.match(r"    (get|post|put|patch|delete):$", line):
            found.append((match.group(1).upper(), path))
    return found


class Tenant:
    """One caller: what it may enter, what it writes, and its two servers."""

    def __init__(self, name, namespaces, dept=None, ids=IDS):
        self.name = name
        self.marker = f"MARK-{name}-"
        self.namespaces = namespaces  # that it writes into
        self.dept = dept
        self.ids = ids
        self.here = self.alone = None  # clients
        self.seen = 0  # answers with something of its own


class Requests:
    """Random requests as one tenant may think of them."""

    def __init__(self, seed, tenant):
        self.random = random.Random(f"{seed} {tenant.name}")
        self.tenant = tenant
        self.operations = operations()
        self.of_points = [one for one in self.operations if "/collections/{name}/" in one[1]]
        answer_points = re.compile(r"GET .*/points|POST .*/(search|export|count)")
        self.of_points += 3 * [one for one in self.of_points if answer_points.match(" ".join(one))]

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *choices):
        return self.random.choice(choices)

    def id(self):
        one = self.own_id()
        if self.chance(0.5):
            one = self.pick(self.random.choice(IDS + ONLY_THEIRS), self.random.choice(ALWAYS_THEIRS),
                            "nobody")
        if self.chance(0.1):
            one = self.pick("b", "", *self.tenant.namespaces) + "\0" + one
        return one

    def own_id(self):
        return self.random.choice(self.tenant.ids + [self.tenant.marker + "id"] * 10)

    def namespace(self):
        own = [ns for ns in self.tenant.namespaces if ns]
        if self.chance(0.75):
            return self.random.choice(own)
        return self.pick("b", "b", "", "nobody", "B", "b\0", own[0] + "\0b", "b/../b", " b")

    def vector(self, size=DIMENSION):
        return [round(self.random.uniform(-1, 1), 6) or 1.0 for _ in range(size)]

    def value(self):
        return self.pick("mine", "theirs", 1, None, True, [], ["mine", "theirs"], {"a": 1}, "x",
                         self.random.randrange(50))

    def filter(self, depth=0):
        result = {}
        for _ in range(self.random.randrange(1, 3)):
            kind = self.random.randrange(9)
            field = self.pick("dept", "dept.a", "dept.0", "n", "secret", "Dept", "de\u0070t", "text")
            if kind == 0:
                result[field] = self.value()
            elif kind == 1:
                result[field] = {self.pick("$ne", "$eq", "$gt", "$lte"): self.random.randrange(50)}
            elif kind == 2:
                result[field] = {self.pick("$in", "$nin"): [self.value() for _ in range(3)]}
            elif kind == 3:
                result[field] = {self.pick("$exists", "$is_null"): self.chance(0.5)}
            elif kind == 4:
                result[field] = {self.pick("$prefix", "$contains_text", "$icontains_text"):
                                 self.pick("M", "MARK", "mine", "")}
            elif kind == 5 and depth < 3:
                result[self.pick("$and", "$or", "$not")] = [self.filter(depth + 1),
                                                            self.filter(depth + 1)]
            elif kind == 6 and depth < 3:
                result["$not"] = self.filter(depth + 1)
            elif kind == 7:
                result["$namespace"] = self.namespace()
            else:
                result[field] = {"$ne": self.value()}
        return result

    def scope(self, body):
        """Perhaps a namespace and a filter."""
        if self.chance(0.4):
            body["namespace"] = self.namespace()
        if self.chance(0.4):
            body["filter"] = self.filter()
        if self.chance(0.05):
            body["min_lsn"] = self.pick(0, 10**12)
        return body

    def point(self):
        tenant = self.tenant
        metadata = {"n": self.random.randrange(50), "secret": tenant.marker + "secret",
                    "text": f"{tenant.marker} words"}
        dept = tenant.dept if tenant.dept and self.chance(0.9) else self.pick(*DENIED)
        if dept is not None:
            metadata["dept"] = dept
        point = {"id": self.own_id(), "vector": self.vector(), "metadata": metadata}
        if self.chance(0.1):
            point["ttl"] = 10**6
        if self.chance(0.02):
            point["vector"] = self.vector(3)
        if self.chance(0.03):  # an import takes it for a namespace and an id
            point["id"] = self.pick("b", "", *tenant.namespaces) + "\0" + point["id"]
        namespace = self.random.choice(tenant.namespaces)
        if namespace and self.chance(0.9):
            point["namespace"] = namespace
        elif tenant.namespaces[0] and self.chance(0.1):
            point["namespace"] = self.namespace()
        return point

    def points(self):
        return [self.point() for _ in range(self.random.randrange(1, 6))]

    def body(self, method, path):
        tail = path.rsplit("/", 1)[-1]
        if path.endswith("/points") and method == "POST":
            return {"points": self.points(), "atomic": self.chance(0.1),
                    "durability": self.pick("sync", "async", "async")}
        if path.endswith("/points/delete") or (tail == "points" and method == "DELETE"):
            body = {"ids": [self.id() for _ in range(self.random.randrange(1, 6))]}
            if self.chance(0.5):
                body["namespace"] = self.namespace()
            return body
        if tail in ("count", "export"):
            return self.scope({})
        if tail == "import":
            return "".join(json.dumps(point) + "\n" for point in self.points())
        if path == "/api/v1/collections":
            return {"name": f"made-{self.tenant.name}-{self.random.randrange(2)}",
                    "dimension": DIMENSION, "distance": "Euclidean"}
        if path == "/api/v1/keys":
            return self.pick({"name": self.tenant.marker}, {"name": "x", "role": "admin"},
                             {"name": "x", "allowed_namespaces": ["b"]})
        if tail in ("search", "explain", "estimate"):
            body = self.scope({"limit": self.random.randrange(1, 60), "exact": self.chance(0.7)})
            body.update(self.pick({"id": self.id()}, {"vector": self.vector()}))
            for field, values in (("with_vector", [True]), ("score_threshold", [0.5, 1, 2]),
                                  ("offset", [1, 30]), ("with_metadata", [False, ["secret"]]),
                                  ("rerank", [True]), ("ef_search", [10])):
                if self.chance(0.1):
                    body[field] = self.pick(*values)
            return body
        # Whatever it is for: fields that operations have.
        return self.pick({}, self.scope({"vector": self.vector(), "limit": 10, "id": self.id(),
                                         "ids": [self.id()], "collection": self.collection(),
                                         "query_text": "MARK", "field": "secret"}))

    def collection(self):
        if self.tenant.dept and self.chance(0.8):
            return "papers"
        return self.pick(*COLLECTIONS, *COLLECTIONS, f"made-{self.tenant.name}-0", "nobody")

    def target(self, path):
        values = {"name": self.collection(), "ns": self.namespace() or "x", "user": "root"}
        values["id"] = self.id() if "/points/" in path else str(self.random.randrange(5))
        for name, value in values.items():
            path = path.replace("{%s}" % name, quote(value, safe="") or "x")
        return path

    def query(self, method, path):
        query = []
        for _ in range(self.pick(0, 0, 0, 0, 1, 1, 2)):
            query.append("namespace=" + quote(self.namespace(), safe=""))
        if method == "GET" and self.chance(0.5):
            query.append("filter=" + quote(json.dumps(self.filter())))
        for name, values in (("limit", ["5", "0", "1000", "-1"]), ("offset", ["1", "30"]),
                             ("min_lsn", ["0", "0", "0", "1000000000000"])):
            if self.chance(0.2):
                query.append(name + "=" + self.pick(*values))
        if "/namespaces/" in path and self.chance(0.2):
            query.append("purge=true")
        self.random.shuffle(query)
        return "?" + "&".join(query) if query else ""

    def broken(self, text):
        """Text that is no longer sound JSON, or JSON of another shape."""
        kind = self.random.randrange(5)
        at = self.random.randrange(len(text) + 1)
        if kind == 0:
            return text[:at]
        if kind == 1:
            return text.replace(":", ":[", 1)
        if kind == 2:
            return text[:at] + self.pick("\\u0000", '"', "\x00", "b", "{}", ",") + text[at:]
        if kind == 3:
            return text.replace("{", '{"namespace":"b","namespace":"b",', 1)
        return self.pick("null", "[]", "[" * 70, '"MARK"', "7", "")

    def next(self):
        """(method, target, body, headers), of all operations alike but for more of those of points."""
        method, path = self.random.choice(self.operations if self.chance(0.2) else self.of_points)
        headers, body = {}, None
        if method != "GET":
            body = self.body(method, path)
            if not isinstance(body, str):
                body = json.dumps(body)
            if self.chance(0.08):
                body = self.broken(body)
        if self.chance(0.08):
            headers["X-Namespace"] = self.namespace().replace("\0", "")
        return method, self.target(path) + self.query(method, path), body, headers


def normal(value):
    """An answer without what may differ."""
    if isinstance(value, dict):
        return {key: normal(one) for key, one in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [normal(one) for one in value]
    return re.sub(r"LSN \d+", "LSN", value) if isinstance(value, str) else value


def in_order(points):
    return sorted(normal(points), key=lambda point: (point.get("namespace", ""), point["id"]))


def comparable(request, status, text):
    method, target, body, _ = request
    path = target.partition("?")[0]
    if status != 200:
        return status, normal(json.loads(text)) if text else None
    if path.endswith("/export"):
        return in_order([json.loads(line) for line in text.splitlines()])
    answer = json.loads(text)
    if path.endswith("/points") and method == "GET":
        # Points of one write are in any order, so a page may have others of them.
        whole = len(answer["points"]) == answer["total"]
        answer["points"] = in_order(answer["points"]) if whole else len(answer["points"])
    if path.endswith("/search/explain"):
        answer = None if "/graph/" in path else explained(answer)
    if is_search(target):
        # One that is not exact may be so only where the tenant is alone.
        sent = json.loads(body)
        if not sent.get("exact"):
            answer = None if "score_threshold" in sent else len(answer["results"])
    return normal(answer)


def explained(answer):
    """Of a search that may be approximate; scores are in there many times."""
    return [[result["id"], result.get("filter_evaluation"), result["rank_before_filter"],
             result["rank_after_filter"]] for result in answer["results"]]


def is_search(target):
    return target.partition("?")[0].endswith("/search")


def scores(text):
    return [result["score"] for result in json.loads(text)["results"]]


class Others:
    """Everybody else: writes to the server alone, and everything of theirs is marked."""

    def __init__(self, seed, client):
        self.random = random.Random(f"{seed} others")
        self.client = client

    def call(self, method, path, body):
        status, answer = self.client.request(method, "/api/v1" + path, body)
        assert status in (200, 201), (path, answer)

    def point(self, point_id, namespace):
        metadata = {"secret": "MARK-other-secret", "n": self.random.randrange(50),
                    "text": "MARK-other words"}
        dept = self.random.choice(DENIED)
        if dept is not None:
            metadata["dept"] = dept
        point = {"id": point_id, "vector": [self.random.uniform(-1, 1) for _ in range(DIMENSION)],
                 "metadata": metadata}
        if namespace:
            point["namespace"] = namespace
        return point

    def begin(self):
        self.call("POST", "/collections", {"name": "MARK-other-collection", "dimension": DIMENSION,
                                           "distance": "Cosine"})
        self.call("POST", "/keys", {"name": "MARK-other-key", "allowed_namespaces": ["b"]})
        self.call("POST", "/users", {"username": "MARK-other-user", "password": "MARK-other-password"})
        for name in [*COLLECTIONS, "MARK-other-collection"]:
            for namespace in [None, *THEIR_NAMESPACES]:
                ids = IDS + ONLY_THEIRS + ALWAYS_THEIRS + [f"MARK-other-{i}" for i in range(60)]
                self.call("POST", f"/collections/{name}/points",
                          {"points": [self.point(one, namespace) for one in ids]})

    def act(self):
        name = self.random.choice(COLLECTIONS)
        namespace = self.random.choice([None, *THEIR_NAMESPACES])
        one = self.random.choice(IDS + ONLY_THEIRS)
        if self.random.random() < 0.7:
            self.call("POST", f"/collections/{name}/points",
                      {"points": [self.point(one, namespace)], "durability": "async"})
        else:
            self.call("DELETE", f"/collections/{name}/points",
                      {"ids": [one], "namespace": namespace, "durability": "async"})


class Tenants(unittest.TestCase):
    requests = 3000
    seed = 1
    maxDiff = 4000

    def serve(self, name, isolation):
        server = Server(binary(), self.folder / name,
                        {"FERRESDB_NAMESPACE_PHYSICAL_ISOLATION": isolation,
                         "FERRESDB_FLAT_POINTS_MAX": "100", "FERRESDB_OPEN_NAMESPACES_MAX": "4"})
        self.addCleanup(lambda: server.is_alive() and server.kill())
        server.start()
        admin = server.client()
        self.addCleanup(admin.close)
        for name in COLLECTIONS:
            index = "compact" if name == "graph" else "flat"
            status, answer = admin.request("POST", "/api/v1/collections", {
                "name": name, "dimension": DIMENSION, "distance": "Euclidean", "index": index})
            self.assertEqual(status, 201, answer)
        return server, admin

    def credential(self, admin, tenant):
        """The same limits on a server and on its twin."""
        def ask(path, body, client=admin):
            status, answer = client.request("POST", "/api/v1" + path, body)
            self.assertEqual(status, 200, answer)
            return answer
        permissions = None
        if tenant.dept:
            permissions = [{"resource": {"type": "collection", "name": "papers"},
                            "actions": ["read", "write", "create", "delete", "admin"],
                            "metadata_restriction": {"field": "dept",
                                                     "allowed_values": [tenant.dept]}}]
        if tenant.name == "user":
            ask("/users", {"username": "user", "password": "a password", "role": "editor",
                           "permissions": permissions})
            return ask("/auth/login", {"username": "user", "password": "a password"})["token"]
        return ask("/keys", {"name": tenant.name, "permissions": permissions,
                             "role": "admin" if tenant.name == "one" else "editor",
                             "allowed_namespaces": tenant.namespaces})["key"]

    def connect(self, server, key):
        client = Client(server.port, key)
        self.addCleanup(client.close)
        return client

    def tenants(self, isolation):
        server, admin = self.serve("here", isolation)
        others = Others(self.seed, admin)
        others.begin()
        found = [Tenant("one", ["a1"]), Tenant("several", ["a2", "a3"]),
                 Tenant("user", ["", "r"], "mine", [f"r{i}" for i in range(40)]),
                 Tenant("both", ["r2"], "yours")]
        for tenant in found:
            twin, twins_admin = self.serve("alone-" + tenant.name, isolation)
            tenant.here = self.connect(server, self.credential(admin, tenant))
            tenant.alone = self.connect(twin, self.credential(twins_admin, tenant))
        return others, found

    def check(self, tenant, request, number):
        method, target, body, headers = request
        about = f"seed {self.seed}, request {number} of {tenant.name}: {request}"
        status, text = tenant.here.raw(method, target, body, headers)
        self.assertLess(status, 500, (about, text))
        if target.startswith("/metrics"):  # the label is public
            text = text.replace(b'collection="MARK-other-collection"', b"")
        for marker in MARKERS:
            if marker.decode() != tenant.marker:
                self.assertNotIn(marker, text, about)
        tenant.seen += tenant.marker.encode() in text
        if NOT_COMPARED.match(target):
            return status
        alone = tenant.alone.raw(method, target, body, headers)
        self.assertEqual(comparable(request, status, text), comparable(request, *alone), about)
        if status == 200 and is_search(target) and json.loads(body).get("exact"):
            # Ways to scan round differently in the last digit.
            for one, other in zip(scores(text), scores(alone[1])):
                self.assertAlmostEqual(one, other, 4, about)
        return status

    def fill(self, tenant, maker):
        """Every so often, for much is dropped and deleted."""
        for name in ["papers"] if tenant.dept else COLLECTIONS:
            points = []
            for one in tenant.ids:
                point = {**maker.point(), "id": one, "vector": maker.vector()}
                points.append({**point, "namespace": maker.random.choice(tenant.namespaces)})
            for client in (tenant.here, tenant.alone):
                status, answer = client.request("POST", f"/api/v1/collections/{name}/points",
                                                {"points": points})
                self.assertEqual(status, 200, answer)

    def hidden_is_refused(self, tenant, number):
        """A point that others have is not written over, wherever one may name it."""
        point = {"id": random.Random(number).choice(ALWAYS_THEIRS), "vector": [9, 9, 9, 9],
                 "metadata": {"dept": tenant.dept}}
        status, answer = tenant.here.request("POST", "/api/v1/collections/papers/points",
                                             {"points": [point]})
        self.assertEqual((status, answer["upserted"]), (200, 0), answer)
        self.assertNotIn("MARK", json.dumps(answer))

    def run_tenants(self, isolation):
        self.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        others, tenants = self.tenants(isolation)
        makers = [Requests(self.seed, tenant) for tenant in tenants]
        statuses = {}
        for number in range(self.requests):
            turn = number % len(tenants)
            if number % 400 < len(tenants):
                self.fill(tenants[turn], makers[turn])
            status = self.check(tenants[turn], makers[turn].next(), number)
            statuses[status] = statuses.get(status, 0) + 1
            if number % 5 == 0:
                others.act()
            if number % 100 == 0:
                self.hidden_is_refused(tenants[2], number)
        print(f"isolation {isolation}: {self.requests} requests, statuses "
              f"{dict(sorted(statuses.items()))}, with something of their own "
              f"{[tenant.seen for tenant in tenants]}", file=sys.stderr)
        self.assertGreater(statuses.get(200, 0), self.requests / 5)
        for tenant in tenants:
            answers = [client.request("GET", "/api/v1/collections/papers")[1]
                       for client in (tenant.here, tenant.alone)]
            self.assertEqual(answers[0]["num_points"], answers[1]["num_points"])
            self.assertGreater(tenant.seen, self.requests / 100, tenant.name)

    def test_in_shared_files(self):
        self.run_tenants("false")

    def test_in_files_of_their_own(self):
        self.run_tenants("true")


if __name__ == "__main__":
    binary()
    for name in ("requests", "seed"):
        if f"--{name}" in sys.argv:
            at = sys.argv.index(f"--{name}")
            setattr(Tenants, name, int(sys.argv[at + 1]))
            del sys.argv[at:at + 2]
    unittest.main(verbosity=2)
