"""Random requests of tenants for tenants.py. Each connection owns some tenants and knows every
point they have, so each answer is compared with what must be in it. All that a tenant stores, its
name too, holds a marker of its own: another's marker in any answer, an error's too, is a leak.
"""
import json
import math
import random
import re
import sys
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "harness"))
from ferres_server import API_KEY, Client  # noqa: E402

DIMENSION = 32
POINTS = 10
BASE = "/api/v1/collections/tenants"
MARKER = re.compile(rb"mk(\d{6})q")
RESTORES_MAX = 2  # a connection; each builds a state of the whole collection


def marker(tenant):
    return f"mk{tenant:06d}q"


def make_point(tenant, name, numbers):
    """Half of the ids are every tenant's, half hold its marker. Numbers are exact in binary."""
    n = numbers.randrange(100)
    return {"id": name, "vector": [numbers.randrange(-64, 65) / 8 for _ in range(DIMENSION)],
            "metadata": {"tenant": marker(tenant), "n": n, "even": n % 2 == 0,
                         "text": f"{n} of {marker(tenant)}"}}


def name_of(tenant, i):
    return f"p{i}" if i % 2 == 0 else f"{marker(tenant)}-{i}"


def first_points(tenant):
    numbers = random.Random(tenant)
    return [make_point(tenant, name_of(tenant, i), numbers) for i in range(POINTS)]


def distance(a, b):
    return math.dist(a, b)


class Leak(Exception):
    pass


class Wrong(Exception):
    pass


def expect(same, what, *details):
    if not same:
        raise Wrong(f"{what}: {details}"[:2000])


