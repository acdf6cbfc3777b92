#!/usr/bin/env python3
# Kills the real server in the middle of one operation, again and again, and looks at everything
# after the restart: the state from before or the one from after as a whole, every point of it by
# every way of asking, and every acknowledged write of those who wrote beside.
#
# The kills are spread over the operation's duration, which is measured; those that came when it had
# been answered are checked too, but not counted as `while it ran`. The data folder is kept when a
# check fails.
#
#   kill_during_test.py --server build/release/bin/ferresdb
#                       --clock build/release/bin/shifted_clock.so [--during restore|...|all] [--cycles 20]
#                       [--seed N]
import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from during_history import Checkpoint, Restore  # noqa: E402
from during_namespaces import Conversion, NamespaceDrop  # noqa: E402
from during_retention import Retention  # noqa: E402
from during_tiers import Tiers  # noqa: E402

SCENARIOS = {scenario.name: scenario
             for scenario in (Restore, Checkpoint, Retention, Tiers, NamespaceDrop, Conversion)}


def run_one(scenario, arguments, seed):
    """The cycles are shared among the scenario's forms of namespaces."""
    for index, isolated in enumerate(scenario.forms):
        forms = len(scenario.forms)
        cycles = (arguments.cycles + forms - 1 - index) // forms
        folder = Path(tempfile.mkdtemp(prefix="ferres-kill-"))
        draw = random.Random(f"{seed} {scenario.name} {isolated}")
        began = time.monotonic()
        running = scenario(arguments, folder, draw, isolated)
        try:
            running.run(cycles)
        except AssertionError as error:
            print(f"FAILED: {scenario.name}, seed {seed}: {error}\n--- kept in {folder}; the "
                  f"server's last lines\n{running.server.log_tail()}", flush=True)
            sys.exit(1)
        shutil.rmtree(folder)
        form = ", own files" if isolated else ""
        print(f"{scenario.name}{form}: {running.line()}; "
              f"{time.monotonic() - began:.0f} s", flush=True)


def run(arguments):
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}, {arguments.cycles} kills during each", flush=True)
    for name, scenario in SCENARIOS.items():
        if arguments.during in (name, "all"):
            run_one(scenario, arguments, seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--clock", required=True, help="the library of shifted_clock.cc")
    parser.add_argument("--during", choices=[*SCENARIOS, "all"], default="all")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int)
    run(parser.parse_args())
