#!/usr/bin/env python3
"""Runs FerresDB and its peers in turn on the same data and prints the ratios.

    compare.py [--data DIR] [--sets wordnet384,glove100] [--peers hnswlib,symqg8,...] [--runs 5]

One process a run, pinned to one CPU; the engines alternate, so that a machine which gets busy slows
all of them. Seeds differ from run to run. Speed is interpolated at equal recall between the ef that
bracket it; medians are printed, and written with every run to results/SET.json. `cpu` figures are
queries per second of CPU time: on a machine that others use, trust those.

FerresDB is measured through its collection: durable upserts, its own search path, one query a call.
The peers get their best case (see peers.py); --one-by-one gives them one query a call as well. They
are installed once into build/peers/venv; one that cannot be installed is left out and named.
"""
import argparse
import ast
import datetime
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = pathlib.Path(__file__).resolve().parent
VENV = ROOT / "build" / "peers" / "venv"
OURS = "ferresdb"
TARGETS = (0.90, 0.95, 0.99)
EFS = "10,12,16,20,24,32,40,48,64,80,100,128,160,200,256,384,512,800,1200"


def prepare_venv(packages, version=None):
    """The Python of the virtual environment (one more a version), with the packages in it."""
    venv = VENV if version is None else VENV.with_name(f"venv-{version}")
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([find_python(version), "-m", "venv", str(venv)], check=True)
    listing = subprocess.run([str(python), "-m", "pip", "freeze"], check=True, text=True,
                             capture_output=True).stdout.lower()
    missing = [package for package in packages if package not in listing]
    if missing:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *missing], check=True)
    return python


def find_python(version):
    """A Python that runs: pyenv's stand-in for a version that is not in use exists and fails."""
    if version is None:
        return sys.executable
    found = [shutil.which(f"python{version}")] + sorted(
        map(str, pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    for python in filter(None, found):
        if subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0:
            return python
    raise FileNotFoundError(f"there is no python{version}")


def prepare_peers(peers):
    """{peer: its Python} of those that could be installed; says which could not."""
    pythons = {}
    for peer in peers:
        try:
            packages = ["numpy"] + attribute_of(peer, "packages")
            pythons[peer] = prepare_venv(packages, attribute_of(peer, "python"))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{peer}: left out, it could not be installed: {error}", flush=True)
    return pythons


def attribute_of(peer, name):
    """From the classes of peers.py, read as text: this Python may have no numpy. None if absent."""
    tree = ast.parse((HERE / "peers.py").read_text())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    table = next(node.value for node in tree.body if isinstance(node, ast.Assign)
                 and node.targets[0].id == "PEERS")
    rows = {key.value: value.id for key, value in zip(table.keys, table.values)}
    if peer not in rows:
        sys.exit(f"{peer}: no such peer; there are {', '.join(rows)}")
    node = classes[rows[peer]]
    while node is not None:
        for item in node.body:
            if isinstance(item, ast.Assign) and item.targets[0].id == name:
                return ast.literal_eval(item.value)
        node = classes[node.bases[0].id] if node.bases else None
    return None


def command(engine, folder, seed, output, options, python):
    if engine != OURS:
        words = [str(python), str(HERE / "peers.py"), engine, str(folder), "--seed", str(seed),
                 "--ef", options.ef, "--json", output]
        return words + (["--one-by-one"] if options.one_by_one else [])
    metric = json.loads((folder / "meta.json").read_text())["metric"]
    words = [str(options.bench), "ann", "--base", f"{folder}/base.npy", "--queries",
             f"{folder}/queries.npy", "--gt", f"{folder}/gt.npy", "--metric",
             "euclidean" if metric == "l2" else metric, "--k", "10", "--threads", "1",
             "--seed", str(seed), "--ef", options.ef, "--json", output]
    return words + (["--config", options.config] if options.config else [])


def run_once(engine, folder, seed, options, python):
    with tempfile.TemporaryDirectory() as temporary:
        output = f"{temporary}/run.json"
        subprocess.run(command(engine, folder, seed, output, options, python), check=True,
                       stdout=subprocess.DEVNULL,
                       preexec_fn=lambda: os.sched_setaffinity(0, {options.cpu}))
        return json.loads(pathlib.Path(output).read_text())


def at_recall(curve, target, key):
    """Log-linear between the two steps around the target; None when it was not reached."""
    below = None
    for point in curve:
        if point["recall"] >= target:
            if below is None:
                return point[key]
            share = (target - below["recall"]) / (point["recall"] - below["recall"])
            return math.exp((1 - share) * math.log(below[key]) + share * math.log(point[key]))
        below = point
    return None


def recall_at(curve, ef):
    return next((point["recall"] for point in curve if point["ef"] == ef), None)


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) and known else None


def summary(runs):
    figures = {key: median([run.get(key) for run in runs])
               for key in ("build_s", "build_cpu_s", "bytes_per_vector_ram")}
    figures["recall_at_ef100"] = [recall_at(run["curve"], 100) for run in runs]
    for key in ("qps", "qps_cpu"):
        for target in TARGETS:
            figures[f"{key}_at_{target:.2f}"] = median(
                [at_recall(run["curve"], target, key) for run in runs])
    return figures


def cell(value, other=None):
    if value is None:
        return "-"
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
    return text if other is None else f"{text} ({value / other:.2f}x)"


def print_table(name, summaries, reference):
    keys = ["build_s", "build_cpu_s"] + [f"{key}_at_{target:.2f}" for target in TARGETS
                                         for key in ("qps", "qps_cpu")] + ["bytes_per_vector_ram"]
    print(f"\n{name}: medians; in brackets the ratio to {reference}\n")
    print("| | " + " | ".join(summaries) + " |")
    print("|---" * (len(summaries) + 1) + "|")
    base = summaries.get(reference, {})
    for key in keys:
        cells = [cell(figures[key], base.get(key) if engine != reference else None)
                 for engine, figures in summaries.items()]
        print(f"| {key} | " + " | ".join(cells) + " |")
    print("| recall at ef 100, each run | " + " | ".join(
        " ".join(f"{recall:.4f}" if recall is not None else "-"
                 for recall in figures["recall_at_ef100"])
        for figures in summaries.values()) + " |", flush=True)


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    text = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, text=True,
                          capture_output=True).stdout.strip()
    return text or "unknown"


