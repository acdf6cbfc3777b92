#!/usr/bin/env python3
"""Makes a data set of fewer dimensions out of another one: its first principal components.

    prepare_pca.py SOURCE DIR [--dim 128] [--name wordnet128]

SOURCE is a data set's folder, such as ../shared/data/wordnet384. Writes DIR/NAME/{base.npy,
queries.npy, gt.npy, meta.json} in the form of prepare_glove.py, with neighbours computed anew on
the shorter vectors as they are stored. The components come from a sample of the base (seed 42), so
the queries have no part in them. Needs numpy; wordnet384 takes half a minute.
"""
import argparse
import json
import pathlib

import numpy as np

from prepare_glove import NEIGHBOURS, exact_neighbours

SAMPLE = 20_000


def unit(rows):
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def components(base, dim):
    """The sample's mean and the `dim` directions in which it varies most, one a row, and the share
    of the variance that lies in them."""
    chosen = np.random.default_rng(42).choice(len(base), min(SAMPLE, len(base)), replace=False)
    sample = unit(base[chosen])
    mean = sample.mean(axis=0)
    _, widths, directions = np.linalg.svd(sample - mean, full_matrices=False)
    return mean, directions[:dim], float((widths[:dim] ** 2).sum() / (widths ** 2).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--name", help="default: the source's name with its dimension replaced")
    options = parser.parse_args()
    meta = json.loads((options.source / "meta.json").read_text())
    if meta["metric"] != "cosine" or options.dim >= meta["dim"]:
        parser.error("the source must be a cosine set of more dimensions than --dim")
    name = options.name or meta["name"].replace(str(meta["dim"]), "") + str(options.dim)
    base = np.load(options.source / "base.npy")
    mean, directions, kept = components(base, options.dim)
    base = ((unit(base) - mean) @ directions.T).astype(np.float16)
    queries = np.load(options.source / "queries.npy")
    queries = ((unit(queries) - mean) @ directions.T).astype(np.float16)
    truth = exact_neighbours(base.astype(np.float32), queries.astype(np.float32), NEIGHBOURS)
    target = options.dir / name
    target.mkdir(parents=True, exist_ok=True)
    np.save(target / "base.npy", base)
    np.save(target / "queries.npy", queries)
    np.save(target / "gt.npy", truth)
    made = {"name": name, "n": len(base), "nq": len(queries), "dim": options.dim,
            "dtype": "float16", "metric": "cosine", "source": meta["source"],
            "how": f"{options.dim} principal components of {meta['name']}, "
                   f"{kept:.1%} of its variance"}
    (target / "meta.json").write_text(json.dumps(made, indent=1) + "\n")
    print(f"{target}: {base.shape[0]} x {base.shape[1]}, {len(queries)} queries, "
          f"{kept:.1%} of the variance")


if __name__ == "__main__":
    main()
