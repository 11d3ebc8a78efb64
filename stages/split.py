"""split: gives every subject to train, validation or test, and proves that parts share nothing.

Reads   build/validate/accepted.json, design/requirements.yaml
Writes  build/split/: split.json, provenance.json
Params  task, seed, split.scheme, split.fractions, split.folds, split.fold, split.parts_seed
Stops   when a criterion names a metric that these data cannot have, when the fractions are not 1 together,
        when a part would be empty, or when two parts share a subject or an identical image
"""

import argparse
import sys
from pathlib import Path

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.evidence.design import criteria, requirements
from radiotrace.pipeline import params, runs, splits, stage
from radiotrace.records.accepted import Accepted
from radiotrace.records.sections.split import SplitParams


def main(args):
    settings = SplitParams.of(params.load(args.params, "split", seed=True))
    task = params.task(args.params)
    accepted = Accepted.of(records.read(args.accepted, "accepted"))
    # Now: a criterion that comes after the test part was opened is late.
    if unknown := criteria.unknown(requirements.load(args.design), accepted.labels, task):
        raise StageError(
            f"{len(unknown)} criteria are on metrics that there cannot be of these data",
            unknown,
            f"Correct {args.design}: once the test part was opened, a new criterion is post-hoc.",
        )
    if other := criteria.other_methods(requirements.load(args.design), task):
        raise StageError(
            f"{len(other)} criteria say that their interval is made as it is not",
            other,
            f"Correct {args.design}: stages/{task}/workflow.yaml says how this task makes them.",
        )
    split = splits.of_accepted(accepted, settings)
    for line in splits.leaks(split.leakage):
        errors.log(f"split: warning: {line} (nnU-Net's folds are by case, not by subject)")
    for line in splits.too_small(split.counts):
        errors.log(f"split: warning: {line}")
    with stage.output_folder(args.out) as out:
        records.write(out / "split.json", split.record(), "split")
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, settings.record(), args.requirements, [args.accepted, args.design]),
            "provenance",
        )
    errors.log(
        f"split: wrote {Path(args.out)}/: "
        + ", ".join(f"{part} {getattr(split.counts, part).cases} cases" for part in splits.PARTS)
    )


parser = argparse.ArgumentParser(
    prog="split", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--accepted", required=True, help="record of the accepted cases")
parser.add_argument("--design", required=True, help="requirements.yaml, whose criteria name metrics")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
