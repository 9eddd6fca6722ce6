# SPDX-License-Identifier: MIT
"""The part of JSON Schema that loadtest/results.schema.json uses, and nothing that is ignored."""

import json
import pathlib

SCHEMA = json.loads((pathlib.Path(__file__).parents[2] / "loadtest/results.schema.json").read_text())
KNOWN = {"$ref", "type", "description", "properties", "required", "additionalProperties", "items", "enum"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "null": type(None),
         "number": (int, float)}


def is_of(value, kind):
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])


def faults(value, schema, where="$"):
    """What in the value is not as the schema says, in words."""
    if "$ref" in schema:
        return faults(value, SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]], where)
    unknown = set(schema) - KNOWN
    assert not unknown, f"{where}: {unknown} is not checked"
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r} is none of {schema['enum']}"]
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(is_of(value, kind) for kind in kinds):
        return [f"{where}: {value!r:.40} is no {' or '.join(kinds)}"]
    found = []
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(item, schema["items"], f"{where}[{number}]")
    if isinstance(value, dict):
        found += [f"{where}.{key} is missing" for key in schema["required"] if key not in value]
        found += [f"{where}.{key} is not described" for key in value if key not in schema["properties"]]
        for key, item in value.items():
            if key in schema["properties"]:
                found += faults(item, schema["properties"][key], f"{where}.{key}")
    return found
