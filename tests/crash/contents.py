# What a collection holds in the tests that kill operations, and whether it does, by every way of
# asking. Points are made from their namespace, number and version, so a state is a dictionary
# {(namespace, number): version}; the namespace "" stands for none.
import random
import zlib
from array import array

DIMENSION = 16
SIDE = "side"  # a namespace whose points others write (load.py)
POINTS_PER_REQUEST = 1000


def vector_of(namespace, number, version, dimension=DIMENSION):
    """Exact in floats, and of one point alone."""
    seed = (zlib.crc32(namespace.encode()) << 80) + (number << 40) + version
    return array("H", random.Random(seed).randbytes(2 * dimension)).tolist()


def metadata_of(namespace, number, version):
    return {"number": number, "version": version, "about": f"{namespace}/{number}"}


def ask(client, expected, method, path, body=None):
    status, answer = client.request(method, "/api/v1" + path, body)
    if status != expected:
        raise AssertionError(f"{method} {path} answered {status}: {answer}")
    return answer


def lsn_of(client, collection):
    return ask(client, 200, "GET", f"/collections/{collection}/stats")["lsn"]


def upsert(client, collection, changes, dimension=DIMENSION, ttl=None):
    """Writes {(namespace, number): version}, acknowledged when it returns."""
    points = []
    for (namespace, number), version in changes.items():
        point = {"id": str(number), "vector": vector_of(namespace, number, version, dimension),
                 "metadata": metadata_of(namespace, number, version)}
        if namespace:
            point["namespace"] = namespace
        if ttl:
            point["ttl"] = ttl
        points.append(point)
    for first in range(0, len(points), POINTS_PER_REQUEST):
        some = points[first:first + POINTS_PER_REQUEST]
        answer = ask(client, 200, "POST", f"/collections/{collection}/points", {"points": some})
        if answer["upserted"] != len(some) or answer["failed"]:
            raise AssertionError(f"upsert answered {answer}")


def delete(client, collection, namespace, numbers):
    body = {"ids": [str(number) for number in numbers]}
    if namespace:
        body["namespace"] = namespace
    answer = ask(client, 200, "DELETE", f"/collections/{collection}/points", body)
    if answer["deleted"] != len(body["ids"]):
        raise AssertionError(f"of {len(body['ids'])} points {answer['deleted']} were deleted")


def difference(found, contents, dimension=DIMENSION):
    """What distinguishes the points that were read (load.read_points) from a state; None: nothing.
    """
    for (namespace, number), version in contents.items():
        point = found.get((namespace, str(number)))
        if point is None:
            return f"{namespace}/{number} is gone ({len(found)} found, {len(contents)} expected)"
        if point["metadata"] != metadata_of(namespace, number, version):
            return f"{namespace}/{number} should be of version {version}: {point['metadata']}"
        if point["vector"] != vector_of(namespace, number, version, dimension):
            return f"the vector of {namespace}/{number} is another: {point['vector']}"
    if len(found) != len(contents):
        more = next(key for key in found if (key[0], int(key[1])) not in contents)
        return f"{more} should not be there ({len(found)} found, {len(contents)} expected)"
    return None


def in_force(found, states, dimension=DIMENSION):
    """Which of the states was found; there must be one."""
    differences = []
    for index, contents in enumerate(states):
        differences.append(difference(found, contents, dimension))
        if differences[-1] is None:
            return index
    raise AssertionError("neither the old state nor the new one: " + "; ".join(differences))


def check_counts(client, collection, contents):
    counts = {}
    for namespace, _ in contents:
        counts[namespace] = counts.get(namespace, 0) + 1
    listed = ask(client, 200, "GET", f"/collections/{collection}/namespaces")["namespaces"]
    listed = {entry["namespace"]: entry["points"] for entry in listed}
    if listed != counts:
        raise AssertionError(f"{collection}: namespaces {listed}, expected {counts}")
    for namespace, count in [*counts.items(), (None, len(contents))]:
        if namespace == "":
            continue  # asks for all
        body = {} if namespace is None else {"namespace": namespace}
        answer = ask(client, 200, "POST", f"/collections/{collection}/points/count", body)
        if answer["count"] != count:
            raise AssertionError(f"{collection}/{namespace}: {answer}, expected {count}")


def check_searches(client, collection, contents, gone, draw, dimension=DIMENSION):
    """Some points find themselves, and some of those that are gone are not found: by their vector,
    exactly and by the index, within their namespace and without, and by their id."""
    def hits(key, version, more):
        answer = ask(client, 200, "POST", f"/collections/{collection}/search",
                     {"vector": vector_of(*key, version, dimension), "limit": 3, **more})
        for hit in answer["results"]:
            if hit.get("namespace") == SIDE:
                continue
            place = (hit.get("namespace", ""), hit["metadata"]["number"])
            if contents.get(place) != hit["metadata"]["version"]:
                raise AssertionError(f"{collection}: a search answers {hit}, which is not there")
        return answer["results"]

    for living, some in ((True, contents), (False, gone)):
        for key in draw.sample(sorted(some), min(8, len(some))):
            within = {"namespace": key[0]} if key[0] else {}
            # Wide: points at random have no neighbourhood that leads to them.
            by_index = {"ef_search": 1000}
            for more in (by_index, {"exact": True}, {**by_index, **within},
                         {"exact": True, **within}):
                found = hits(key, some[key], more)
                if living and (not found or found[0]["score"] != 0):
                    raise AssertionError(f"{collection}: {key} does not find itself: {found}")
            path = f"/collections/{collection}/points/{key[1]}"
            path += f"?namespace={key[0]}" if key[0] else ""
            ask(client, 200 if living else 404, "GET", path)
