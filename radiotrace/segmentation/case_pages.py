"""Case pages: what the page of one test case says, from its entry in the records. Plain values in, text out.

Called by the stage report, which draws the pictures and fills the template.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radiotrace.imaging.channels import Channel
from radiotrace.records.metrics import Metrics
from radiotrace.segmentation import ranking
from radiotrace.segmentation.report import KINDS, number

LONGEST_NAME = 80  # characters of the name of a file, before its ending
# Of each label in turn: the reference, solid, and the prediction, dashed. Light, for they lie on black.
COLOURS = (
    ("#4fd1a5", "#ff9d45"),
    ("#6fb7ff", "#ffe14d"),
    ("#c8a8ff", "#ff86c0"),
    ("#f2f2f2", "#ff6f61"),
)


@dataclass(frozen=True)
class Label:
    """A label on the page: its name, and the colours of its outlines."""

    name: str
    reference: str
    prediction: str


@dataclass(frozen=True)
class Row:
    """A row of a table: what it is, with its unit, and a text for each label or column."""

    heading: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Neighbour:
    """Another case, and the file of its page."""

    case_id: str
    file: str


@dataclass(frozen=True)
class CasePage:
    """The words of a page.

    Attributes:
        rank: place by mean Dice, 1 the worst; of n_cases.
        measures: a cell for each label; uncertainties: score, threshold, flagged.
        worse, better: the cases before and behind it; None at the ends.
        channel: what the pictures show, where the image has several channels; else "".
        unit: of grey values: "HU" of CT, else "".
        pointer: where the record of cases has it; record: what it has there, as JSON.
    """

    case_id: str
    subject_id: str
    rank: int
    n_cases: int
    dice: str
    labels: tuple[Label, ...]
    measures: tuple[Row, ...]
    uncertainties: tuple[Row, ...]
    flagged: str
    worse: Neighbour | None
    better: Neighbour | None
    channel: str
    unit: str
    pointer: str
    record: str


def file_names(case_ids: Sequence[str]) -> dict[str, str]:
    """Case -> name of the file of its page, safe and different on every file system.

    An id that is long, has other characters, or differs from another in upper and lower case alone, is told
    apart by a digest of it.
    """
    times = Counter(case_id.lower() for case_id in case_ids)
    return {case_id: _file_name(case_id, times[case_id.lower()] > 1) for case_id in case_ids}


def _file_name(case_id: str, is_twin: bool) -> str:
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", case_id)[:LONGEST_NAME]
    if safe != case_id or is_twin:
        safe = f"{safe}-{hashlib.sha256(case_id.encode()).hexdigest()[:10]}"
    return f"{safe}.html"


def pages(
    cases: list[dict], metrics: Metrics, channels: Sequence[Channel], flag_by: str
) -> dict[str, CasePage]:
    """The words of the page of each case, the worst first.

    Args:
        cases: entries of the record 'cases', in its order.
        channels: of every image.
        flag_by: the kind of uncertainty that the report shows.
    """
    ranked = ranking.ranked(cases)
    order = [case["case_id"] for case in ranked]
    files = file_names(order)
    neighbours = [Neighbour(case_id, files[case_id]) for case_id in order]
    place_by_case = {case["case_id"]: place for place, case in enumerate(cases)}
    pages_by_case = {}
    for index, case in enumerate(ranked):
        pages_by_case[case["case_id"]] = CasePage(
            case_id=case["case_id"],
            subject_id=case["subject_id"],
            rank=index + 1,
            n_cases=len(ranked),
            dice=number(ranking.macro(case, "dice")),
            labels=labels_of(list(case["labels"])),
            measures=tuple(_measures(case["labels"], metrics)),
            uncertainties=tuple(_uncertainties(case, metrics)),
            flagged=flagged(case["flagged"][flag_by], flag_by),
            worse=neighbours[index - 1] if index else None,
            better=neighbours[index + 1] if index + 1 < len(neighbours) else None,
            channel=f"{channels[0].name}, the first of {len(channels)}" if len(channels) > 1 else "",
            unit="HU" if channels[0].modality == "CT" else "",
            pointer=f"/cases/{place_by_case[case['case_id']]}",
            record=json.dumps(case, indent=2, sort_keys=True, ensure_ascii=False),
        )
    return pages_by_case


def labels_of(names: Sequence[str]) -> tuple[Label, ...]:
    """The labels with their colours, which begin again where there are more labels than pairs."""
    return tuple(Label(name, *COLOURS[index % len(COLOURS)]) for index, name in enumerate(names))


def _measures(rows: Mapping[str, dict], metrics: Metrics) -> list[Row]:
    """Volumes, and each measure of the table, of every label."""
    shown = [
        Row(heading, tuple(number(row[key], 1) for row in rows.values()))
        for heading, key in (
            ("Volume of the reference, mm³", "reference_mm3"),
            ("Volume of the prediction, mm³", "prediction_mm3"),
        )
    ]
    for name, measure in metrics.table().items():
        cells = tuple(number(row[name], measure.digits) for row in rows.values())
        shown.append(Row(measure.heading, cells))
    return shown


def _uncertainties(case: dict, metrics: Metrics) -> list[Row]:
    rows = []
    for kind, scored in case["uncertainty"].items():
        limit = metrics.uncertainty[kind].flag_above
        words = {True: "yes", False: "no", None: "no threshold"}
        cells = (
            number(scored["score"]),
            "none" if limit is None else number(limit),
            words[case["flagged"][kind]],
        )
        rows.append(Row(KINDS[kind], cells))
    return rows


def flagged(is_flagged: bool | None, kind: str) -> str:
    """Whether a case goes to an expert, as a sentence."""
    if is_flagged is None:
        return f"Not judged for review: {KINDS[kind]} has no threshold."
    return f"{'Flagged' if is_flagged else 'Not flagged'} for review, by {KINDS[kind]}."
