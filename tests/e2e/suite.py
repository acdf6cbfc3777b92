# What the e2e suites share: where the server's binary is (--server or FERRESDB_BINARY), a folder
# that goes away, a server for a test class, and how an answer that says no must look.
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "harness"))
from ferres_server import API_KEY, Client, Server, free_port  # noqa: E402,F401

def binary():
    if len(sys.argv) > 1 and sys.argv[1] == "--server":
        os.environ["FERRESDB_BINARY"] = sys.argv[2]
        del sys.argv[1:3]
    return os.environ["FERRESDB_BINARY"]


class ServerTest(unittest.TestCase):
    """One server for all tests of the class."""

    env = {}

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="ferres-e2e-"))
        cls.server = Server(binary(), cls.folder / "data", cls.env).start()
        cls.client = cls.server.client()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        code = cls.server.stop()
        shutil.rmtree(cls.folder, ignore_errors=True)
        assert code == 0, f"the server ended with {code}"

    def tearDown(self):
        self.assertTrue(self.server.is_alive(), self.server.log_tail())
        with self.server.client() as client:
            self.assertEqual(client.request("GET", "/health")[0], 200)

    def refused(self, answer, status, error=None, message=None):
        """answer is what Client.request returned."""
        self.assertEqual(answer[0], status, answer)
        self.assertIsInstance(answer[1], dict, answer)
        if error is not None:
            self.assertEqual(answer[1]["error"], error, answer)
        self.assertEqual(answer[1]["code"], status, answer)
        self.assertTrue(answer[1]["message"], answer)
        if message is not None:
            self.assertIn(message, answer[1]["message"])

    def create(self, name, dimension=4, distance="Cosine", **more):
        answer = self.client.request("POST", "/api/v1/collections", {
            "name": name, "dimension": dimension, "distance": distance, **more})
        self.assertEqual(answer[0], 201, answer)
        return f"/api/v1/collections/{name}"

    def upsert(self, path, points):
        answer = self.client.request("POST", path + "/points", {"points": points})
        self.assertEqual(answer[0], 200, answer)
        return answer[1]
