#!/usr/bin/env python3
"""Runs `ferresdb-bench ann` with every quantizer on the same data: a table, a JSON file, charts.

    quantization_comparison.py [--sets wordnet128,wordnet384] [--points N] [--runs 1] [--data DIR]

Every row has the compact layout, which differs between quantizers in its codes alone, but for the
last: what a collection gets that asks for nothing. One process a row, pinned to one CPU, so build
seconds are those of one CPU. The table goes to stdout, all figures to
results/quantization_comparison.json, the curves to results/quantization_DIM.svg. Latencies are
interpolated at recall 0.95 and are wall time; `load average` says what else ran. The best recall is
the sweep's, which ends at 0.998; "-" stands where it ended below ef 100. wordnet128 is made by
prepare_pca.py. numpy and matplotlib are installed once into build/peers/venv.
"""
import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile

import compare

PACKAGES = ["numpy", "matplotlib"]
TARGET = 0.95
LOAD_QUIET_MAX = 1.25  # the run itself is one
ROWS = {
    "None": {"quantization": "None"},
    "Scalar": {"quantization": {"Scalar": {"dtype": "Int8", "quantile": 0.99}}},
    "Lvq 8": {"quantization": {"Lvq": {"bits": 8}}},
    "Lvq 4": {"quantization": {"Lvq": {"bits": 4}}},
    "Polar 8": {"quantization": {"Polar": {"bits_per_angle": 8}}},
    "RaBitQ 8": {"quantization": {"RaBitQ": {"bits": 8}}},
    "RaBitQ 4": {"quantization": {"RaBitQ": {"bits": 4}}},
    "RaBitQ 2": {"quantization": {"RaBitQ": {"bits": 2}}},
    "RaBitQ 1": {"quantization": {"RaBitQ": {"bits": 1}}},
}
DEFAULT = "default"
CONFIGS = {name: {"index": "compact", **body} for name, body in ROWS.items()} | {DEFAULT: {}}


def enter_venv():
    """Starts this script again under the Python that has what it imports below."""
    python = compare.prepare_venv(PACKAGES)
    if pathlib.Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.execv(python, [str(python), *sys.argv])


def shorten(folder, points, target):
    """The first `points` of a data set, with exact neighbours of its own."""
    import numpy as np
    from prepare_glove import NEIGHBOURS, exact_neighbours
    base = np.load(folder / "base.npy")[:points]
    queries = np.load(folder / "queries.npy")
    truth = exact_neighbours(base.astype(np.float32), queries.astype(np.float32),
                             min(NEIGHBOURS, points))
    for name, rows in (("base", base), ("queries", queries), ("gt", truth)):
        np.save(target / f"{name}.npy", rows)
    meta = json.loads((folder / "meta.json").read_text()) | {"n": len(base)}
    (target / "meta.json").write_text(json.dumps(meta))
    return target


def figures(runs):
    """Medians over the runs of a row."""
    def middle(value):
        return compare.median([value(run) for run in runs])
    at_target = {key: middle(lambda run, key=key: compare.at_recall(run["curve"], TARGET, key))
                 for key in ("p50_us", "p99_us", "qps_cpu")}
    return {"build_s": middle(lambda run: run["build_s"]),
            "build_cpu_s": middle(lambda run: run["build_cpu_s"]),
            **{f"{key}_at_{TARGET:.2f}": value for key, value in at_target.items()},
            "recall_best": middle(lambda run: max(point["recall"] for point in run["curve"])),
            "recall_at_ef100": middle(lambda run: compare.recall_at(run["curve"], 100)),
            "bytes_per_vector_ram": middle(lambda run: run["bytes_per_vector_ram"])}


def print_table(result):
    print(f"\n{result['set']}: {result['points']:,} x {result['dim']}, k 10, one CPU; "
          f"load average {min(result['load_average'])} to {max(result['load_average'])}\n")
    print(f"| quantization | build s | build CPU s | p50 us at {TARGET} | p99 us at {TARGET} | "
          f"QPS a CPU at {TARGET} | best recall@10 | recall at ef 100 | bytes a vector in RAM |")
    print("|---" * 9 + "|")
    for name, row in result["rows"].items():
        recalls = ["-" if row[key] is None else f"{row[key]:.4f}"
                   for key in ("recall_best", "recall_at_ef100")]
        cells = [compare.cell(row[f"{key}_at_{TARGET:.2f}"])
                 for key in ("p50_us", "p99_us", "qps_cpu")]
        builds = [compare.cell(row[key]) for key in ("build_s", "build_cpu_s")]
        print(f"| {name} | " + " | ".join(builds + cells + recalls)
              + f" | {compare.cell(row['bytes_per_vector_ram'])} |", flush=True)


