#!/usr/bin/env python3
"""Fails when a source file of src/ includes a header of a layer above its own or beside it, or a
third-party header outside that header's home.

The order of LAYERS is the architecture (docs/ARCHITECTURE.md): a module may include itself and the
modules of rows above its own in this list. A folder that has no row, and a third-party header that
has no home, are errors: the order is extended here or not at all.

  tools/check_layers.py [SRC]
"""
import os
import re
import sys

LAYERS = [
    ["base"],
    ["kernels", "models", "backup", "telemetry", "json"],
    ["text"],
    ["quant", "storage", "filter"],
    ["index", "payload", "replication", "auth"],
    ["collection"],
    ["db"],
    ["api"],
    ["server"],
]
# Header, or folder of headers with its slash -> where it may be included: modules or single files.
HOMES = {
    "simdjson.h": {"json", "api", "server", "filter", "collection", "backup"},
    "boost/": {"server"},
    "openssl/": {"auth", "server", "backup"},
    "argon2.h": {"auth"},
    "curl/": {"backup"},
    "archive.h": {"backup"},
    "archive_entry.h": {"backup"},
    "isa-l/": {"backup"},
    "spdlog/": {"base"},
    "toml++/": {"server"},
    "CLI/": {"server"},
    "xxhash.h": {"base"},
    "immintrin.h": {"kernels", "base/crc32c.cc"},
    "nmmintrin.h": {"base/crc32c.cc"},
}
# The operating system's, likewise. sysconf may be called from anywhere above; the file calls of
# unistd.h are banned there by tools/check_style.py.
SYSTEM = {
    "arpa/inet.h": {"server/test_client.h"},
    "fcntl.h": {"base"},
    "netinet/in.h": {"server/test_client.h"},
    "pthread.h": {"base"},
    "sched.h": {"base"},
    "sys/mman.h": {"base", "storage"},
    "sys/socket.h": {"server/test_client.h"},
    "sys/": {"base"},
    "unistd.h": {"base", "api", "server"},
}
# fmt only formats strings; sys/resource.h tells limits and usage of the process.
ANYWHERE = {"fmt/", "sys/resource.h"}
TESTS_ONLY = {"gtest/", "gmock/"}
STANDARD = re.compile(r"^[a-z_0-9]+$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def covering(header, table):
    """The longest entry of table that is the header or a folder it lies in."""
    fits = [e for e in table if header == e or (e.endswith("/") and header.startswith(e))]
    return max(fits, key=len, default=None)


def check_third_party(module, file, header):
    test = file.endswith("_test.cc") or "test_" in os.path.basename(file)
    if STANDARD.match(header) or covering(header, ANYWHERE):
        return None
    if covering(header, TESTS_ONLY):
        return None if test else f"<{header}> is for tests"
    if test and covering(header, SYSTEM):
        return None  # A test may look at the system from outside.
    home = covering(header, HOMES) or covering(header, SYSTEM)
    if home is None:
        return f"<{header}> has no home in tools/check_layers.py"
    homes = HOMES.get(home) or SYSTEM[home]
    if module in homes or file in homes:
        return None
    return f"<{header}> may be included only in {', '.join(sorted(homes))}"


def check(root):
    rank = {module: i for i, row in enumerate(LAYERS) for module in row}
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            if not name.endswith((".h", ".cc")):
                continue
            path = os.path.join(folder, name)
            file = os.path.relpath(path, root).replace(os.sep, "/")
            module = file.split("/")[0]
            if module not in rank:
                yield f"{path}: folder {module} has no place in the order"
                continue
            with open(path, encoding="utf-8") as f:
                includes = INCLUDE.findall(f.read())
            for mark, header in includes:
                if mark == "<":
                    wrong = check_third_party(module, file, header)
                    if wrong:
                        yield f"{path}: {wrong}"
                    continue
                target = header.split("/")[0]
                if "/" not in header or target not in rank:
                    yield f'{path}: "{header}" is not of the form "module/file.h"'
                elif target != module and rank[target] >= rank[module]:
                    yield f"{path}: {module} may not include {header}"


if __name__ == "__main__":
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    errors = list(check(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "src")))
    print("\n".join(errors) or "layers: ok")
    sys.exit(bool(errors))
