#!/usr/bin/env python3
"""Runs one peer library once over one data set and writes what `ferresdb-bench ann` writes.

    peers.py PEER DATASET_DIR --seed S --json OUT [--ef LIST] [--k 10] [--threads T] [--one-by-one]

Started by compare.py with the Python of its virtual environment, pinned to one CPU. The peers get
their best case: vectors normalised beforehand, no log, and one library call for all queries on one
thread, so that no Python stands between two queries; --one-by-one asks one query a call, as a
server would, and counts the Python in between. A peer is one class here and one row in PEERS;
`python` names the version that it needs where this one will not do.
"""
import argparse
import gc
import json
import os
import pathlib
import resource
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402  (after the thread limit, which it reads when loaded)

EF_DEFAULT = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 128, 160, 200, 256, 384, 512, 800]
RECALL_ENOUGH = 0.998
PASSES = 3


class Hnswlib:
    """hnswlib at M 16, ef_construction 200: the reference of the field."""
    packages = ["hnswlib==0.8.0"]
    settings = {"M": 16, "ef_construction": 200}

    def build(self, base, inner_product, seed, threads):
        import hnswlib
        self.index = hnswlib.Index("ip" if inner_product else "l2", base.shape[1])
        self.index.init_index(len(base), M=16, ef_construction=200, random_seed=seed)
        self.index.add_items(base, num_threads=threads)

    def search(self, queries, k, ef):
        self.index.set_ef(max(ef, k))
        return self.index.knn_query(queries, k, num_threads=1)[0]


class SymphonyQg:
    """SymphonyQG of the RaBitQ library, degree 32, 8-bit codes of the nodes themselves. Static."""
    packages = ["rabitqlib==0.7.1"]
    settings = {"degree": 32, "ef_construction": 400, "bits": 8}

    def build(self, base, inner_product, seed, threads):
        import rabitqlib
        self.index = rabitqlib.SymqgIndex(base.shape[1], 32, "ip" if inner_product else "l2", 8)
        self.index.build(base, 400, threads)

    def search(self, queries, k, ef):
        first, second = self.index.search(queries, k, max(ef, k), 1)[:2]
        return first if first.dtype.kind in "ui" else second


class Faiss:
    """HNSW of faiss on full vectors, at hnswlib's M and ef_construction."""
    packages = ["faiss-cpu==1.15.1"]
    settings = {"M": 16, "ef_construction": 200, "storage": "float32"}

    def make(self, faiss, dim, metric):
        return faiss.IndexHNSWFlat(dim, 16, metric)

    def build(self, base, inner_product, seed, threads):
        import faiss
        faiss.omp_set_num_threads(threads)
        metric = faiss.METRIC_INNER_PRODUCT if inner_product else faiss.METRIC_L2
        self.index = self.make(faiss, base.shape[1], metric)
        self.index.hnsw.efConstruction = 200
        self.index.hnsw.rng = faiss.RandomGenerator(seed)
        if not self.index.is_trained:
            self.index.train(base)
        self.index.add(base)
        faiss.omp_set_num_threads(1)

    def search(self, queries, k, ef):
        self.index.hnsw.efSearch = max(ef, k)
        return self.index.search(queries, k)[1]


class FaissSq8(Faiss):
    """The same on a byte a component; not scored again on the vectors."""
    settings = {"M": 16, "ef_construction": 200, "storage": "QT_8bit"}

    def make(self, faiss, dim, metric):
        return faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, 16, metric)


class Usearch:
    """usearch on bfloat16, which it searches faster than float32. Its levels take no seed."""
    packages = ["usearch==2.26.6"]
    settings = {"connectivity": 16, "expansion_add": 200, "dtype": "bf16"}

    def build(self, base, inner_product, seed, threads):
        from usearch.index import Index
        self.index = Index(ndim=base.shape[1], metric="ip" if inner_product else "l2sq",
                           dtype="bf16", connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(base)), base, threads=threads)

    def search(self, queries, k, ef):
        self.index.expansion_search = max(ef, k)
        return np.asarray(self.index.search(queries, k, threads=1).keys).reshape(-1, k)


