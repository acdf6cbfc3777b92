#!/usr/bin/env python3
"""Runs fuzz targets that are built, as many at a time as there are cores, and says what each did.

  tests/fuzz/run.py [--seconds 60] [--bin build/fuzz/bin] [--jobs N] [TARGET...]

Each begins with its seeds, tests/fuzz/corpus/TARGET, and with what earlier runs of this build folder
found, BIN/../fuzz/TARGET/found. An input that crashes, takes too long or too much memory lands in
BIN/../fuzz/TARGET; then the exit status is 1, and the last lines say how to run it again.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Bytes; MiB, also of one allocation; seconds. Leaks are left to the preset dev: to look for them after
# each input costs nine tenths of the speed.
LIMITS = ["-max_len=4096", "-rss_limit_mb=1024", "-timeout=10", "-detect_leaks=0"]
REPORT_LINES = 60
FIGURES = re.compile(r"^#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)/\S+.*exec/s: (\d+)", re.M)
PROGRESS = re.compile(r"#\d+\t")
REPRODUCER = re.compile(r"Test unit written to (\S+)")


def run(target, options):
    """Whether the target survived, and what there is to tell."""
    binary = os.path.join(options.bin, "fuzz_" + target)
    work = os.path.join(os.path.dirname(os.path.abspath(options.bin)), "fuzz", target)
    os.makedirs(os.path.join(work, "found"), exist_ok=True)
    command = [binary, os.path.join(work, "found"), os.path.join(HERE, "corpus", target), *LIMITS,
               f"-max_total_time={options.seconds}", f"-artifact_prefix={work}/"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    figures = FIGURES.search(done.stdout)
    if done.returncode == 0 and figures:
        runs, coverage, features, corpus, speed = figures.groups()
        return True, (f"fuzz {target}: {runs} runs, {speed} a second, coverage {coverage}, "
                      f"features {features}, corpus {corpus}")
    lines = [line for line in done.stdout.splitlines() if not PROGRESS.match(line)]
    report = "\n".join(lines[-REPORT_LINES:])
    text = f"{report}\nfuzz {target}: FAILED, exit status {done.returncode}"
    if found := REPRODUCER.search(done.stdout):
        text += f"\n  again: {binary} {found[1]}"
    return False, text


def targets_in(folder):
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(n.removeprefix("fuzz_") for n in names if n.startswith("fuzz_"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--bin", default=os.path.join(HERE, "..", "..", "build", "fuzz", "bin"))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args()
    options.bin = os.path.abspath(options.bin)
    targets = options.targets or targets_in(options.bin)
    if not targets:
        sys.exit(f"no fuzz target is built in {options.bin}: docs/TESTING.md says how")
    survived = True
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed(pool.submit(run, t, options) for t in targets):
            ok, text = future.result()
            survived = survived and ok
            print(text, flush=True)
    sys.exit(0 if survived else 1)


if __name__ == "__main__":
    main()
