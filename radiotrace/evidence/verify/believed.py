"""Believed: what of each record verify makes again, at which level, and what it takes as it stands.

A table of every record of the bundle and every group of its fields. tests/test_believed.py holds it against a
bundle: each field of each record is in it, and each check that it names is one that verify makes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase

ALL = ("*",)
EVIDENCE = "made again from this clone it has the same bytes"  # the stage evidence, from its sources
REMADE = "every stage but train, run again, gives the same records"
REPRODUCED = "another clone ends in the same bytes"
MEASURED = "metrics and intervals follow from predictions and references"


@dataclass(frozen=True)
class Basis:
    """What a group of fields of a record rests on.

    Attributes:
        record: name of a file of the bundle, or a pattern of names.
        fields: keys at its top; ALL for all.
        level: at which a check makes it again; None where none does.
        how: what the check says it is; where there is none, why it is believed.
    """

    record: str
    fields: tuple[str, ...]
    level: int | None
    how: str


def _taken(record: str, fields: tuple[str, ...], why: str) -> Basis:
    return Basis(record, fields, None, why)


TABLE = (
    # Data
    _taken(
        "dataset.json",
        ("dataset", "cases"),
        "subject, site, age and other attributes, name, licence and source of the data: what was handed "
        "in says so (cases.csv, dataset.json), "
        "and no image can",
    ),
    _taken(
        "dataset.json", ("cases",), "that label maps are right, and were drawn without a look at predictions"
    ),
    Basis("dataset.json", ALL, 5, REMADE),
    Basis("findings.json", ALL, 5, REMADE),
    Basis("accepted.json", ALL, 3, "accepted cases follow from the data set"),
    _taken("accepted.json", ("excluded",), "the reasons for which people left cases out"),
    Basis("split.json", ALL, 3, "the split follows from seed, rule and subjects"),
    _taken(
        "split.json",
        ("seed",),
        "that the seed was chosen before any result was seen; membership, level 5, can only warn",
    ),
    # Training
    Basis("epochs.json", ALL, 6, REPRODUCED),
    Basis("checkpoints.json", ("tensors", "weights_sha256", "run_id"), 3, EVIDENCE),
    Basis("checkpoints.json", ("checkpoints", "weights_sha256"), 6, REPRODUCED),
    Basis("checkpoints.json", ("rule", "selected_epoch", "selection"), 3, EVIDENCE),
    Basis("hyperparameters.json", ALL, 3, "params.yaml is what the stages took"),
    Basis("run.json", ALL, 3, EVIDENCE),
    # Results
    Basis("cases.json", ALL, 4, MEASURED),
    Basis("cases.json", ("cases",), 5, REMADE),
    Basis("metrics.json", ALL, 3, "summaries follow from cases"),
    Basis("metrics.json", ("calibration", "subgroups", "decisions", "members"), 5, REMADE),
    _taken(
        "metrics.json",
        ("members",),
        "which cases the other networks of an ensemble learnt from: their own records say so, and no "
        "level trains them",
    ),
    Basis("headline.json", ALL, 3, "the headline follows from the metrics"),
    Basis("robustness.json", ALL, 3, "robustness follows from its cases"),
    Basis("robustness.json", ALL, 5, REMADE),
    Basis("explain.json", ALL, 5, REMADE),
    Basis("model.json", ALL, 3, "the recipe of the released model follows from training"),
    Basis(
        "model.json",
        ("parity", "sha256"),
        5,
        "the released file, run with its recipe, gives the label maps that were measured",
    ),
    Basis(
        "distilled.json",
        ("run_id", "weights_sha256", "excluded", "cases", "params"),
        3,
        "smaller networks are of the run and of their parameters",
    ),
    Basis("distilled.json", ALL, 5, REMADE),
    Basis(
        "variants.json",
        ("run_id", "part", "excluded", "n_cases", "n_subjects", "params", "how"),
        3,
        "which variants are released follows from their intervals",
    ),
    Basis("variants.json", ALL, 5, REMADE),
    # Requirements and tests
    Basis("requirements.json", ALL, 3, "no requirement is gone or softened since a baseline without a word"),
    _taken(
        "requirements.json",
        ("requirements", "user_needs"),
        "that these are the right requirements: a person's judgement",
    ),
    Basis("acceptance.json", ALL, 3, EVIDENCE),
    Basis("traceability.json", ALL, 3, EVIDENCE),
    _taken(
        "traceability.json",
        ("unreviewed",),
        "that somebody read what a line of a reviews.jsonl calls reviewed: it has no name and no signature",
    ),
    Basis(
        "tests.json",
        ("code_tree_sha256", "test_tree_sha256"),
        3,
        EVIDENCE,
    ),
    _taken(
        "tests.json",
        ("files", "tests", "whole"),
        "on which files the tests ran, and what came of them: run 'make verification', or 'make test', to "
        "see it",
    ),
    Basis("code.json", ALL, 3, "predictions, raw data, code and tests are those that its records name"),
    Basis("seeded_faults.json", ALL, 3, EVIDENCE),
    _taken(
        "seeded_faults.json", ALL, "that these faults are ones which tests could miss: a person's judgement"
    ),
    _taken(
        "negative_controls.json",
        ("controls",),
        "that a test noticed each seeded fault: run 'make negative-controls --all' to see it",
    ),
    Basis(
        "openings.json", ALL, 3, "ledgers only grew, and criteria stand as before the test part was opened"
    ),
    _taken(
        "openings.json",
        ("openings", "n_models"),
        "that every look at the test part is in the ledger: one that was never written leaves no trace, "
        "nor does a history that was written "
        "anew from its first commit",
    ),
    # Design: what people wrote
    _taken("intended_use.json", ALL, "people wrote it; the bundle has it as design/ has it"),
    _taken(
        "statistical_plan.json",
        ALL,
        "people wrote it; that analyses followed it is shown by the records, when it was written only by git",
    ),
    _taken("anomalies.json", ALL, "people wrote it; anomalies that nobody told are not known"),
    _taken("dataset_card.json", ALL, "people wrote it, of data that others collected"),
    _taken(
        "risks.json",
        ("hazards", "controls", "scales", "acceptability", "overall_residual_risk", "completeness"),
        "severity and probability of harm: people's judgement; levels and gaps follow from it",
    ),
    Basis("risks.json", ALL, 3, EVIDENCE),
    _taken("pccp.json", ("plan",), "people wrote it"),
    Basis("pccp.json", ALL, 3, EVIDENCE),
    Basis("pccp_baseline.json", ALL, 3, EVIDENCE),
    Basis("compliance_*.json", ALL, 3, EVIDENCE),
    _taken(
        "compliance_*.json",
        ("rows", "note", "claimed"),
        "rows that say 'manual' and what people claim in them",
    ),
    Basis("attestations.cdx.json", ALL, 3, EVIDENCE),
    # Software
    Basis("sbom.runtime.cdx.json", ALL, 3, EVIDENCE),
    Basis("sbom.build.cdx.json", ALL, 3, EVIDENCE),
    _taken(
        "sbom.*.cdx.json",
        ("components",),
        "SHA-256, licence and supplier of each package: only its index knows ('pip download', then "
        "sha256sum); git shows where one changed "
        "under its name",
    ),
    Basis("soup.json", ALL, 3, EVIDENCE),
    _taken(
        "soup.json",
        ("anomaly_lists", "soup"),
        "support, its end, and known anomalies of each package: people looked them up",
    ),
    _taken(
        "vex.json",
        ("vulnerabilities", "compositions"),
        "that nobody looked vulnerabilities up, or what came of it",
    ),
    Basis("vex.json", ALL, 3, EVIDENCE),
    Basis("mlbom.cdx.json", ALL, 3, EVIDENCE),
    # What is made of all that
    Basis("dataset.croissant.json", ALL, 3, EVIDENCE),
    Basis("model_card.json", ALL, 3, EVIDENCE),
    Basis("provenance.slsa.json", ALL, 3, EVIDENCE),
    Basis("ro-crate-metadata.json", ALL, 3, EVIDENCE),
    Basis("index.json", ALL, 3, EVIDENCE),
    Basis("manifest.json", ALL, 3, EVIDENCE),
    Basis("*.html", ALL, 3, EVIDENCE),
    Basis("*.md", ALL, 3, EVIDENCE),
    Basis("SHA256SUMS", ALL, 1, "every file of evidence/ is listed and has its SHA-256"),
)

# Of a study whose reference is boxes.
BOXES = (
    Basis(
        "boxes.json",
        ("counts", "empty", "left_out", "source"),
        3,
        "boxes are of the split and of their parameters",
    ),
    Basis("boxes.json", ALL, 5, REMADE),
)

# Of a study whose model was made elsewhere.
IMPORTED = (
    Basis("imported_run.json", ALL, 3, EVIDENCE),
    _taken(
        "imported_run.json",
        ("contract", "source"),
        "who trained the model, on what, and whether cases of this study were among that: whoever brought it "
        "says so, or says that it is unknown, and no level trains it",
    ),
    Basis("imported_run.json", ("parity", "file", "network", "weights", "weights_sha256"), 6, REPRODUCED),
)

# Of a study of outlines and survival.
SURVIVAL = (
    _taken(
        "hazard.json",
        ("n_events",),
        "when each subject had the event, or was last seen without it: who followed them says so",
    ),
    Basis(
        "hazard.json",
        ("run_id", "weights_sha256", "params", "n_train", "n_events", "edges"),
        3,
        "the hazard was learnt from the outcomes of the train part",
    ),
    Basis("hazard.json", ALL, 6, REPRODUCED),
    Basis("survival.json", ALL, 3, "survival follows from its cases and from what came of them"),
    Basis("survival.json", ("cases", "robustness", "burden_weights"), 5, REMADE),
    Basis("prognosis.json", ALL, 3, "the file with both answers is of what was measured"),
    Basis(
        "prognosis.json",
        ("parity", "sha256"),
        5,
        "the released file tells the log-hazards that were measured",
    ),
)


def of(name: str) -> list[Basis]:
    """The rows of a file of the bundle."""
    return [row for row in (*TABLE, *BOXES, *IMPORTED, *SURVIVAL) if fnmatchcase(name, row.record)]


def uncovered(bundle: dict[str, set[str] | None]) -> list[str]:
    """The files, and their fields, that the table says nothing of; [] when it has all.

    Args:
        bundle: file -> its keys at the top; None of a file that is no record.
    """
    missing = []
    for name, keys in sorted(bundle.items()):
        rows = of(name)
        fields = {field for row in rows for field in row.fields}
        if not rows:
            missing.append(f"{name}: the table says nothing of it")
        elif keys is not None and "*" not in fields:
            missing += [f"{name}: the table says nothing of {key}" for key in sorted(keys - fields)]
    return missing


def lines(
    level: int, left_out: Collection[str] = (), is_imported: bool = False, has_boxes: bool = False
) -> list[str]:
    """What was believed and not made again, a line each: never, or not up to a level.

    Args:
        level: that was asked for.
        left_out: records that are not part of the task of the study.
        is_imported: whether its model was made elsewhere.
        has_boxes: whether its reference is boxes.
    """
    later: dict[int, list[str]] = {}
    table = (*TABLE, *(BOXES if has_boxes else ()), *(IMPORTED if is_imported else ()))
    rows = [row for row in table if row.record.removesuffix(".json") not in left_out]
    for row in rows:
        if row.level is not None and row.level > level:
            later.setdefault(row.level, []).append(_named(row))
    not_asked_for = [
        f"{', '.join(dict.fromkeys(names))}: made again at level {later_level}, which was not asked for"
        for later_level, names in sorted(later.items())
    ]
    never = [f"{_named(row)}: {row.how}" for row in rows if row.level is None]
    return never + not_asked_for


def _named(row: Basis) -> str:
    return row.record if row.fields == ALL else f"{row.record} ({', '.join(row.fields)})"


def table(level: int) -> str:
    """The rows for people, as Markdown: record, fields, why."""
    lines = ["| record | fields | believed, because |", "|---|---|---|"]
    for row in TABLE:
        if row.level is None or row.level > level:
            fields = "all" if row.fields == ALL else ", ".join(row.fields)
            lines.append(f"| `{row.record}` | {fields} | {row.how} |")
    return "\n".join(lines)