class Glass:
    """HNSW of pyglass on 4-bit codes, scored again on the vectors. Static; it takes no seed. Its
    wheels end at Python 3.10."""
    packages = ["glassppy==1.0.5"]
    python = "3.10"
    settings = {"R": 32, "L": 200, "level": 2}

    def build(self, base, inner_product, seed, threads):
        import glassppy
        glassppy.set_num_threads(threads)
        metric = "IP" if inner_product else "L2"
        graph = glassppy.Index("HNSW", base.shape[1], metric, R=32, L=200).build(base)
        self.index = glassppy.Searcher(graph, base, metric, 2)
        self.index.set_ef(64)
        self.index.optimize(1)

    def search(self, queries, k, ef):
        self.index.set_ef(max(ef, k))
        return np.asarray(self.index.batch_search(queries, k, 1)).reshape(-1, k)


PEERS = {"hnswlib": Hnswlib, "symqg8": SymphonyQg, "faiss": Faiss, "faiss_sq8": FaissSq8,
         "usearch": Usearch, "glass": Glass}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_bytes():
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def load(folder):
    meta = json.loads((folder / "meta.json").read_text())
    base = np.load(folder / "base.npy").astype(np.float32)
    queries = np.load(folder / "queries.npy").astype(np.float32)
    if meta["metric"] == "cosine":
        base /= np.linalg.norm(base, axis=1, keepdims=True)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    inner_product = meta["metric"] in ("cosine", "dot")
    return base, queries, np.load(folder / "gt.npy"), inner_product


def recall(found, truth, k):
    hits = sum(len(set(a[:k].tolist()) & set(b[:k].tolist())) for a, b in zip(found, truth))
    return hits / (k * len(truth))


def ask(peer, queries, k, ef, one_by_one):
    """What was found, and the microseconds of each call."""
    step = 1 if one_by_one else len(queries)
    found, calls = [], []
    for i in range(0, len(queries), step):
        start = time.perf_counter()
        found.append(peer.search(queries[i:i + step], k, ef))
        calls.append((time.perf_counter() - start) * 1e6)
    return np.vstack(found), calls


def sweep(peer, queries, truth, efs, options):
    curve = []
    k = options.k
    for ef in efs:
        found, _ = ask(peer, queries, k, ef, options.one_by_one)
        wall = cpu = float("inf")
        for _ in range(PASSES):
            wall_start, cpu_start = time.perf_counter(), cpu_seconds()
            _, calls = ask(peer, queries, k, ef, options.one_by_one)
            took = time.perf_counter() - wall_start
            if took < wall:
                wall, best = took, calls
            cpu = min(cpu, cpu_seconds() - cpu_start)
        curve.append({"ef": ef, "recall": round(recall(found, truth, k), 5),
                      "qps": round(len(queries) / wall, 1),
                      "qps_cpu": round(len(queries) / max(cpu, 1e-9), 1)})
        if options.one_by_one:
            p50, p99 = np.percentile(best, [50, 99])
            curve[-1].update(p50_us=round(float(p50), 1), p99_us=round(float(p99), 1))
        if curve[-1]["recall"] > RECALL_ENOUGH:
            break
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("dataset", type=pathlib.Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="for the build")
    parser.add_argument("--ef", default=",".join(map(str, EF_DEFAULT)))
    parser.add_argument("--one-by-one", action="store_true", help="one query a call")
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    base, queries, truth, inner_product = load(options.dataset)
    peer = PEERS[options.peer]()
    before = resident_bytes()
    wall_start, cpu_start = time.perf_counter(), cpu_seconds()
    peer.build(base, inner_product, options.seed, options.threads)
    result = {"engine": options.peer, "settings": peer.settings, "seed": options.seed,
              "one_by_one": options.one_by_one,
              "n": len(base), "dim": base.shape[1],
              "build_s": round(time.perf_counter() - wall_start, 3),
              "build_cpu_s": round(cpu_seconds() - cpu_start, 3),
              "bytes_per_vector_ram": round((resident_bytes() - before) / len(base), 1)}
    efs = [int(ef) for ef in options.ef.split(",")]
    result["curve"] = sweep(peer, queries, truth, efs, options)
    options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
