#!/usr/bin/env python3
"""Runs clang-tidy over the product's sources whose content changed since it last found them clean.

A file's key is the hash of everything its verdict depends on: the file, the project headers it
reaches, .clang-tidy, the compile command and clang-tidy's version. Keys of clean files are kept in
a folder outside the tree, so that a new clone starts warm: $FERRES_TIDY_CACHE, else
~/.cache/ferresdb/tidy. Unit tests are left out: GoogleTest's macros expand to what the checks refuse.

  tools/run_tidy.py [--build build/release] [--fix] [-j N] [FILE...]
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIDY = os.environ.get("CLANG_TIDY", "clang-tidy-19")
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
SOURCES = ("src/", "benchmarks/")


def cache_folder():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("FERRES_TIDY_CACHE") or os.path.join(home, "ferresdb", "tidy")


def command_of(entry):
    """The compile command without what clang cannot use: the compiler cache, g++'s precompiled
    header, warnings that only g++ knows, and the output."""
    words = entry["arguments"] if "arguments" in entry else shlex.split(entry["command"])
    while words and not re.search(r"(^|/)(g\+\+|c\+\+|clang\+\+)[-0-9.]*$", words[0]):
        words = words[1:]
    kept, skip = ["clang++-19"], False
    for i, word in enumerate(words[1:], 1):
        if skip:
            skip = False
        elif word == "-o" or (word == "-include" and "cmake_pch" in words[i + 1]):
            skip = True
        elif word not in ("-c", "-Winvalid-pch", "-Werror") and "cmake_pch" not in word:
            kept.append(word)
    return kept


def reached(path, include_root, seen):
    """The project files that path includes, directly or not, itself among them."""
    if path in seen or not os.path.isfile(path):
        return
    with open(path, "rb") as f:
        seen[path] = f.read()
    for name in INCLUDE.findall(seen[path]):
        name = name.decode()
        for folder in (include_root, os.path.dirname(path), ROOT):
            reached(os.path.normpath(os.path.join(folder, name)), include_root, seen)


def key_of(path, command, salt):
    files = {}
    reached(path, os.path.join(ROOT, "src"), files)
    digest = hashlib.sha256(salt)
    plain = [word.replace(ROOT + "/", "") for word in command]
    for part in [*plain, *(p for f in sorted(files) for p in (os.path.relpath(f, ROOT), files[f]))]:
        digest.update(part if isinstance(part, bytes) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def commands(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        entries = json.load(f)
    found = {}
    for entry in entries:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        file = os.path.relpath(path, ROOT)
        if file.startswith(SOURCES) and not file.endswith("_test.cc"):
            found[file] = command_of(entry)
    return found


def run(file, command, fix):
    line = [TIDY, "--quiet", *(["--fix", "--fix-errors"] if fix else []), file, "--", *command[1:]]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    args.add_argument("--fix", action="store_true", help="apply clang-tidy's fixes, one file a time")
    args.add_argument("-j", type=int, default=len(os.sched_getaffinity(0)))
    args.add_argument("files", nargs="*")
    args = args.parse_args()

    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as f:
        salt = version + f.read()
    known = commands(args.build)
    chosen = [os.path.relpath(os.path.abspath(f), ROOT) for f in args.files] or sorted(known)
    folder = cache_folder()
    os.makedirs(folder, exist_ok=True)
    keys = {f: key_of(os.path.join(ROOT, f), known[f], salt) for f in chosen if f in known}
    work = [f for f in keys if not os.path.exists(os.path.join(folder, keys[f]))]
    print(f"tidy: {len(keys)} files, {len(work)} to check", flush=True)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(1 if args.fix else args.j) as pool:
        jobs = {pool.submit(run, f, known[f], args.fix): f for f in work}
        for job in concurrent.futures.as_completed(jobs):
            file, (code, output) = jobs[job], job.result()
            if code == 0:
                with open(os.path.join(folder, keys[file]), "w", encoding="utf-8") as f:
                    f.write(file + "\n")
            else:
                bad += 1
                print(f"{file}\n{output}", flush=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print((f"tidy: {bad} of {len(keys)} files have findings" if bad else "tidy: ok") +
          f", {used.ru_utime + used.ru_stime:.0f} s of CPU")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
