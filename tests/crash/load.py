# Threads that write beside everything until the server is gone, and what may be there afterwards.
#
# Threads own ids of their own, so each knows what its ids must be: the last acknowledged state, or
# that of the one request that was cut off. `states` maps (collection, namespace, id) to the list of
# states that the point may be in: one, or more where a request was cut off.
import http.client
import random
import threading

DIMENSION = 16
IDS_PER_THREAD = 120
ABSENT = None


class Writer(threading.Thread):
    """Upserts and deletes ids of its own in `places`, pairs of collection and namespace ("": none);
    now and then it changes the index of one, if told to."""

    def __init__(self, number, server, seed, states, places, changes_index=False):
        super().__init__()
        self.number = number
        self.server = server
        self.random = random.Random(seed)
        self.states = states
        self.places = places
        self.changes_index = changes_index
        self.requests = 0
        self.points = 0
        self.error = None

    def run(self):
        client = self.server.client()
        try:
            while True:
                collection, namespace = self.random.choice(self.places)
                chosen = self.random.sample(range(IDS_PER_THREAD), self.random.randint(1, 20))
                keys = [(collection, namespace, f"w{self.number}-{i}") for i in chosen]
                if self.changes_index and self.random.random() < 0.02:
                    self.change_index(client, collection)
                elif self.random.random() < 0.3:
                    self.delete(client, keys)
                else:
                    self.upsert(client, keys)
        except (OSError, http.client.HTTPException):
            pass  # killed; what was under way stays uncertain
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            client.close()

    def upsert(self, client, keys):
        points = []
        for key in keys:
            vector = [round(self.random.uniform(-1, 1), 3) for _ in range(DIMENSION)]
            stamp = self.random.randrange(1 << 50)
            point = {"id": key[2], "vector": vector, "metadata": {"stamp": stamp}}
            if key[1]:
                point["namespace"] = key[1]
            points.append(point)
            self.ask(key, (stamp, tuple(vector)))
        status, answer = client.request("POST", f"/api/v1/collections/{keys[0][0]}/points",
                                        {"points": points})
        if status != 200 or answer["upserted"] != len(points) or answer["failed"]:
            raise AssertionError(f"upsert answered {status}: {answer}")
        self.acknowledge(keys)

    def delete(self, client, keys):
        for key in keys:
            self.ask(key, ABSENT)
        collection, namespace, _ = keys[0]
        body = {"ids": [key[2] for key in keys]}
        if namespace:
            body["namespace"] = namespace
        status, answer = client.request("DELETE", f"/api/v1/collections/{collection}/points", body)
        if status != 200:
            raise AssertionError(f"delete answered {status}: {answer}")
        self.acknowledge(keys)

    def change_index(self, client, collection):
        """Built in the background, beside everything else."""
        status, answer = client.request(
            "PATCH", f"/api/v1/collections/{collection}",
            {"index": self.random.choice(["fast", "compact", "flat"]),
             "quantization": self.random.choice([{"RaBitQ": {"bits": 8}}, {"Scalar": {}}])})
        if status != 204:
            raise AssertionError(f"patch answered {status}: {answer}")

    def ask(self, key, state):
        self.states.setdefault(key, [ABSENT]).append(state)

    def acknowledge(self, keys):
        for key in keys:
            del self.states[key][:-1]
        self.requests += 1
        self.points += len(keys)


def read_points(client, collection, namespace=""):
    """All points of a collection, or of one namespace, as {(namespace, id): point}, by pages."""
    found = {}
    offset = 0
    within = f"&namespace={namespace}" if namespace else ""
    while True:
        status, answer = client.request(
            "GET", f"/api/v1/collections/{collection}/points?limit=1000&offset={offset}{within}")
        if status != 200:
            raise AssertionError(f"list answered {status}: {answer}")
        for point in answer["points"]:
            key = (point.get("namespace", ""), point["id"])
            if key in found:
                raise AssertionError(f"{collection}: {key} is listed twice")
            found[key] = point
        offset += len(answer["points"])
        if not answer["has_more"]:
            if answer["total"] != len(found):
                raise AssertionError(f"total {answer['total']}, listed {len(found)}")
            return found


def state_of(point):
    if point is None:
        return ABSENT
    return (point["metadata"]["stamp"], tuple(round(x, 3) for x in point["vector"]))


def settle(collection, found, states):
    """Compares what was found of the writers' points, and settles what was uncertain by what is
    there."""
    for namespace, point_id in found:
        if (collection, namespace, point_id) not in states:
            raise AssertionError(f"{collection}: nobody wrote {namespace}/{point_id}")
    for key, allowed in states.items():
        if key[0] != collection:
            continue
        state = state_of(found.get(key[1:]))
        if state not in allowed:
            what = "is gone" if state is ABSENT else (
                "came back" if allowed == [ABSENT] else "is not as it was written")
            raise AssertionError(f"{key} {what}; allowed {allowed}, found {state}")
        allowed[:] = [state]


def check_searches(client, states, draw):
    """A few living points find themselves."""
    living = [(key, allowed[0]) for key, allowed in states.items() if allowed[0] is not ABSENT]
    for (collection, namespace, point_id), (stamp, vector) in draw.sample(living,
                                                                          min(10, len(living))):
        body = {"vector": vector, "limit": 3}
        if namespace:
            body["namespace"] = namespace
        status, answer = client.request("POST", f"/api/v1/collections/{collection}/search", body)
        if status != 200:
            raise AssertionError(f"search answered {status}: {answer}")
        hits = {hit["id"]: hit for hit in answer["results"]}
        if point_id not in hits or hits[point_id]["metadata"]["stamp"] != stamp:
            raise AssertionError(
                f"{collection}: a search by the vector of {point_id} misses it: {hits}")
        for hit in answer["results"]:
            key = (collection, hit.get("namespace", ""), hit["id"])
            if states.get(key, [ABSENT])[0] is ABSENT:
                raise AssertionError(f"the search answers {key}, which is not there")
