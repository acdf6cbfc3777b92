# Kills while history is trimmed. The server's clock is put forward from cycle to cycle
# (shifted_clock.cc), so that what was written some cycles ago leaves the window of one day, and
# points whose time to live is half a day are over.
import os
import time
from pathlib import Path

from contents import ask, difference, lsn_of, upsert
from during_history import Written
from killing import kill_during
from load import read_points

DAY = 86400
SHIFT = DAY * 3 // 10
TTL = DAY // 2
MARGIN = 600  # seconds; a cycle takes far less
SECONDS_MAX = 60


class Retention(Written):
    """What is now stays, every moment inside the window can be restored, and so can every moment
    that the server names."""

    name = "retention"
    settings = {"FERRESDB_CHECKPOINT_SECONDS": "3600", "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 30),
                "FERRESDB_LOG_SEGMENT_BYTES": str(1 << 16)}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.server.env["LD_PRELOAD"] = self.arguments.clock
        self.shift = 0
        self.moments = {"window": [], "newest": []}  # LSN, seconds, contents
        self.over = {}  # when points of "window" with a time to live are over

    def seconds(self):
        return time.time() + self.shift

    def put_forward(self):
        """The server must not be running."""
        self.shift += SHIFT
        self.server.env["FERRES_CLOCK_SHIFT_SECONDS"] = str(self.shift)

    def living(self, collection, contents):
        if collection != "window":
            return contents
        now = self.seconds()
        return {key: version for key, version in contents.items()
                if self.over.get(key, now + 1) > now}

    def write_some(self, client):
        for name, moments in self.moments.items():
            ask(client, 204, "PATCH", f"/collections/{name}",
                {"retention_days": 1 if name == "window" else None})
            for part in range(4):
                self.write(client, name, numbers=800, changed=700)
                if name == "window":
                    self.write_passing(client)
                moments.append((lsn_of(client, name), self.seconds(), dict(self.now[name])))
                if part % 2 == 0 and name == "newest":
                    ask(client, 200, "POST", "/admin/checkpoint", {"collection": name})
        ask(client, 200, "POST", "/admin/checkpoint", {"collection": "newest"})

    def write_passing(self, client):
        first = 10_000 + self.version * 100
        changes = {("passing", number): self.version for number in range(first, first + 50)}
        upsert(client, "window", changes, ttl=TTL)
        self.now["window"].update(changes)
        self.over.update(dict.fromkeys(changes, self.seconds() + TTL))

    def work(self, collection):
        def trim_window(client):
            return ask(client, 200, "POST", "/admin/checkpoint", {"collection": "window"})

        def keep_the_newest_alone(client):
            ask(client, 204, "PATCH", "/collections/newest", {"retention_days": 0})
            deadline = time.monotonic() + SECONDS_MAX
            while time.monotonic() < deadline:
                points = self.range_of(client, "newest")
                if points[0] == points[1]:
                    return points
            raise AssertionError(f"never trimmed: {points}")

        return trim_window if collection == "window" else keep_the_newest_alone

    def range_of(self, client, collection):
        answer = ask(client, 200, "GET", f"/admin/restore/points?collection={collection}")
        return answer["collections"][0]["oldest_lsn"], answer["collections"][0]["newest_lsn"]

    def files(self, collection):
        folder = Path(self.server.folder) / "collections" / collection
        return {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names}

    def prepare(self, client):
        for name in self.moments:
            self.create(client, name)
        for _ in range(4):
            self.write_some(client)
            client.close()
            self.server.kill()
            self.put_forward()
            self.server.start()
        self.removed = {}
        for name in self.moments:
            before = self.files(name)
            self.pace.learn(name, self.undisturbed(self.work(name)).seconds)
            self.removed[name] = len(before - self.files(name))

    def when_removed(self, collection, number):
        """Waits until that many files have gone."""
        before = self.files(collection)

        def wait(attempt):
            while not attempt.answered and attempt.is_alive():
                if len(before - self.files(collection)) >= number:
                    return

        return lambda work: kill_during(self.server, work, wait)

    def cycle(self, number):
        collection = list(self.moments)[number % 2]
        with self.server.client() as client:
            self.write_some(client)
        self.server.kill()
        self.put_forward()
        self.server.start()
        before = self.files(collection)
        wait = None
        if number % 4 < 3:
            wait = self.when_removed(collection,
                                     self.draw.randint(1, max(1, self.removed[collection])))
        attempt = self.kill(collection, self.work(collection), wait)
        gone = len(before - self.files(collection))
        if attempt.answered:
            self.removed[collection] = gone
        elif gone > 0:
            self.figures.count("with a part of the files removed")
        self.restart(number)
        with self.server.client() as client:
            for name in self.moments:
                self.verify(client, name, [self.living(name, self.now[name])])
                self.check_moments(client, name)
            self.verify_beside(client)

    def check_moments(self, client, collection):
        oldest, newest = self.range_of(client, collection)
        known = [moment for moment in self.moments[collection] if oldest <= moment[0] <= newest]
        window = self.seconds() - DAY + MARGIN
        if collection == "window":
            inside = [moment for moment in self.moments[collection] if moment[1] >= window]
            if inside[0][0] < oldest:
                raise AssertionError(f"LSN {inside[0][0]} is inside the window, and the history "
                                     f"begins with LSN {oldest}")
            self.restore(client, collection, inside[0])
        self.moments[collection] = known
        for moment in self.draw.sample(known, min(2, len(known))):
            self.restore(client, collection, moment)
        self.restore(client, collection, known[0])

    def restore(self, client, collection, moment):
        lsn, _, contents = moment
        ask(client, 200, "POST", "/admin/restore",
            {"collection": collection, "lsn": lsn, "target_collection": "copy"})
        other = difference(read_points(client, "copy"), self.living(collection, contents))
        if other:
            raise AssertionError(f"{collection} restored to LSN {lsn}: {other}")
        ask(client, 204, "DELETE", "/collections/copy?purge=true")
        self.figures.count("moments restored")