class Connection:
    """One connection's tenants: {tenant: {id: point}}. `run` counts requests and leaks."""

    def __init__(self, port, tenants, others, seed):
        self.client = Client(port, timeout=600)
        self.numbers = random.Random(seed)
        self.points = {t: {p["id"]: p for p in first_points(t)} for t in tenants}
        self.names = list(tenants)
        self.others = others
        self.moments = {}  # tenant: (lsn, its points then)
        self.restores = 0
        self.requests = 0
        self.times = {}
        self.tenant = 0

    # ---- requests

    def send(self, method, path, body=None, headers=None, lines=None):
        sent = {"Authorization": f"Bearer {API_KEY}", **(headers or {})}
        if body is not None or lines is not None:
            sent["Content-Type"] = "application/json" if lines is None else "application/x-ndjson"
        text = lines if lines is not None else None if body is None else json.dumps(body)
        status, answer = self.client.raw(method, path, text, sent)
        self.requests += 1
        return status, answer

    def ask(self, method, path, body=None, lines=None, filters=True):
        """The request with its namespace named in one of the ways there are; a name of less weight
        is another tenant's, which must not count."""
        own, other = marker(self.tenant), marker(self.numbers.choice(self.others))
        ways = ["query", "header"]
        if body is not None:
            ways += ["body"] + (["filter"] if filters else [])
        way, headers = self.numbers.choice(ways), {}
        mislead = self.numbers.random() < 0.3
        if way == "header":
            headers["X-Namespace"] = own
        elif way == "query":
            path += ("&" if "?" in path else "?") + f"namespace={own}"
            if mislead:
                headers["X-Namespace"] = other
        elif way == "body":
            body = {**body, "namespace": own}
            if mislead:
                headers["X-Namespace"] = other
        else:
            body = {**body, "filter": {**body.get("filter", {}), "$namespace": own}}
        status, answer = self.send(method, path, body, headers, lines)
        found = {int(m) for m in MARKER.findall(answer)}
        if found - {self.tenant}:
            raise Leak(f"{method} {path} {way} of {own}: {sorted(found)}: {answer[:500]}")
        return status, answer

    def json(self, *arguments, expected=200, **named):
        status, answer = self.ask(*arguments, **named)
        expect(status == expected, "status", arguments, status, answer)
        return json.loads(answer) if answer else None

    # ---- what must be in an answer

    def own(self):
        return self.points[self.tenant]

    def compare(self, got, point):
        expect(got.get("namespace") == marker(self.tenant), "namespace", got)
        expect(got["metadata"] == point["metadata"], "metadata", got, point)
        expect("vector" not in got or got["vector"] == point["vector"], "vector", got, point)

    def compare_all(self, got, wanted):
        expect(sorted(p["id"] for p in got) == sorted(p["id"] for p in wanted), "ids",
               [p["id"] for p in got], [p["id"] for p in wanted])
        for point in got:
            self.compare(point, self.own()[point["id"]])

    def condition(self):
        """A filter and what it means."""
        n = self.numbers.randrange(100)
        return self.numbers.choice([
            ({"n": {"$lt": n}}, lambda p: p["metadata"]["n"] < n),
            ({"even": True}, lambda p: p["metadata"]["even"]),
            ({"tenant": marker(self.tenant)}, lambda p: True),
            ({"tenant": {"$ne": marker(self.tenant)}}, lambda p: False),
            ({"$not": {"n": {"$gte": n}}}, lambda p: p["metadata"]["n"] < n),
        ])

    # ---- one request of each kind

    def search(self, filtered=False, by_id=False):
        condition, meaning = self.condition() if filtered else ({}, lambda p: True)
        body = {"limit": self.numbers.randrange(1, 15)}
        if filtered:
            body["filter"] = condition
        if self.numbers.random() < 0.3:
            body["with_vector"] = True
        if self.numbers.random() < 0.2:
            body["exact"] = True
        hidden = None
        if by_id:
            hidden = self.numbers.choice(list(self.own()))
            body["id"], query = hidden, self.own()[hidden]["vector"]
        else:
            query = make_point(self.tenant, "", self.numbers)["vector"]
            body["vector"] = query
        wanted = sorted((distance(query, p["vector"]), p["id"]) for p in self.own().values()
                        if meaning(p) and p["id"] != hidden)[:body["limit"]]
        got = self.json("POST", f"{BASE}/search", body)["results"]
        expect(len(got) == len(wanted), "hits", body, got, wanted)
        for hit, (score, _) in zip(got, wanted, strict=True):
            expect(abs(hit["score"] - score) < 1e-3, "score", body, got, wanted)
            expect(abs(distance(query, self.own()[hit["id"]]["vector"]) - score) < 1e-3, "hit",
                   body, got, wanted)
            self.compare(hit, self.own()[hit["id"]])

    def search_filtered(self):
        self.search(filtered=True)

    def search_by_id(self):
        if self.own():
            self.search(by_id=True)

    def get(self):
        if not self.own():
            return
        name = self.numbers.choice(list(self.own()))
        self.compare(self.json("GET", f"{BASE}/points/{quote(name)}"), self.own()[name])

    def get_missing(self):
        name = marker(self.numbers.choice(self.others)) + "-1"
        if self.numbers.random() < 0.5:
            name = "p1"
        # The id that was asked for is in the answer: another's marker in it is our own doing.
        status, answer = self.send("GET", f"{BASE}/points/{name}",
                                   headers={"X-Namespace": marker(self.tenant)})
        expect(status == 404 and b"vector" not in answer, "missing", name, status, answer)

    def list(self, filtered=False):
        condition, meaning = self.condition() if filtered else ({}, lambda p: True)
        wanted = [p for p in self.own().values() if meaning(p)]
        path = f"{BASE}/points?limit=100"
        if filtered:
            path += "&filter=" + quote(json.dumps(condition))
        got = self.json("GET", path)
        expect(got["total"] == len(wanted) and not got["has_more"], "total", got)
        self.compare_all(got["points"], wanted)

    def list_filtered(self):
        self.list(filtered=True)

    def list_pages(self):
        size, got = self.numbers.randrange(1, 6), []
        while True:
            page = self.json("GET", f"{BASE}/points?limit={size}&offset={len(got)}")
            got += page["points"]
            if not page["has_more"]:
                break
        self.compare_all(got, self.own().values())

    def count(self, filtered=False):
        condition, meaning = self.condition() if filtered else ({}, lambda p: True)
        body = {"filter": condition} if filtered else {}
        got = self.json("POST", f"{BASE}/points/count", body)["count"]
        expect(got == sum(map(meaning, self.own().values())), "count", condition, got)

    def count_filtered(self):
        self.count(filtered=True)

    def new_points(self):
        names = {name_of(self.tenant, self.numbers.randrange(2 * POINTS))
                 for _ in range(self.numbers.randrange(1, 4))}
        return [make_point(self.tenant, name, self.numbers) for name in sorted(names)]

    def upsert(self):
        points, own = self.new_points(), marker(self.tenant)
        if self.numbers.random() < 0.3:  # named by each point
            headers = {"X-Namespace": marker(self.numbers.choice(self.others))}
            sent = [{**point, "namespace": own} for point in points]
            status, answer = self.send("POST", f"{BASE}/points", {"points": sent}, headers)
            expect(status == 200, "upsert", status, answer)
            got = json.loads(answer)
        else:
            way = f"?namespace={own}" if self.numbers.random() < 0.5 else ""
            status, answer = self.send("POST", f"{BASE}/points{way}", {"points": points},
                                       {"X-Namespace": own})
            got = json.loads(answer)
        expect(got["upserted"] == len(points) and not got["failed"], "upsert", got)
        self.own().update((point["id"], point) for point in points)

    def upsert_partly_wrong(self):
        points = self.new_points()
        wrong = {**points[0], "id": f"{marker(self.tenant)}-wrong", "vector": [1.0]}
        status, answer = self.send("POST", f"{BASE}/points", {"points": [wrong, *points]},
                                   {"X-Namespace": marker(self.tenant)})
        got = json.loads(answer)
        expect(status == 200 and got["upserted"] == len(points) and
               [f["id"] for f in got["failed"]] == [wrong["id"]], "partly", got)
        self.own().update((point["id"], point) for point in points)

    def delete(self):
        ids = [name_of(self.tenant, i)
               for i in self.numbers.sample(range(2 * POINTS), self.numbers.randrange(1, 4))]
        method, path = self.numbers.choice([("DELETE", "points"), ("POST", "points/delete")])
        got = self.json(method, f"{BASE}/{path}", {"ids": ids}, filters=False)
        expect(got["deleted"] == sum(i in self.own() for i in ids), "deleted", ids, got)
        for name in ids:
            self.own().pop(name, None)

    def wrong(self):
        path, body = self.numbers.choice([
            ("search", {"vector": [1.0], "limit": 3}),
            ("search", {"vector": [1.0] * DIMENSION, "limit": 0}),
            ("search", {"id": "nobody", "limit": 3}),
            ("points/count", {"filter": {"tenant": {"$nonsense": 1}}}),
        ])
        status, answer = self.ask("POST", f"{BASE}/{path}", body, filters="filter" in body)
        expect(400 <= status < 500, "wrong request", path, body, status, answer)

    def export(self):
        status, answer = self.ask("POST", f"{BASE}/export", {})
        expect(status == 200, "export", status, answer)
        self.compare_all([json.loads(line) for line in answer.splitlines()], self.own().values())

    def import_(self):
        points = self.new_points()
        lines = "".join(json.dumps(point) + "\n" for point in points)
        got = self.json("POST", f"{BASE}/import", lines=lines)
        expect(got["failed_total"] == 0, "import", got)
        self.own().update((point["id"], point) for point in points)

    def list_namespaces(self):
        status, answer = self.send("GET", f"{BASE}/namespaces")
        expect(status == 200, "namespaces", status, answer)
        counts = {n["namespace"]: n["points"] for n in json.loads(answer)["namespaces"]}
        for tenant in self.names:
            expect(counts.get(marker(tenant), 0) == len(self.points[tenant]), "namespaces", tenant)

    def snapshot(self):
        got = self.json("POST", f"{BASE}/namespaces/{marker(self.tenant)}/snapshot")
        expect(got["points"] == len(self.own()), "snapshot", got)
        self.moments[self.tenant] = (got["lsn"], dict(self.own()))

    def restore(self):
        if not self.moments or self.restores == RESTORES_MAX:
            return
        self.restores += 1
        self.tenant, (lsn, points) = self.moments.popitem()
        status, answer = self.send("POST", "/api/v1/admin/restore",
                                   {"collection": "tenants", "namespace": marker(self.tenant),
                                    "lsn": lsn})
        expect(status == 200, "restore", status, answer)
        self.points[self.tenant] = points
        self.list()

    def drop(self):
        got = self.json("DELETE", f"{BASE}/namespaces/{marker(self.tenant)}")
        expect(got["deleted"] == len(self.own()), "drop", got)
        self.own().clear()
        self.list()

    KINDS = {  # of 10 000 requests
        search: 2600, search_filtered: 1000, search_by_id: 600, get: 1400, get_missing: 400,
        list: 800, list_filtered: 500, list_pages: 100, count: 400, count_filtered: 400,
        upsert: 900, upsert_partly_wrong: 100, delete: 400, wrong: 280, export: 10, import_: 60,
        list_namespaces: 4, snapshot: 4, restore: 2, drop: 40}

    def run(self, count):
        """So many requests; the leaks and the wrong answers."""
        leaks, wrong, end = [], [], self.requests + count
        kinds, weights = list(self.KINDS), list(self.KINDS.values())
        while self.requests < end:
            self.tenant = self.numbers.choice(self.names)
            kind, = self.numbers.choices(kinds, weights)
            start = time.monotonic()
            try:
                kind(self)
            except Leak as leak:
                leaks.append(f"{kind.__name__}: {leak}")
            except Wrong as difference:
                wrong.append(f"{kind.__name__} {marker(self.tenant)}: {difference}")
            self.times.setdefault(kind.__name__, []).append(time.monotonic() - start)
        return leaks, wrong
