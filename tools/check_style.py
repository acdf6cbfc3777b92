#!/usr/bin/env python3
"""House rules that clang-format and clang-tidy cannot see (CONTRIBUTING.md).

  tools/check_style.py [ROOT]      checks ROOT/src, ROOT/benchmarks, ROOT/tests and file sizes
"""
import os
import re
import sys

LINES_MAX = 800  # A longer file hides a second module.
COLUMNS_MAX = 100
FILE_BYTES_MAX = 5_000_000
SKIPPED = {".git", "build", "data", "node_modules", "__pycache__", ".venv"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


class Rule:
    """pattern may not occur in code (comments and strings are blanked first) outside homes: folders
    of src/, single files as module/file.cc, "benchmarks" or "tests" ("tests" = unit tests too)."""

    def __init__(self, pattern, why, *homes):
        self.pattern, self.why, self.homes = re.compile(pattern), why, homes


RULES = [
    Rule(r"\bthrow\b", "return a Status; exceptions stop where third-party code is called", "tests"),
    Rule(r"\bstd::(cout|cerr|clog)\b|(?<![\w.>])(std::)?(f|v)?printf\s*\(", "use base/logging.h",
         "server", "benchmarks", "tests", "base/status.h"),
    Rule(r"(?<!\w)::(open|creat|read|write|pread|pwrite|pwritev2|fsync|fdatasync|rename|unlink|"
         r"truncate|ftruncate|mkdir|rmdir|opendir|flock|fcntl)\s*\(", "use base/files.h",
         "base", "tests", "benchmarks"),
    Rule(r"(?<!\w)::m(map|unmap|remap|advise|protect)\s*\(", "use base/files.h or storage/arena.h",
         "base", "storage", "tests"),
    Rule(r"\bstd::[io]?fstream\b|\bstd::filesystem\b|\bfopen\s*\(", "use base/files.h",
         "base", "tests", "benchmarks"),
    Rule(r"\bstd::(recursive_|shared_|timed_)?mutex\b|\bstd::(lock_guard|unique_lock|scoped_lock)\b"
         r"|\bstd::condition_variable", "use base/mutex.h: it carries the annotations", "base",
         "tests"),
    Rule(r"\bstd::j?thread\b|\bstd::async\b|\bpthread_create\b", "use base/executor.h", "base",
         "tests", "benchmarks"),
    Rule(r"\b(system|steady|high_resolution)_clock::|\bclock_gettime\b|\bgettimeofday\b|"
         r"(?<![\w.>:])time\s*\(\s*(NULL|nullptr|0)?\s*\)",
         "use base/clock.h: tests turn the time", "base", "benchmarks", "tests/crash/shifted_clock.cc"),
    Rule(r"(?<![\w.>])s?rand\s*\(|\bstd::random_device\b",
         "use base/random.h: tests replay by seed", "base"),
    Rule(r"\bstd::(mt19937|minstd_rand|default_random_engine)", "use base/random.h", "base", "tests"),
    Rule(r"\bsleep_(for|until)\b|\b(u|nano)sleep\s*\(|::sleep\s*\(",
         "no thread sleeps to wait for another: signal it, or advance a clock", "benchmarks"),
    Rule(r"\batomic_thread_fence\b", "order the loads and stores themselves; TSan sees no fences",
         "index/shared_word.h"),
    Rule(r"#\s*pragma\s+GCC\s+optimize|#\s*if\s+0\b", "finish or delete it"),
    Rule(r"\bNOLINT(NEXTLINE|BEGIN|END)?\b(?!\([a-z]|: )", "a NOLINT names its check or its reason"),
]
# NOLINT stands in comments, so its rule reads the raw line.
RAW = {r for r in RULES if "NOLINT" in r.pattern.pattern}
TOKEN = re.compile(r'R"([^(\s]*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"'
                   r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*(?:.|\n)*?\*/")


def blank(text):
    """text with comments and literals turned to spaces; lines keep their numbers."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def is_test(file):
    return file.startswith("tests/") or file.endswith("_test.cc") or "/test_" in file


def allowed(file, homes):
    module = file.removeprefix("src/")
    return (module in homes or module.split("/")[0] in homes or ("tests" in homes and is_test(file)))


def source_findings(path, file):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    lines, code = text.split("\n"), blank(text).split("\n")
    if not lines[0].startswith("// "):
        yield f"{file}:1: the file starts with a comment that says what it is for"
    if len(lines) - 1 > LINES_MAX:
        yield f"{file}: {len(lines) - 1} lines, at most {LINES_MAX}"
    if file.endswith(".h") and "#pragma once" not in text:
        yield f"{file}: no #pragma once"
    rules = [r for r in RULES if not allowed(file, r.homes)]
    for number, (line, bare) in enumerate(zip(lines, code), 1):
        if len(line) > COLUMNS_MAX:
            yield f"{file}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
        if UNFINISHED.search(line):
            yield f"{file}:{number}: finish or delete it, or open an issue"
        for rule in rules:
            if rule.pattern.search(line if rule in RAW else bare):
                yield f"{file}:{number}: {rule.why}"


def findings(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        for name in sorted(names):
            path = os.path.join(folder, name)
            file = os.path.relpath(path, root).replace(os.sep, "/")
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            if os.path.getsize(path) > FILE_BYTES_MAX:
                yield f"{file}: {os.path.getsize(path)} bytes, at most {FILE_BYTES_MAX}"
            if name.endswith((".h", ".cc")) and file.split("/")[0] in {"src", "benchmarks", "tests"}:
                yield from source_findings(path, file)


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = list(findings(sys.argv[1] if len(sys.argv) > 1 else here))
    print("\n".join(found) or "style: ok")
    sys.exit(bool(found))
