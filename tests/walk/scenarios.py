"""Holds every scenario file against the published schema, as an editor would."""

import json
import pathlib
import sys

import jsonschema

folder = pathlib.Path(__file__).parents[2] / "scenarios"
schema = json.loads((folder / "scenario.schema.json").read_text())
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)

files = [file for file in sorted(folder.rglob("*.json")) if not file.name.endswith(".schema.json")]
wrong = [
    f"{file}: {error.json_path}: {error.message}"
    for file in files
    for error in validator.iter_errors(json.loads(file.read_text()))
]
misspelt = {"version": 1, "actors": ["alice"], "steps": [{"who": "alice", "do": "subscibe"}]}
if validator.is_valid(misspelt):
    wrong.append("the schema lets a word pass that there is not")
print("\n".join(wrong) or f"{len(files)} scenario files are as the schema says")
sys.exit(bool(wrong) or not files)
