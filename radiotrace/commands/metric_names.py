"""metric_names: writes schemas/metric_names.schema.json, the metrics that a criterion may name, of each task:
from the schema of its metrics, and from its table of measures.

'make deps' runs it; tests/test_measures.py holds the file against both. The stage split reads the file, so
that a misspelt criterion costs no training, and needs no task's code. Imports torch.
"""

import json
import sys
from collections.abc import Iterator
from fnmatch import filter as filter_names

from radiotrace import records
from radiotrace.commands import of_task
from radiotrace.evidence.design.criteria import ANY, BOUNDED
from radiotrace.pipeline import tasks

PATH = "schemas/metric_names.schema.json"
METRICS = "metrics"  # what a task's declaration calls this record


def schema_text() -> str:
    """The schema: the metric that a criterion names is one of a task, with '*' in place of a label or a
    group of subjects."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Names of metrics, of each task; written by 'make deps'",
        "type": "object",
        "properties": {
            "metric": {
                "anyOf": [
                    {"title": task, "enum": open_names(task), "intervals": intervals(task)}
                    for task in tasks.known()
                ]
            }
        },
        "required": ["metric"],
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2) + "\n"


def open_names(task: str) -> list[str]:
    """Keys, joined by points, that lead to each summary that has an interval in the metrics of a task."""
    schema = records.schema(tasks.declared(task).records[METRICS])
    # a key that is open at the top of the record is a measure, whose values are as its kind has them
    paths = {keys for keys in _below(schema, schema, ()) if keys[0] != ANY}
    for measure in of_task.measures(task).TABLE:
        kind = schema["tabled"]["kinds"][measure.kind]
        paths |= {(measure.name, *keys) for keys in _below(kind, schema, ())}
    for name in tasks.declared(task).measured:
        other = records.schema(tasks.declared(task).records[name])
        paths |= {(name, *keys) for keys in _below(other, other, ())}
    return [".".join(keys) for keys in sorted(paths)]


def intervals(task: str) -> dict[str, str]:
    """Pattern of metrics -> the ways in which their intervals may be made, as the task declares it.

    Raises:
        ValueError: a pattern fits no metric of the task.
    """
    declared, metrics = tasks.declared(task).intervals, open_names(task)
    if idle := [pattern for pattern in declared if not filter_names(metrics, pattern)]:
        raise ValueError(f"{tasks.place(task)}: intervals: fits no metric: {', '.join(idle)}")
    return dict(declared)


def _below(node: dict, schema: dict, keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        yield from _below(choice, schema, keys)
    properties = node.get("properties", {})
    if properties.keys() >= BOUNDED:
        yield keys
        return
    for key, value in properties.items():
        yield from _below(value, schema, (*keys, key))
    if isinstance(node.get("additionalProperties"), dict):
        for key in node.get("propertyNames", {}).get("enum", (ANY,)):
            yield from _below(node["additionalProperties"], schema, (*keys, key))


def main() -> int:
    """Writes the file."""
    records.write_bytes(PATH, schema_text().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
