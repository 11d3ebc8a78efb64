"""params.yaml as a whole, but for the sections of a task: what schemas/params.schema.json is made of.

No stage imports it: a stage has its own section alone.
"""

from dataclasses import dataclass
from typing import Annotated

from radiotrace.records.sections.ingest import IngestParams
from radiotrace.records.sections.split import SplitSection
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.records.typed import Record, Rule
from radiotrace.records.values import Seed


@dataclass(frozen=True)
class Params(Record):
    """params.yaml: the seed, then one section per stage."""

    seed: Seed
    task: Annotated[str, Rule(pattern="^[a-z][a-z_]*$")]
    ingest: IngestParams
    validate: ValidateParams
    split: SplitSection
