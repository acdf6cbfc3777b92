#!/usr/bin/env python3
"""Fails when the documents disagree with the tree: a library that CMake finds, a package that
tools/install_deps.sh installs or a header with a home that docs/DEPENDENCIES.md does not name, a test
that docs/TESTING.md names and nobody wrote, or a relative link in a document that leads nowhere.

  tools/check_docs.py [ROOT]
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check_layers  # noqa: E402 (beside this file)

SKIPPED = {".git", "build", "data", "node_modules", "__pycache__", ".venv"}
LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)]*)?\)")
TEST = re.compile(r"^TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", re.M)
FIND = re.compile(r"^\s*find_package\(\s*(\w+)", re.M)


def files(root, *endings):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(endings))


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def packages(script):
    for name, words in re.findall(r"^(\w+)=\(([^)]*)\)$", script, re.M):
        if name in ("run", "test", "style", "fuzz"):
            yield from words.split()


def tests(root):
    """Names as ctest has them, as far as they stand in the sources."""
    for path in files(root, "_test.cc"):
        yield from (f"{suite}.{name}" for suite, name in TEST.findall(read(path)))
    for path in files(os.path.join(root, "tests"), "CMakeLists.txt"):
        yield from re.findall(r"add_test\(NAME (\S+)", read(path))


def missing_tests(root):
    page = os.path.join(root, "docs", "TESTING.md")
    if not os.path.exists(page):
        return
    known = list(tests(root))
    shared = {name.split("${")[0] for name in known if "${" in name}  # e2e.${suite}
    for named in re.findall(r"`(?:\w+/)?(\w+\.\w+)`", read(page)):
        if named not in known and not any(named.startswith(start) for start in shared):
            yield f"docs/TESTING.md: there is no test {named}"


def findings(root):
    yield from missing_tests(root)
    dependencies = read(os.path.join(root, "docs", "DEPENDENCIES.md"))

    def named(word):
        return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", dependencies, re.I)

    for path in files(root, "CMakeLists.txt", ".cmake"):
        for library in FIND.findall(read(path)):
            if not named(library):
                yield f"{os.path.relpath(path, root)}: docs/DEPENDENCIES.md does not name {library}"
    script = os.path.join(root, "tools", "install_deps.sh")
    for package in packages(read(script)) if os.path.exists(script) else ():
        if not named(package):
            yield f"tools/install_deps.sh: docs/DEPENDENCIES.md does not name {package}"
    for path in files(root, ".md"):
        for target, _ in LINK.findall(read(path)):
            if not os.path.exists(os.path.join(os.path.dirname(path), target)):
                yield f"{os.path.relpath(path, root)}: the link to {target} leads nowhere"
    for header in check_layers.HOMES:
        if header.rstrip("/").split("/")[0] in ("sys",) or header in check_layers.SYSTEM:
            continue
        if header not in dependencies:
            yield f"docs/DEPENDENCIES.md does not name the header {header} and its home"


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = list(findings(sys.argv[1] if len(sys.argv) > 1 else here))
    print("\n".join(found) or "docs: ok")
    sys.exit(bool(found))
