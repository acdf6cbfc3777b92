# What the scenarios of kill_during_test.py share: a server on a folder, writers beside, the kill,
# the restart with now and then a second kill, and the checks of what nobody may have touched.
import json
import subprocess
import time

from contents import SIDE, ask, check_counts, check_searches, difference, in_force
from killing import Attempt, Figures, Pace
from load import Writer, check_searches as check_written_searches, read_points, settle
from ferres_server import Server

BESIDE = "beside"
CHECK_EVERY = 3  # cycles from one `ferresdb check` to the next


class Scenario:
    """A subclass prepares collections in prepare(), and in cycle() operates on them, kills and
    verifies, raising AssertionError at what must not be. One form of namespaces each."""

    name = ""
    forms = (False, True)  # of namespace_physical_isolation
    settings = {}

    def __init__(self, arguments, folder, draw, isolated):
        self.draw = draw
        self.binary = arguments.server
        self.isolated = isolated
        self.arguments = arguments
        self.figures = Figures()
        self.pace = Pace(draw)
        self.written = {}  # what the writers know, see load.py
        self.places = [(BESIDE, "")]
        self.server = Server(arguments.server, folder / "data", {
            "FERRESDB_CHECKPOINT_SECONDS": "1",
            "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 20),
            "FERRESDB_LOG_SEGMENT_BYTES": str(1 << 17),
            "FERRESDB_FLAT_POINTS_MAX": "1000",
            "FERRESDB_DISK_RESERVE_BYTES": "0",
            "FERRESDB_OPEN_NAMESPACES_MAX": "4",
            "FERRESDB_NAMESPACE_PHYSICAL_ISOLATION": "true" if isolated else "false",
            **self.settings})

    # For subclasses.

    def prepare(self, client):
        raise NotImplementedError

    def cycle(self, number):
        raise NotImplementedError

    def create(self, client, name, **config):
        ask(client, 201, "POST", "/collections",
            {"name": name, "dimension": 16, "distance": "Euclidean", "index": "fast", **config})

    def undisturbed(self, work):
        """The operation without a kill, to see how long it takes."""
        attempt = Attempt(self.server, work)
        attempt.start()
        attempt.finish()
        return attempt

    def kill(self, kind, work, wait=None):
        """The operation, with a writer beside it; what it came to. wait(work) kills in another way
        than after some time."""
        writer = Writer(0, self.server, self.draw.random(), self.written, self.places)
        writer.start()
        attempt = wait(work) if wait else self.pace.kill(self.server, kind, work)
        writer.join()
        if writer.error is not None:
            raise AssertionError(f"the writer beside: {writer.error}")
        self.figures.kills += 1
        self.figures.hits += not attempt.answered
        self.figures.count("writes beside it acknowledged", writer.requests)
        self.figures.count(f"{kind}" + (" answered" if attempt.answered else ""))
        return attempt

    def restart(self, number):
        """After a kill."""
        if number % CHECK_EVERY == 0:
            self.check_folder()
        if self.draw.random() < 0.3:
            self.server.launch()
            time.sleep(self.draw.uniform(0, 0.3))
            self.server.kill()
            self.figures.count("killed again while starting")
        began = time.monotonic()
        self.server.start()
        self.figures.slowest_start = max(self.figures.slowest_start, time.monotonic() - began)

    def check_folder(self):
        """No server has it open."""
        run = subprocess.run([self.binary, "check", "--data", self.server.folder, "--json"],
                             capture_output=True, text=True, check=False)
        if run.returncode not in (0, 1):
            raise AssertionError(f"ferresdb check ended with {run.returncode}: {run.stderr}")
        damage = [finding for finding in json.loads(run.stdout)["findings"]
                  if finding["kind"] not in ("leftover", "note")]
        if run.returncode != 0 or damage:
            raise AssertionError(f"ferresdb check found {damage}")
        self.figures.count("checks of the folder found it sound")

    def verify(self, client, collection, states, dimension=16):
        """That it is in one of the states, by all ways of asking; which one. What is in the others
        and not in this one must be gone."""
        found = read_points(client, collection)
        side = {key: point for key, point in found.items() if key[0] == SIDE}
        index = in_force({key: found[key] for key in found if key not in side}, states, dimension)
        if (collection, SIDE) in self.places:
            settle(collection, side, self.written)
            if read_points(client, collection, SIDE) != side:
                raise AssertionError(f"{collection}: the list of {SIDE} is another")
        elif side:
            raise AssertionError(f"{collection}: nobody wrote {next(iter(side))}")
        contents = states[index]
        for namespace in sorted({key[0] for key in contents} - {""}):
            part = {key: version for key, version in contents.items() if key[0] == namespace}
            other = difference(read_points(client, collection, namespace), part, dimension)
            if other:
                raise AssertionError(f"{collection}: the list of {namespace}: {other}")
        check_counts(client, collection, {**contents, **{(SIDE, key): 0 for key in side}})
        gone = {key: version for state in states for key, version in state.items()
                if key not in contents}
        check_searches(client, collection, contents, gone, self.draw, dimension)
        return index

    def verify_beside(self, client):
        settle(BESIDE, read_points(client, BESIDE), self.written)
        check_written_searches(client, self.written, self.draw)

    def line(self):
        return self.figures.line(self.pace.durations)

    def run(self, cycles):
        """Until that many kills met the operation while it ran."""
        self.server.start()
        try:
            with self.server.client() as client:
                self.create(client, BESIDE)
                self.prepare(client)
            self.figures = Figures()
            number = 0
            while self.figures.hits < cycles:
                if number >= 4 * cycles + 8:
                    raise AssertionError(f"kills miss the operation: {self.line()}")
                self.cycle(number)
                number += 1
            self.server.stop()
            self.check_folder()
        finally:
            if self.server.is_alive():
                self.server.kill()
