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


def written() -> str:
    """The schema: the measure that a criterion names is one of a task."""
    tables = {task: of_task.measures(task).TABLE for task in tasks.known()}
    named = [{"title": task, "enum": [one.name for one in table]} for task, table in tables.items()]
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
    records.write_bytes(PATH, written().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
