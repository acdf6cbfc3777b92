# Kills while vectors move between memory and their files.
import time

from contents import ask, upsert
from scenario import Scenario

DIMENSION = 256
NAMESPACES = ("a", "b", "c", "d")
NUMBERS = 1500  # in each; 6 MB of vectors in all
SECONDS_MAX = 60
# Thresholds in hours that everything stands on one side of.
TIERS = {"cold": (0, 0), "warm": (0, 168), "hot": (24, 168)}


class Tiers(Scenario):
    """Vectors that were just written or read go to one tier, all of them."""

    name = "tiers"
    settings = {"FERRESDB_CHECKPOINT_SECONDS": "3600", "FERRESDB_OPEN_NAMESPACES_MAX": "16",
                "FERRESDB_CHECKPOINT_LOG_BYTES": str(1 << 30)}

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.version = 0
        self.now = {}

    def write(self, client, changed):
        self.version += 1
        everything = [(ns, number) for ns in NAMESPACES for number in range(NUMBERS)]
        changes = dict.fromkeys(self.draw.sample(everything, changed), self.version)
        upsert(client, "t", changes, DIMENSION)
        self.now.update(changes)

    def prepare(self, client):
        self.create(client, "t", dimension=DIMENSION,
                    tiered_storage={"enabled": True, "compaction_interval_secs": 1})
        self.write(client, len(NAMESPACES) * NUMBERS)
        for tier in TIERS:
            self.write(client, 1000)
            self.verify(client, "t", [self.now], DIMENSION)
            self.pace.learn(tier, self.undisturbed(self.move_to(tier)).seconds)

    def move_to(self, tier):
        hot, warm = TIERS[tier]

        def work(client):
            ask(client, 204, "PATCH", "/collections/t", {
                "tiered_storage": {"hot_threshold_hours": hot, "warm_threshold_hours": warm}})
            ask(client, 200, "POST", "/admin/checkpoint", {"collection": "t"})
            deadline = time.monotonic() + SECONDS_MAX
            while time.monotonic() < deadline:
                tiers = ask(client, 200, "GET", "/collections/t/tiers")
                if tiers[tier] == tiers["hot"] + tiers["warm"] + tiers["cold"]:
                    return tiers
                time.sleep(0.002)
            raise AssertionError(f"never {tier}: {tiers}")

        return work

    def cycle(self, number):
        tier = list(TIERS)[number % len(TIERS)]
        with self.server.client() as client:
            self.write(client, 1000)
        self.kill(tier, self.move_to(tier))
        self.restart(number)
        with self.server.client() as client:
            self.verify(client, "t", [self.now], DIMENSION)
            self.verify_beside(client)
