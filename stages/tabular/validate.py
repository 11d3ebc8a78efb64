"""validate: checks every row and the table they form, leaks above all, and says which cases go on.

Reads   build/ingest/dataset.json
Writes  build/validate/: findings.json, accepted.json, provenance.json
Params  validate.exclude; the others are of images
Stops   on any finding of severity error, with all findings; when no case is left; when an excluded case is
        unknown
In the place of stages/validate.py, with the same records.
"""

import argparse
import sys
from collections import Counter

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.pipeline import params, runs, stage
from radiotrace.records import accepted
from radiotrace.records.dataset import Dataset
from radiotrace.records.findings import Findings, Passed
from radiotrace.records.sections.validate import ValidateParams
from radiotrace.tabular import checks

WAY_OUT = (
    "Correct data/, or list case_id and reason in params.yaml under validate.exclude; then run 'make "
    "manifest' if data changed, and 'dvc repro'."
)


def main(args):
    limits = ValidateParams.of(params.load(args.params, "validate"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    excluded = accepted.excluded(limits.exclude)
    known = {case.case_id for case in dataset.cases}
    if unknown := [row.case_id for row in excluded if row.case_id not in known]:
        raise StageError(
            f"{len(unknown)} excluded cases are not in the data set",
            unknown,
            "Correct validate.exclude in params.yaml.",
        )
    cases = accepted.cases(dataset, limits.exclude)
    if not cases:
        raise StageError(
            f"0 cases to check: {len(dataset.cases)} in the data set, {len(excluded)} excluded",
            way_out="Correct validate.exclude in params.yaml, or add cases.",
        )
    findings = checks.of_records(dataset.dataset, cases, limits)
    if failed := [finding for finding in findings if finding.severity == "error"]:
        lines = [
            f"{row.case_id or '(the set)'}  {row.check}  {row.found}; expected {row.expected}"
            for row in findings
        ]
        raise StageError(f"{len(failed)} errors in {len(cases)} rows", lines, WAY_OUT)
    for check, n in sorted(Counter(finding.check for finding in findings).items()):
        errors.log(f"validate: warning  {check}: {n} findings, see {args.out}/findings.json")
    with stage.output_folder(args.out) as out:
        found = Findings(
            cases_checked=len(cases),
            errors=0,
            warnings=len(findings),
            excluded=excluded,
            findings=tuple(
                Passed(finding.case_id or None, finding.check, finding.found, finding.expected, "warning")
                for finding in findings
            ),
        )
        records.write(out / "findings.json", found.record(), "findings")
        records.write(
            out / "accepted.json", accepted.of_dataset(dataset, limits.exclude).record(), "accepted"
        )
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, limits.record(), args.requirements, [args.dataset]),
            "provenance",
        )
    errors.log(f"validate: wrote {args.out}/: {len(cases)} rows accepted, {len(findings)} warnings")


parser = argparse.ArgumentParser(
    prog="validate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
