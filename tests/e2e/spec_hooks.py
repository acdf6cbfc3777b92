# What schemathesis is told about the interface beside spec/openapi.yaml (spec_test.py).
import copy
import json

import schemathesis

LONGEST_WAIT_MS = 300


def may_be_null(schema, components):
    if "$ref" in schema:
        schema = copy.deepcopy(components[schema["$ref"].rsplit("/", 1)[1]])
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "nullable": True, **enum}


def allow_null(schema, components):
    """null counts as absent in requests: said once in the specification, not at every field."""
    if isinstance(schema, list):
        for one in schema:
            allow_null(one, components)
    elif isinstance(schema, dict):
        properties = schema.get("properties", {})
        for name in set(properties) - set(schema.get("required", [])):
            properties[name] = may_be_null(properties[name], components)
        for one in schema.values():
            allow_null(one, components)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    components = raw_schema["components"]["schemas"]
    for path in raw_schema["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                allow_null(operation.get("requestBody", {}).get("content"), components)
    for name in ("CloudSettings", "CreateCollection", "DeletePoints", "Hnsw", "Permissions", "Search",
                 "StreamedPoint", "TieredStorage", "Upsert"):
        allow_null(components[name], components)


@schemathesis.serializer("application/x-ndjson")
def json_lines(context, value):
    return json.dumps(value).encode() + b"\n"


@schemathesis.hook
def before_call(context, case, kwargs):
    """A request that waits for an LSN to come would wait longer than anybody wants to look at."""
    for part in (case.query, case.body):
        if isinstance(part, dict) and "min_lsn" in part:
            wanted = part.get("timeout_ms", LONGEST_WAIT_MS)
            if isinstance(wanted, int):
                part["timeout_ms"] = min(wanted, LONGEST_WAIT_MS)