def compare(name, folder, engines, options, pythons):
    runs = {engine: [] for engine in engines}
    loads = []
    for turn in range(options.runs):
        for engine in engines:
            runs[engine].append(run_once(engine, folder, options.seed + turn, options,
                                         pythons.get(engine)))
            loads.append(round(os.getloadavg()[0], 2))
            last = runs[engine][-1]
            print(f"{name} run {turn + 1} {engine}: build {last['build_s']:.1f} s, "
                  f"{cell(at_recall(last['curve'], 0.95, 'qps'))} QPS at 0.95", flush=True)
    summaries = {engine: summary(runs[engine]) for engine in engines}
    print_table(name, summaries, options.reference)
    result = {"set": name, "cpu": cpu_model(), "commit": commit(), "runs_each": options.runs,
              "date": datetime.date.today().isoformat(), "load_average": loads,
              "peers_one_by_one": options.one_by_one, "summary": summaries, "runs": runs}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def find_set(name, places):
    """Its folder under the first place that has it; None, and a word about it, where none has."""
    for place in places:
        if (place / name / "base.npy").exists():
            return place / name
    print(f"{name}: not found under {', '.join(map(str, places))}; prepare_glove.py makes "
          "glove100, prepare_pca.py wordnet128")
    return None


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, action="append",
                        help="folder of data sets; may be given more than once "
                             "(default: ../shared/data and data/)")
    parser.add_argument("--sets", default="wordnet384,glove100")
    parser.add_argument("--peers", default="hnswlib,symqg8")
    parser.add_argument("--only-peers", action="store_true", help="leave FerresDB out")
    parser.add_argument("--one-by-one", action="store_true",
                        help="peers get one query a call too, from Python")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="of the first run; then one more each")
    parser.add_argument("--ef", default=EFS)
    parser.add_argument("--config", help="for FerresDB: body of create collection")
    parser.add_argument("--bench", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "bin" / "ferresdb-bench")
    parser.add_argument("--cpu", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    options = parser.parse_args()
    options.data = options.data or [ROOT.parent / "shared" / "data", ROOT / "data"]
    return options


def main():
    options = parse_options()
    pythons = prepare_peers([peer for peer in options.peers.split(",") if peer])
    engines = list(pythons) + ([] if options.only_peers else [OURS])
    if not engines:
        sys.exit("no engine is left to run")
    options.reference = "hnswlib" if "hnswlib" in engines else engines[0]
    for name in options.sets.split(","):
        folder = find_set(name, options.data)
        if folder is not None:
            compare(name, folder, engines, options, pythons)


if __name__ == "__main__":
    main()
