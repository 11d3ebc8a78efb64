"""measure_names: writes schemas/measure_names.schema.json, the measures that a criterion may name, from the
tables of the tasks.

'make deps' runs it; tests/test_measures.py holds the file against the tables. The stage split reads the file,
so that a misspelt criterion costs no training, and knows no task. Imports torch.
"""

import json
import sys

from radiotrace import records
from radiotrace.commands import of_task
from radiotrace.pipeline import tasks

PATH = "schemas/measure_names.schema.json"


def schema_text() -> str:
    """The schema: the measure that a criterion names is one of a task."""
    tables = {task: of_task.measures(task).TABLE for task in tasks.known()}
    named = []
    for task, table in tables.items():
        named.append({"title": task, "enum": [measure.name for measure in table]})
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Names of measures, of each task; written by 'make deps'",
        "type": "object",
        "properties": {"measure": {"anyOf": named}},
        "required": ["measure"],
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2) + "\n"


def main() -> int:
    """Writes the file."""
    records.write_bytes(PATH, schema_text().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