def draw(result, path):
    """Recall against queries per CPU second, a line a row; up and to the right is better."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ferresdb"})
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(figsize=(9, 6))
    colors = matplotlib.colormaps["tab10"].colors
    for i, (name, row) in enumerate(result["rows"].items()):
        curve = row["runs"][0]["curve"]
        axes.plot([point["recall"] for point in curve], [point["qps_cpu"] for point in curve],
                  label=name, color="black" if name == DEFAULT else colors[i], linewidth=1.5,
                  linestyle="--" if name in ("None", DEFAULT) else "-", marker="osD^vpXP*h"[i],
                  markersize=4)
    loaded = max(result["load_average"]) > LOAD_QUIET_MAX
    axes.set(xlim=(0.8, 1.0), yscale="log", xlabel="recall@10", ylabel="queries per CPU second",
             title=f"{result['set']}: {result['points']:,} x {result['dim']}"
                   + (" (measured on a loaded machine)" if loaded else ""))
    axes.grid(True, which="both", alpha=0.25, linewidth=0.5)
    axes.legend(frameon=False, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)


def measure(name, folder, options):
    meta = json.loads((folder / "meta.json").read_text())
    result = {"set": name, "points": meta["n"], "dim": meta["dim"], "load_average": [], "rows": {}}
    for row, config in CONFIGS.items():
        options.config = json.dumps(config) if config else None
        runs = []
        for turn in range(options.runs):
            result["load_average"].append(round(os.getloadavg()[0], 2))
            runs.append(compare.run_once(compare.OURS, folder, options.seed + turn, options, None))
        result["rows"][row] = {"config": config, **figures(runs), "runs": runs}
        print(f"{name} {row}: build {result['rows'][row]['build_s']:.1f} s", file=sys.stderr)
    result["load_average"].append(round(os.getloadavg()[0], 2))
    return result


def write(results, options):
    options.results.mkdir(parents=True, exist_ok=True)
    document = {"cpu": compare.cpu_model(), "commit": options.commit,
                "date": datetime.date.today().isoformat(), "runs_each": options.runs,
                "recall_target": TARGET, "sets": results,
                "measured_under_load": any(max(result["load_average"]) > LOAD_QUIET_MAX
                                           for result in results)}
    path = options.results / "quantization_comparison.json"
    path.write_text(json.dumps(document, separators=(",", ":")).replace('{"ef"', '\n{"ef"') + "\n")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, action="append",
                        help="folder of data sets; may be given more than once "
                             "(default: ../shared/data and data/)")
    parser.add_argument("--sets", default="wordnet128,wordnet384")
    parser.add_argument("--points", type=int, help="only the first N of each set (default: all)")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; then one more each")
    parser.add_argument("--ef", default=compare.EFS)
    parser.add_argument("--bench", type=pathlib.Path,
                        default=compare.ROOT / "build" / "release" / "bin" / "ferresdb-bench")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=pathlib.Path, default=compare.HERE / "results")
    options = parser.parse_args()
    options.data = options.data or [compare.ROOT.parent / "shared" / "data", compare.ROOT / "data"]
    options.commit = compare.commit()
    return options


def main():
    options = parse_options()
    enter_venv()
    results = []
    for name in options.sets.split(","):
        folder = compare.find_set(name, options.data)
        if folder is None:
            continue
        with tempfile.TemporaryDirectory() as temporary:
            if options.points:
                folder = shorten(folder, options.points, pathlib.Path(temporary))
            results.append(measure(name, folder, options))
        print_table(results[-1])
        write(results, options)
        draw(results[-1], options.results / f"quantization_{results[-1]['dim']}.svg")


if __name__ == "__main__":
    main()
