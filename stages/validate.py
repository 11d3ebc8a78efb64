"""validate: checks every case and the set they form, and says which cases go on.

Reads   build/ingest/dataset.json, build/ingest/volumes/
Writes  build/validate/: findings.json, accepted.json, findings.html, provenance.json
        execution/findings.html, where it stops on errors: the same page of these, which is no output then
Params  validate.*
Stops   on any finding of severity error, with all findings; when no case is left; when an excluded case is
        unknown
State   .memo/validate/: what was found in each case alone, for the next run
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from radiotrace import errors, records
from radiotrace.drawing import finding_page, slices
from radiotrace.errors import StageError
from radiotrace.imaging import channels, checks, column_checks, finding_places, suspicions, volumes
from radiotrace.imaging.suspicions import Look
from radiotrace.pipeline import memo, parallel, params, runs, stage
from radiotrace.pipeline.followed import followed
from radiotrace.pipeline.memo import Kept, Memo
from radiotrace.records import accepted
from radiotrace.records.dataset import Case, Dataset, SourceFile, known
from radiotrace.records.findings import Findings, Passed
from radiotrace.records.sections.validate import ValidateParams

ABSENT = (
    "Where a structure may rightly be absent, as in healthy people, set validate.every_label: false in "
    "params.yaml and keep these cases: "
    "without them nobody would learn what the model makes up. Where it was forgotten, correct the "
    "label map. "
)
OF_SET, WHOLE = "", "(the set)"  # case of a finding that is of the set as a whole, and how it is shown
RERUN = "Then run 'make manifest' if data changed, and 'dvc repro'."
WAY_OUT = (
    "Correct them, or list case_id and reason in params.yaml under validate.exclude; "
    "then run 'make manifest' if data changed, and 'dvc repro'."
)


CASES_PICTURED = 60  # those of the first errors and warnings; a page of more would be too large to open
# Their text has ids of subjects, which a page that is handed around shall not have.
WITHHELD = {"subject_spelling": "a subject whose id is spelt in several ways; the terminal names them"}
UNREAD, TOO_MANY = "no picture: a file of it cannot be read", f"no picture: more than {CASES_PICTURED} cases"
ON_ONE_GRID = (0.01, 0.001)  # mm and cosines, within which outlines are drawn over an image
# Other pages, from the folder of an output.
LEADS = {"Report": "../report/index.html", "Verification": "../../evidence/verification.html"}


# Findings of a case, and what is compared with other cases.
Checked = tuple[list[checks.Finding], Look | None]


def check_case(
    case: Case,
    labels: Mapping[str, str],
    limits: ValidateParams,
    folder: Path,
    declared: tuple[channels.Channel, ...],
) -> Checked:
    """Findings of one case, and what is compared with other cases. Its volumes are read where its record
    alone has no error.

    Args:
        case: an entry of the record 'dataset'.
        folder: of canonical volumes.
        declared: the channels of the data set.
    """
    findings = checks.case_findings(case, labels, limits, declared)
    if any(finding.severity == "error" for finding in findings):
        return findings, None
    images = {
        name: volumes.array_zyx(read(source, folder))
        for name, source in checks.named_images(case, declared).items()
    }
    if case.label_map is None:
        shape_zyx = next(iter(images.values())).shape
        return findings + checks.slice_findings(case.case_id, shape_zyx), None
    label_map = read(case.label_map, folder)
    label_zyx = volumes.array_zyx(label_map)
    findings += checks.label_map_findings(case.case_id, label_zyx, labels, limits)
    if any(finding.severity == "error" for finding in findings):
        return findings, None
    spacing_zyx = volumes.to_zyx(label_map.GetSpacing())
    return findings, suspicions.look(case.case_id, case.subject_id, images, label_zyx, spacing_zyx)


def every_case(
    args,
    cases: list[Case],
    labels: Mapping[str, str],
    limits: ValidateParams,
    declared: tuple[channels.Channel, ...],
    each,
) -> Iterator[Checked]:
    """What check_case gives, of each case.

    Args:
        each: of parallel.pool.
    """
    decided_by = {
        **runs.provenance(__file__, limits.record(), args.requirements, []),
        "labels": dict(labels),
        "channels": [channel.record() for channel in declared],
    }
    folder = Path(args.volumes)
    kept = Memo(args, "validate", decided_by, folder)

    def work(missing: list[Case]) -> Iterator[Checked]:
        return each(check_case, missing, labels=labels, limits=limits, folder=folder, declared=declared)

    return kept.through(cases, Case.record, work, lambda _, checked: as_kept(*checked), as_checked)


def as_kept(findings: list[checks.Finding], seen: Look | None) -> Kept:
    """For a memo."""
    return Kept(
        {
            "findings": [finding._asdict() for finding in findings],
            "look": None if seen is None else seen.record(),
        }
    )


def as_checked(_, value: Mapping[str, Any]) -> Checked:
    """Of a memo."""
    seen = value["look"]
    findings = [checks.Finding(**finding) for finding in value["findings"]]
    return findings, None if seen is None else Look.of(seen)


def views(
    case: Case, of_case: Mapping[str, Sequence[checks.Finding]], labels: Mapping[str, str], folder: Path
) -> list[slices.View] | None:
    """A picture for each finding of a case; None where its first channel cannot be read.

    Args:
        of_case: case_id -> its findings.
        labels: value -> name.
        folder: of canonical volumes.
    """
    try:
        if case.image.fault is not None:
            return None
        image = turned(case.image, folder)
        label_zyx = None
        if case.label_map is not None and case.label_map.fault is None:
            label_map = turned(case.label_map, folder)
            if not volumes.grid_faults(volumes.grid(image), volumes.grid(label_map), *ON_ONE_GRID):
                label_zyx = volumes.array_zyx(label_map)
    except StageError:
        return None  # of a case in error, whose files are not looked at elsewhere
    image_zyx = volumes.array_zyx(image)
    values = [int(value) for value in labels if value != "0"]
    labelled = None if label_zyx is None else (label_zyx, values)
    spacing_zyx = volumes.to_zyx(image.GetSpacing())
    return [
        slices.view(
            image_zyx,
            labelled,
            spacing_zyx,
            finding_places.place(finding, image_zyx, label_zyx, labels),
        )
        for finding in of_case[case.case_id]
    ]


def turned(source: SourceFile, folder: Path) -> sitk.Image:
    """A canonical volume as radiologists look at it."""
    return volumes.canonical(read(source, folder), "LPS", None, is_label_map=True)


def shown(
    findings: Sequence[checks.Finding], cases: Sequence[Case], labels: Mapping[str, str], folder: Path, each
) -> list[finding_page.Shown]:
    """The findings, those of the first cases with a picture.

    Args:
        findings: in their order.
        each: of parallel.pool.
    """
    of_id, of_case = {case.case_id: case for case in cases}, {}
    for finding in findings:
        if finding.case_id in of_id and (finding.case_id in of_case or len(of_case) < CASES_PICTURED):
            of_case.setdefault(finding.case_id, []).append(finding)
    made: dict[str, Iterator[slices.View] | None] = {}
    if of_case:
        wanted = [of_id[case_id] for case_id in of_case]
        pictured = each(views, wanted, of_case=of_case, labels=labels, folder=folder)
        for case, pictures in zip(wanted, pictured, strict=True):
            made[case.case_id] = None if pictures is None else iter(pictures)
    rows = []
    for finding in findings:
        view, without = None, ""
        if finding.case_id in made:
            pictures = made[finding.case_id]
            view, without = (None, UNREAD) if pictures is None else (next(pictures), "")
        elif finding.case_id in of_id:
            without = TOO_MANY
        found = WITHHELD.get(finding.check, finding.found)
        is_error = finding.severity == "error"
        rows.append(
            finding_page.Shown(
                finding.case_id, finding.check, found, finding.expected, is_error, view, without
            )
        )
    return rows


def read(source: SourceFile, folder: Path) -> sitk.Image:
    """The canonical volume that was made of a file."""
    return volumes.read_canonical(folder / known(source.volume), known(source.volume_sha256))


def in_order(findings) -> list[checks.Finding]:
    """Errors first, then by case and check."""
    return sorted(
        findings, key=lambda finding: (finding.severity, finding.case_id, finding.check, finding.found)
    )


def table(findings: list[checks.Finding]) -> list[str]:
    """One line a finding, in columns."""
    case_width = max((len(finding.case_id or WHOLE) for finding in findings), default=0)
    check_width = max((len(finding.check) for finding in findings), default=0)
    return [
        f"{f.severity:7}  {f.case_id or WHOLE:{case_width}}  {f.check:{check_width}}  {f.found}; "
        f"expected {f.expected}"
        for f in findings
    ]


def way_out(findings: list[checks.Finding]) -> str:
    """What to do about errors.

    A case without a structure is no bad case: it is not to be left out before that was asked.
    """
    failed = {finding.check for finding in findings if finding.severity == "error"}
    if failed == {"labels_present"}:
        return ABSENT + RERUN
    return f"{ABSENT}\nThe others: {WAY_OUT}" if "labels_present" in failed else WAY_OUT


def main(args):
    limits = ValidateParams.of(params.load(args.params, "validate"))
    dataset = Dataset.of(records.read(args.dataset, "dataset"))
    excluded = accepted.excluded(limits.exclude)
    if unknown := sorted({entry.case_id for entry in excluded} - {case.case_id for case in dataset.cases}):
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
    labels, declared = dataset.dataset.labels, channels.of_dataset(dataset.dataset)
    with parallel.pool(args) as each:
        of_cases = every_case(args, cases, labels, limits, declared, each)
        of_set = checks.set_findings(cases, labels, limits, declared)
        of_set += column_checks.findings(dataset.dataset, cases)
        found, looks = zip(*followed(of_cases, len(cases), "validate"), strict=True)
        names = {int(value): name for value, name in labels.items() if value != "0"}
        seen = suspicions.across([look for look in looks if look is not None], names)
        findings = in_order([*of_set, *seen, *chain.from_iterable(found)])
        rows = shown(findings, cases, labels, Path(args.volumes), each)
    failed = {finding.case_id for finding in findings if finding.severity == "error"}
    about = finding_page.About(
        dataset.dataset.name or "",
        tuple(names.values()) if any(case.label_map is not None for case in cases) else (),
        len(cases),
        tuple((entry.case_id, entry.reason) for entry in excluded),
        way_out(findings) if failed else "",
        {} if failed else LEADS,
    )
    page = finding_page.page(about, rows).encode()
    failed_page = Path(args.failed)
    failed_page.unlink(missing_ok=True)
    if failed:
        records.write_bytes(failed_page, page)
        n_failed, of_whole = len(failed - {OF_SET}), " and the set as a whole" * (OF_SET in failed)
        headline = f"{n_failed} of {len(cases)} cases{of_whole} fail"
        lead = f"Each beside a picture of its case: {args.failed}."
        raise StageError(headline, table(findings), f"{way_out(findings)}\n{lead}")
    for check, of_check in sorted(Counter(finding.check for finding in findings).items()):
        errors.log(f"validate: warning  {check}: {of_check} findings, see {args.out}/findings.html")
    with stage.output_folder(args.out) as out:
        records.write(
            out / "findings.json",
            Findings(
                cases_checked=len(cases),
                errors=0,
                warnings=len(findings),
                excluded=excluded,
                findings=tuple(
                    Passed(finding.case_id or None, finding.check, finding.found, finding.expected, "warning")
                    for finding in findings
                ),
            ).record(),
            "findings",
        )
        records.write_bytes(out / "findings.html", page)
        records.write(
            out / "accepted.json", accepted.of_dataset(dataset, limits.exclude).record(), "accepted"
        )
        records.write(
            out / "provenance.json",
            runs.provenance(__file__, limits.record(), args.requirements, [args.dataset]),
            "provenance",
        )
    errors.log(
        f"validate: wrote {args.out}/: {len(cases)} cases accepted, {len(excluded)} excluded, "
        f"{len(findings)} warnings"
    )


parser = argparse.ArgumentParser(
    prog="validate",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    parents=[parallel.options(), memo.options()],
)
parser.add_argument("--dataset", required=True, help="record of the data set")
parser.add_argument("--volumes", required=True, help="folder of canonical volumes")
parser.add_argument("--failed", required=True, help="page of findings to write where the stage stops on them")
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
