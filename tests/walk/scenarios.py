"""Holds every scenario file against the published schema that is nearest to it, as an editor would."""

import json
import pathlib
import sys

import jsonschema

NAME = "scenario.schema.json"
folder = pathlib.Path(__file__).parents[2] / "scenarios"
validators = {}
for schema in folder.rglob(NAME):
    validators[schema.parent] = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    validators[schema.parent].check_schema(validators[schema.parent].schema)


def validator_of(file):
    return next(validators[parent] for parent in file.parents if parent in validators)


files = [file for file in sorted(folder.rglob("*.json")) if file.name != NAME]
wrong = [
    f"{file}: {error.json_path}: {error.message}"
    for file in files
    for error in validator_of(file).iter_errors(json.loads(file.read_text()))
]
misspelt = {"version": 1, "actors": ["alice"], "steps": [{"who": "alice", "do": "subscibe"}]}
if any(validator.is_valid(misspelt) for validator in validators.values()):
    wrong.append("a schema lets a word pass that there is not")
print("\n".join(wrong) or f"{len(files)} scenario files are as their schemas say, of which there are {len(validators)}")
sys.exit(bool(wrong) or not files or len(validators) < 2)
