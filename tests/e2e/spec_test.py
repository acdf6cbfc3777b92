#!/usr/bin/env python3
# The real server beside spec/openapi.yaml: schemathesis makes requests of it, sound and broken, and
# compares the answers. What it does not check is in schemathesis.toml, with reasons.
# Longer: spec_test.py --server BINARY --examples 1000 [--seed N]
import os
import subprocess
import sys
import unittest
from pathlib import Path

from suite import API_KEY, ServerTest, binary

HERE = Path(__file__).resolve().parent
SPEC = HERE.parents[1] / "spec" / "openapi.yaml"


class Spec(ServerTest):
    examples = 50  # of each operation
    seed = 1
    env = {"FERRESDB_COLLECTIONS_MAX": "100000"}

    def test_the_server_does_what_is_specified(self):
        program = Path(sys.executable).parent / "schemathesis"
        run = subprocess.run(
            [program, "--config-file", HERE / "schemathesis.toml", "run", SPEC, "--url",
             f"http://127.0.0.1:{self.server.port}", "--header", f"Authorization: Bearer {API_KEY}",
             "--seed", str(self.seed), "--max-examples", str(self.examples), "--no-shrink",
             "--continue-on-failure", "--warnings", "off"],
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "spec_hooks", "PYTHONPATH": str(HERE)})
        self.assertEqual(run.returncode, 0, run.stdout)
        self.assertIn("No issues found", run.stdout)


if __name__ == "__main__":
    binary()
    for name in ("examples", "seed"):
        if f"--{name}" in sys.argv:
            at = sys.argv.index(f"--{name}")
            setattr(Spec, name, int(sys.argv[at + 1]))
            del sys.argv[at:at + 2]
    unittest.main(verbosity=2)
