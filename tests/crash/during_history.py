# Kills during restores and checkpoints.
from contents import SIDE, ask, delete, lsn_of, upsert
from scenario import Scenario

NAMESPACES = ("", "a", "b")
NUMBERS = 4000  # in each namespace


class Written(Scenario):
    """Collections that change before every operation; `now` is what each holds."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.now = {}
        self.version = 0

    def write(self, client, collection, namespaces=NAMESPACES, numbers=NUMBERS, changed=3000):
        """New versions of some points, and fewer of them."""
        self.version += 1
        everything = [(ns, number) for ns in namespaces for number in range(numbers)]
        changes = dict.fromkeys(self.draw.sample(everything, changed), self.version)
        upsert(client, collection, changes)
        contents = self.now.setdefault(collection, {})
        contents.update(changes)
        for ns in namespaces:
            living = sorted(number for key, number in contents if key == ns)
            numbers_gone = self.draw.sample(living, len(living) // 20)
            if numbers_gone:
                delete(client, collection, ns, numbers_gone)
            for number in numbers_gone:
                del contents[(ns, number)]


class Restore(Written):
    """A state of earlier takes the place of the newest, of a whole collection or of one namespace,
    or becomes another collection, or a dropped collection comes back: whole, or not at all."""

    name = "restore"
    kinds = ("whole", "namespace", "copy", "dropped")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.moments = {"whole": [], "part": []}  # of a collection: pairs of LSN and contents
        self.places.append(("part", SIDE))

    def remember(self, client, collection):
        self.moments[collection].append((lsn_of(client, collection), dict(self.now[collection])))

    def write_both(self, client):
        for name in self.moments:
            self.write(client, name)
            self.remember(client, name)

    def prepare(self, client):
        for name in self.moments:
            self.create(client, name)
        for _ in range(5):
            self.write_both(client)
        for kind in self.kinds:
            work, verify = self.begin(client, kind)
            attempt = self.undisturbed(work)
            verify(client, attempt.answered)
            self.pace.learn(kind, attempt.seconds)

    def begin(self, client, kind):
        """What to ask, and how to look at what became of it."""
        collection = "part" if kind == "namespace" else "whole"
        old = self.now[collection]
        lsn, then = self.draw.choice(self.moments[collection][-20:-1])
        body = {"collection": collection, "lsn": lsn}
        new = then
        if kind == "namespace":
            body["namespace"] = "a"
            new = {key: version for key, version in old.items() if key[0] != "a"}
            new.update({key: version for key, version in then.items() if key[0] == "a"})
        if kind == "copy":
            body["target_collection"] = "copy"
        if kind == "dropped":
            ask(client, 204, "DELETE", f"/collections/{collection}")

        def work(worker):
            return ask(worker, 200, "POST", "/admin/restore", body)

        def verify(reader, answered):
            if kind == "copy":
                self.verify_new(reader, "copy", new, answered)
            elif kind == "dropped":
                if not self.verify_new(reader, collection, new, answered):
                    work(reader)
                    self.verify(reader, collection, [new])
                self.now[collection] = dict(new)
            else:
                states = [new] if answered else [old, new]
                self.now[collection] = dict(states[self.verify(reader, collection, states)])
                self.figures.count("became the new state", self.now[collection] == new)
            self.remember(reader, collection)

        return work, verify

    def verify_new(self, client, collection, contents, answered):
        """A collection that is there as a whole or not at all; whether it is."""
        there = client.request("GET", f"/api/v1/collections/{collection}")[0] == 200
        self.figures.count("became the new state", there)
        if not there:
            if answered:
                raise AssertionError(f"{collection} was restored and is not there")
            ask(client, 404, "GET", f"/collections/{collection}/points")
            return False
        self.verify(client, collection, [contents])
        if collection == "copy":
            ask(client, 204, "DELETE", f"/collections/{collection}?purge=true")
        return True

    def cycle(self, number):
        with self.server.client() as client:
            self.write_both(client)
            work, verify = self.begin(client, self.kinds[number % len(self.kinds)])
        attempt = self.kill(self.kinds[number % len(self.kinds)], work)
        self.restart(number)
        with self.server.client() as client:
            verify(client, attempt.answered)
            for name in self.moments:
                self.verify(client, name, [self.now[name]])
            self.verify_beside(client)


class Checkpoint(Written):
    """Nothing changes, whatever of it was written."""

    name = "checkpoint"
    settings = {"FERRESDB_CHECKPOINT_SECONDS": "3600", "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 30)}
    namespaces = tuple("abcdefghij")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.places.append(("t", SIDE))
        self.works = {
            "checkpoint": lambda client: ask(client, 200, "POST", "/admin/checkpoint",
                                             {"collection": "t"}),
            "snapshot": lambda client: ask(client, 200, "POST",
                                           "/collections/t/namespaces/a/snapshot"),
            "save": lambda client: ask(client, 200, "POST", "/save"),
        }

    def prepare(self, client):
        self.create(client, "t")
        for _ in range(3):
            self.write(client, "t", self.namespaces, 600, 2000)
        for kind, work in self.works.items():
            self.write(client, "t", self.namespaces, 600, 2000)
            self.pace.learn(kind, self.undisturbed(work).seconds)

    def cycle(self, number):
        kind = list(self.works)[number % len(self.works)]
        with self.server.client() as client:
            self.write(client, "t", self.namespaces, 600, 2000)
        self.kill(kind, self.works[kind])
        self.restart(number)
        with self.server.client() as client:
            self.verify(client, "t", [self.now["t"]])
            self.verify_beside(client)
