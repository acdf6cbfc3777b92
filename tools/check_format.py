#!/usr/bin/env python3
"""Fails when clang-format would change a source file. --fix changes them.

  tools/check_format.py [--fix] [FILE...]
"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FORMAT = os.environ.get("CLANG_FORMAT", "clang-format-19")


def sources():
    for top in ("src", "benchmarks", "tests"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            yield from (os.path.join(folder, n) for n in names if n.endswith((".h", ".cc")))


def main():
    files = [f for f in sys.argv[1:] if f != "--fix"] or sorted(sources())
    mode = ["-i"] if "--fix" in sys.argv else ["--dry-run", "--Werror", "--ferror-limit=1"]
    done = subprocess.run([FORMAT, *mode, *files], capture_output=True, text=True, check=False)
    bad = sorted({line.split(":")[0] for line in done.stderr.split("\n") if ": error:" in line})
    for file in bad:
        print(f"{os.path.relpath(file, ROOT)}: not formatted; run tools/check_format.py --fix")
    if done.returncode and not bad:
        print(done.stderr)
    print(f"format: {len(files)} files" if done.returncode == 0 else f"format: {len(bad)} files differ")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
