#!/usr/bin/env python3
"""Loads the demo collection through the public REST API and runs three searches. Standard library
only. Upserts replace, so a load that was cut short is simply run again; a complete one is skipped.

  demo/load.py [--url http://127.0.0.1:8080] [--collection demo]
"""
import argparse
import array
import http.client
import json
import os
import struct
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
DIMENSION = 384
BATCH = 400  # points a request: about 1.5 MB of JSON
SEARCHES = ("temperature", "african-cat", "dessert")


class Client:
    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.base = parts.path.rstrip("/") + "/api/v1/collections"
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
        self.headers = {"Content-Type": "application/json"}
        key = os.environ.get("FERRESDB_API_KEYS", "").split(",")[0].strip()
        if key:
            self.headers["Authorization"] = "Bearer " + key

    def call(self, method, path, body=None, absent_ok=False):
        data = body.encode() if body is not None else None
        self.connection.request(method, self.base + path, data, self.headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if absent_ok and answer.status == 404:
            return None
        if answer.status >= 300:
            sys.exit(f"demo: {method} {self.base + path}: {answer.status} {text[:400]}")
        return json.loads(text)


def vector_rows():
    """One JSON array of numbers for each text, in order."""
    words = {}  # each distinct float16 is printed once: 5 digits say it exactly

    def word(bits):
        text = words.get(bits)
        if text is None:
            text = words[bits] = f"{struct.unpack('<e', struct.pack('<H', bits))[0]:.5g}"
        return text

    part = 0
    while os.path.exists(path := os.path.join(HERE, f"vectors-{part}.f16")):
        bits = array.array("H")
        with open(path, "rb") as f:
            bits.frombytes(f.read())
        if sys.byteorder == "big":
            bits.byteswap()
        for start in range(0, len(bits), DIMENSION):
            yield "[" + ",".join(map(word, bits[start:start + DIMENSION])) + "]"
        part += 1


def load(client, name, texts):
    there = client.call("GET", "/" + name, absent_ok=True)
    if there and there["num_points"] >= len(texts):
        print(f"The collection {name} holds its {there['num_points']} entries already.")
        return
    if not there:
        client.call("POST", "", json.dumps(
            {"name": name, "dimension": DIMENSION, "distance": "Cosine"}))
    started, batch = time.monotonic(), []
    for done, (text, row) in enumerate(zip(texts, vector_rows(), strict=True), 1):
        metadata = {key: text[key] for key in ("text", "pos", "topic")}
        batch.append(f'{{"id":{json.dumps(text["id"])},"vector":{row},'
                     f'"metadata":{json.dumps(metadata)}}}')
        if len(batch) == BATCH or done == len(texts):
            answer = client.call("POST", f"/{name}/points", f'{{"points":[{",".join(batch)}]}}')
            if answer["failed"]:
                sys.exit(f"demo: refused: {answer['failed'][:3]}")
            batch = []
            if sys.stdout.isatty() or done == len(texts):
                seconds = time.monotonic() - started
                print(f"\rLoaded {done} of {len(texts)} entries in {seconds:.1f} s",
                      end="" if done < len(texts) else "\n", flush=True)


def show(client, name, title, body):
    answer = client.call("POST", f"/{name}/search", body)
    print(f"\n{title}")
    for hit in answer["results"]:
        print(f"  {hit['score']:.3f}  {hit['metadata']['text'][:76]}  ({hit['id']})")


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--url", default="http://127.0.0.1:8080")
    args.add_argument("--collection", default="demo")
    args = args.parse_args()
    with open(os.path.join(HERE, "texts.jsonl"), encoding="utf-8") as f:
        texts = [json.loads(line) for line in f]
    with open(os.path.join(HERE, "queries", "words.tsv"), encoding="utf-8") as f:
        words = dict(line.rstrip("\n").split("\t") for line in f)
    client, name = Client(args.url), args.collection
    load(client, name, texts)
    for query in SEARCHES:
        with open(os.path.join(HERE, "queries", query + ".json"), encoding="utf-8") as f:
            show(client, name, f'"{words[query]}"  (distance, nearest first)', f.read())

    auth = ' -H "Authorization: Bearer $KEY"' if "Authorization" in client.headers else ""
    curl = (f"curl -s -H 'Content-Type: application/json'{auth}"
            f" {args.url}/api/v1/collections/{name}/search")
    by_filter = '{"id":"lion-n02129165","limit":5,"filter":{"topic":"person"}}'
    print(f"""
Try it in another terminal, in this folder:

  # what is near an entry that is stored already
  {curl} -d '{{"id":"lion-n02129165","limit":5}}' | python3 -m json.tool

  # a query vector: "{words['pilot']}" (more in demo/queries/, their words in words.tsv)
  {curl} -d @demo/queries/pilot.json | python3 -m json.tool

  # the same with a filter on the metadata: of the people, who is most like a lion?
  {curl} -d '{by_filter}' | python3 -m json.tool""")


if __name__ == "__main__":
    try:
        main()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"demo: the server does not answer: {error}")
