# Kills during drops of a namespace, and during starts that convert namespaces from one form to the
# other.
import time

from contents import SIDE, ask, lsn_of, upsert
from during_history import Written
from load import Writer

FORMS = {False: "to shared files", True: "to files of their own"}


class NamespaceDrop(Written):
    """All points of the namespace are there or none; those of the others always."""

    name = "namespace_drop"
    namespaces = tuple("abcd")
    kinds = {"drop": "", "purge": "?purge=true"}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.places.append(("t", SIDE))

    def fill(self, client, namespace):
        self.version += 1
        changes = {(namespace, number): self.version for number in range(3000)}
        upsert(client, "t", changes)
        self.now["t"].update(changes)

    def prepare(self, client):
        self.create(client, "t")
        self.now["t"] = {}
        for namespace in self.namespaces:
            self.fill(client, namespace)
        for kind in self.kinds:
            work, _ = self.begin(kind, "a")
            self.pace.learn(kind, self.undisturbed(work).seconds)
            self.fill(client, "a")

    def begin(self, kind, namespace):
        """What to ask, and what is there afterwards."""
        new = {key: version for key, version in self.now["t"].items() if key[0] != namespace}
        path = f"/collections/t/namespaces/{namespace}{self.kinds[kind]}"
        return (lambda client: ask(client, 200, "DELETE", path)), new

    def cycle(self, number):
        kind = list(self.kinds)[number % len(self.kinds)]
        namespace = self.draw.choice(self.namespaces)
        with self.server.client() as client:
            before = lsn_of(client, "t")
        work, new = self.begin(kind, namespace)
        old = self.now["t"]
        attempt = self.kill(kind, work)
        self.restart(number)
        with self.server.client() as client:
            states = [new] if attempt.answered else [old, new]
            found = states[self.verify(client, "t", states)]
            self.verify_beside(client)
            self.figures.count("became the new state", found is new)
            if found is new:
                self.check_history(client, kind, namespace, before, attempt.answered)
            if self.now["t"] is not old:
                self.fill(client, namespace)

    def check_history(self, client, kind, namespace, before, answered):
        """What was dropped comes back by a restore, unless it was purged."""
        old = self.now["t"]
        body = {"collection": "t", "namespace": namespace, "lsn": before}
        self.now["t"] = {key: version for key, version in old.items() if key[0] != namespace}
        if kind == "drop":
            ask(client, 200, "POST", "/admin/restore", body)
            self.verify(client, "t", [old])
            self.now["t"] = old
        elif answered:
            ask(client, 422, "POST", "/admin/restore", body)
            self.verify(client, "t", [self.now["t"]])


class Conversion(Written):
    """The server is started with the other form of namespaces: wherever it is killed, a start with
    either form has all points, and has them in its form soon."""

    name = "conversion"
    forms = (False,)
    namespaces = ("", *"abcdefghijkl")
    settings = {"FERRESDB_LOG_LEVEL": "info"}

    def prepare(self, client):
        self.places.append(("t", SIDE))
        self.create(client, "t")
        for _ in range(4):
            self.write(client, "t", self.namespaces, 600, 3000)
        for isolated in (True, False):
            self.server.stop()
            self.turn(isolated)
            self.server.launch()
            self.pace.learn(FORMS[isolated], self.undisturbed(self.convert(None)).seconds)

    def turn(self, isolated):
        self.isolated = isolated
        self.server.env["FERRESDB_NAMESPACE_PHYSICAL_ISOLATION"] = "true" if isolated else "false"
        self.log_from = self.server.log_size()

    def log_says(self, what):
        return what in self.server.log_since(self.log_from)

    def convert(self, writer):
        """From the launch until a checkpoint has the new form."""
        def work(client):
            while True:
                try:
                    if client.request("GET", "/health")[0] == 200:
                        break
                except ConnectionRefusedError:
                    if not self.server.is_alive():
                        raise
                    time.sleep(0.002)
            if writer is not None:
                writer.start()
            return ask(client, 200, "POST", "/admin/checkpoint", {"collection": "t"})
        return work

    def cycle(self, number):
        with self.server.client() as client:
            self.write(client, "t", self.namespaces, 600, 500)
        self.server.stop()
        old = self.isolated
        self.turn(not old)
        self.server.launch()
        writer = Writer(0, self.server, self.draw.random(), self.written, self.places)
        attempt = self.pace.kill(self.server, FORMS[self.isolated], self.convert(writer))
        self.count(attempt, writer)
        if self.draw.random() < 0.5:
            self.figures.count("went back to the old form")
            self.turn(old)
        self.restart(number)
        with self.server.client() as client:
            self.verify(client, "t", [self.now["t"]])
            self.verify_beside(client)
            ask(client, 200, "POST", "/admin/checkpoint", {"collection": "t"})
        self.server.kill()
        self.turn(self.isolated)
        self.server.start()
        if self.log_says("namespaces.convert"):
            raise AssertionError("it converts again what a checkpoint has converted")
        with self.server.client() as client:
            self.verify(client, "t", [self.now["t"]])

    def count(self, attempt, writer):
        if writer.ident is not None:
            writer.join()
            if writer.error is not None:
                raise AssertionError(f"the writer beside: {writer.error}")
            self.figures.count("writes beside it acknowledged", writer.requests)
        self.figures.kills += 1
        if attempt.answered:
            self.figures.count("when it was done")
        elif not self.log_says("namespaces.convert"):
            self.figures.count("before it began")
        else:
            self.figures.hits += 1
            ready = "serving, not saved" if self.log_says("listening") else "not yet serving"
            self.figures.count(f"{FORMS[self.isolated]}, {ready}")
