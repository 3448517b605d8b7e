"""Holds an OpenAPI document against the specification, and against what this project asks of its own."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def against_the_specification(document):
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        place = "/".join(str(part) for part in error.absolute_path)
        yield f"{place}: {error.message.splitlines()[0]}"


def operations_are_told_apart(document):
    seen = {}
    for name, operation in operations(document):
        other = seen.setdefault(operation.get("operationId"), name)
        if other != name:
            yield f"{name} has the operationId of {other}"
        if not operation.get("summary"):
            yield f"{name} has no summary"
        known = {tag["name"] for tag in document["tags"]}
        if not operation.get("tags") or not known.issuperset(operation["tags"]):
            yield f"{name} has no tag that is described"


def answers_are_described(document):
    for name, operation in operations(document):
        if "default" in operation["responses"]:
            yield f"{name} documents whatever else it answers, which is nothing"
        if not any(status.startswith("2") for status in operation["responses"]):
            yield f"{name} has no answer that is good"


def values_are_bounded(document):
    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            schema, place = parameter["schema"], f"{name}, parameter `{parameter['name']}`"
            if not parameter.get("description"):
                yield f"{place} is not described"
            if schema.get("type") == "integer" and "minimum" not in schema:
                yield f"{place} has no least value"


def members_are_described(document):
    for name, schema in document["components"]["schemas"].items():
        if not schema.get("description"):
            yield f"schema `{name}` is not described"
        for part in schema.get("allOf", [schema]):
            for member, value in part.get("properties", {}).items():
                alternatives = [value, *value.get("oneOf", [])]
                if not any("$ref" in one or one.get("description") for one in alternatives):
                    yield f"schema `{name}`: `{member}` is not described"


def examples_are_right(document):
    def wrong(schema, example):
        whole = {**schema, "components": document["components"]}
        return [error.message for error in Draft202012Validator(whole).iter_errors(example)]

    for name, operation in operations(document):
        for parameter in operation.get("parameters", []):
            if "example" in parameter:
                for why in wrong(parameter["schema"], parameter["example"]):
                    yield f"{name}, example of `{parameter['name']}`: {why}"
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for why in wrong(content["schema"], content["example"]) if "example" in content else []:
                yield f"{name}, example of the body: {why}"


CHECKS = [
    against_the_specification,
    operations_are_told_apart,
    answers_are_described,
    values_are_bounded,
    members_are_described,
    examples_are_right,
]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    faults = [fault for check in CHECKS for fault in check(document)]
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


main()
