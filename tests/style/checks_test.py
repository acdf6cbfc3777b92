#!/usr/bin/env python3
"""Plants one violation after another in a small tree and looks that the tools name it, and that a
clean tree passes. Standard library only."""
import os
import re
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import check_docs  # noqa: E402
import check_layers  # noqa: E402
import check_style  # noqa: E402
import run_tidy  # noqa: E402


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def put(self, file, text):
        path = os.path.join(self.folder.name, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


class Layers(Tree):
    def found(self, file, line):
        self.put("src/" + file, f"// A file.\n{line}\n")
        return list(check_layers.check(os.path.join(self.folder.name, "src")))

    def test_rows_below_and_the_own_module_may_be_included(self):
        self.put("src/storage/b.h", '// B.\n#include "base/status.h"\n#include "storage/a.h"\n')
        self.assertEqual(self.found("server/a.cc", '#include "db/database.h"'), [])

    def test_a_higher_row_is_refused(self):
        self.assertIn("storage may not include collection/collection.h",
                      self.found("storage/a.h", '#include "collection/collection.h"')[0])

    def test_the_same_row_is_refused(self):
        self.assertIn("may not include", self.found("filter/a.h", '#include "storage/log.h"')[0])

    def test_an_unknown_folder_is_refused(self):
        self.assertIn("no place", self.found("utils/a.h", "")[0])

    def test_an_include_that_is_not_rooted_at_src_is_refused(self):
        self.assertIn("module/file.h", self.found("base/a.cc", '#include "status.h"')[0])
        self.assertIn("module/file.h", self.found("base/a.cc", '#include "../base/status.h"')[0])

    def test_a_third_party_header_outside_its_home_is_refused(self):
        for file, header in [("db/a.cc", "simdjson.h"), ("api/a.cc", "boost/asio.hpp"),
                             ("db/a.cc", "openssl/sha.h"), ("index/a.cc", "immintrin.h"),
                             ("base/random.cc", "immintrin.h"), ("api/a.cc", "spdlog/spdlog.h"),
                             ("db/a.cc", "toml++/toml.h"), ("index/a.cc", "sys/mman.h"),
                             ("db/a.cc", "unistd.h"), ("db/a.cc", "gtest/gtest.h")]:
            with self.subTest(header=header):
                self.setUp()
                self.assertEqual(len(self.found(file, f"#include <{header}>")), 1)

    def test_a_third_party_header_in_its_home_passes(self):
        for file, header in [("filter/a.cc", "simdjson.h"), ("server/a.cc", "boost/asio.hpp"),
                             ("base/crc32c.cc", "immintrin.h"), ("storage/a.cc", "sys/mman.h"),
                             ("db/a.cc", "fmt/format.h"), ("db/a_test.cc", "gtest/gtest.h"),
                             ("db/a_test.cc", "unistd.h"), ("db/a.cc", "vector")]:
            with self.subTest(header=header):
                self.setUp()
                self.assertEqual(self.found(file, f"#include <{header}>"), [])

    def test_a_header_without_a_home_is_refused(self):
        self.assertIn("has no home", self.found("server/a.cc", "#include <nobody/nobody.h>")[0])


class Style(Tree):
    def found(self, file, text):
        self.setUp()
        self.put(file, text)
        return list(check_style.findings(self.folder.name))

    def test_planted_violations_are_named(self):
        for file, line, why in [
                ("src/db/a.cc", "throw 1;", "return a Status"),
                ("src/db/a.cc", "std::cout << 1;", "logging"),
                ("src/db/a.cc", 'printf("x");', "logging"),
                ("src/db/a.cc", "const int fd = ::open(path, 0);", "base/files.h"),
                ("src/index/a.cc", "::mmap(nullptr, 1, 0, 0, -1, 0);", "arena"),
                ("src/db/a.cc", "std::ifstream in(path);", "base/files.h"),
                ("src/db/a.cc", "std::mutex m;", "base/mutex.h"),
                ("src/db/a.cc", "std::thread t;", "executor"),
                ("src/db/a.cc", "auto t = std::chrono::steady_clock::now();", "clock"),
                ("src/db/a.cc", "const auto t = time(nullptr);", "clock"),
                ("src/db/a.cc", "int x = rand();", "random"),
                ("src/db/a.cc", "std::mt19937 g;", "random"),
                ("src/db/a_test.cc", "std::random_device d;", "random"),
                ("src/db/a_test.cc", "std::this_thread::sleep_for(ms);", "sleeps"),
                ("src/base/a.cc", "usleep(10);", "sleeps"),
                ("src/base/a.cc", "std::atomic_thread_fence(order);", "fences"),
                ("src/db/a.cc", "// TODO(#12): later", "finish"),
                ("src/db/a.cc", "#if 0", "finish"),
                ("src/db/a.cc", "int x;  // NOLINT", "NOLINT"),
                ("src/db/a.cc", "int " + "x" * 100 + ";", "columns")]:
            with self.subTest(line=line):
                found = self.found(file, f"// A file.\n{line}\n")
                self.assertEqual(len(found), 1, found)
                self.assertRegex(found[0], rf"^{re.escape(file)}:2: .*{why}")

    def test_homes_comments_and_strings_are_let_be(self):
        for file, line in [
                ("src/base/posix_files.cc", "::open(path, 0);"),
                ("src/storage/arena.cc", "::mmap(nullptr, 1, 0, 0, -1, 0);"),
                ("src/base/mutex.h", "#pragma once\nstd::mutex m;"),
                ("src/server/main.cc", "std::cout << usage;"),
                ("src/db/a_test.cc", "std::mt19937 g(seed);"),
                ("src/db/a.cc", "// std::mutex would do; we throw nothing"),
                ("src/db/a.cc", 'log("std::thread throw");'),
                ("src/db/a.cc", 'log(R"(rand() throw)");'),
                ("src/db/a.cc", "uint64_t n = 1'000'000; char c = '\"'; int d = rands();"),
                ("src/db/a.cc", "entry.open(x); file->read(y); fs::rename_all(z);"),
                ("src/db/a.cc", "int x;  // NOLINT(misc-foo)")]:
            with self.subTest(line=line):
                self.assertEqual(self.found(file, f"// A file.\n{line}\n"), [])

    def test_a_file_without_a_head_comment_is_named(self):
        self.assertIn("starts with a comment", self.found("src/db/a.cc", "int x;\n")[0])

    def test_a_header_without_pragma_once_is_named(self):
        self.assertIn("#pragma once", self.found("src/db/a.h", "// A file.\nint f();\n")[0])

    def test_a_long_file_is_named(self):
        self.assertEqual(self.found("src/db/a.cc", "// A.\n" * 800), [])
        self.assertIn("801 lines", self.found("src/db/a.cc", "// A.\n" * 801)[0])

    def test_a_large_file_is_named(self):
        self.assertIn("at most", self.found("demo/x.bin", "x" * 5_000_001)[0])
        self.assertEqual(self.found("build/x.bin", "x" * 5_000_001), [])


class Docs(Tree):
    def setUp(self):
        super().setUp()
        headers = " ".join(check_layers.HOMES)
        self.put("docs/DEPENDENCIES.md", f"fmt g++ libfmt-dev clang-19 {headers}\n")
        self.put("tools/install_deps.sh", "run=(g++ libfmt-dev)\nstyle=(clang-19)\n")
        self.put("CMakeLists.txt", "find_package(fmt REQUIRED)\n")

    def found(self):
        return list(check_docs.findings(self.folder.name))

    def test_a_true_tree_passes(self):
        self.put("README.md", "[here](docs/DEPENDENCIES.md#top) and [there](https://example.org/x)\n")
        self.assertEqual(self.found(), [])

    def test_an_unnamed_library_is_named(self):
        self.put("cmake/module.cmake", "  find_package(GTest REQUIRED)\n")
        self.assertIn("does not name GTest", self.found()[0])

    def test_an_unnamed_package_is_named(self):
        self.put("tools/install_deps.sh", "run=(g++ libfmt-dev\n  libssl-dev)\n")
        self.assertIn("does not name libssl-dev", self.found()[0])

    def test_a_dead_link_is_named(self):
        self.put("README.md", "[gone](docs/GONE.md)\n")
        self.assertIn("docs/GONE.md leads nowhere", self.found()[0])

    def test_a_test_that_nobody_wrote_is_named(self):
        self.put("src/db/a_test.cc", "TEST(Log, IsCut) {\n")
        self.put("tests/e2e/CMakeLists.txt", "add_test(NAME e2e.sdk\n  COMMAND x)\n")
        self.put("docs/TESTING.md", "`Log.IsCut`, `Kinds/Log.IsCut`, `e2e.sdk`, `tests/bare/run.sh`\n")
        self.assertEqual(self.found(), [])
        self.put("docs/TESTING.md", "`Log.IsGone`\n")
        self.assertIn("no test Log.IsGone", self.found()[0])


class Tidy(Tree):
    def test_the_precompiled_header_and_the_cache_are_stripped(self):
        entry = {"command": "/usr/bin/cmake -E env A=b /usr/bin/ccache /usr/bin/c++ -DX=1 -I/r/src "
                            "-O2 -Werror -Winvalid-pch -include /r/build/cmake_pch.hxx "
                            "-o a.o -c /r/src/db/a.cc"}
        self.assertEqual(run_tidy.command_of(entry)[1:],
                         ["-DX=1", "-I/r/src", "-O2", "/r/src/db/a.cc"])

    def test_the_key_changes_with_a_header_reached_in_two_steps(self):
        key = lambda: run_tidy.key_of(source, ["clang++"], b"1")
        source = self.put("src/db/a.cc", '#include "b.h"\n')
        self.put("src/db/b.h", '#include "c.h"\n')
        self.put("src/db/c.h", "int x;\n")
        before = key()
        self.assertEqual(before, key())
        self.put("src/db/c.h", "int y;\n")
        self.assertNotEqual(before, key())
        self.assertNotEqual(key(), run_tidy.key_of(source, ["clang++", "-DA"], b"1"))
        self.assertNotEqual(key(), run_tidy.key_of(source, ["clang++"], b"2"))


if __name__ == "__main__":
    unittest.main()
