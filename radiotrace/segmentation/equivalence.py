"""Equivalence: whether another form of a network is as good as the released one, case by case. Plain values
in, rows of the record 'variants' out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from radiotrace.records.comparison import Paired, Row
from radiotrace.records.sections.segmentation.optimize import OptimizeParams
from radiotrace.records.variants import Name, Runtime, StoredFile, Variant, Variants, WorstCase
from radiotrace.segmentation import ranking
from radiotrace.segmentation.overlap import confusion
from radiotrace.statistics import comparison

# Whose runtime takes it; "openvino" reads the released file itself.
RUNTIMES: dict[str, Runtime] = {
    "onnx_fp16": "ONNX Runtime",
    "onnx_int8": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino_fp16": "OpenVINO",
    "openvino_int8": "OpenVINO",
    "pruned": "ONNX Runtime",
    "sparse": "ONNX Runtime",
    "distilled": "ONNX Runtime",
    "narrow": "ONNX Runtime",
}
LEAST_SAVED = 0.01  # of the released file: a text in it that is shorter makes no smaller form
NOT_OWN = "openvino"
DEFLATED_MORE = 4096  # bytes of a file, at most, by which what cannot be deflated grows
ROUNDING = 1e-7  # of numbers with 9 digits
MACRO, MEASURE = ranking.MACRO, "dice"


@dataclass(frozen=True)
class CaseResult:
    """What a network made of a case.

    Attributes:
        dice: label -> Dice; None where it is undefined.
        reference_mm3: label -> volume of the reference.
        expected_dice_loss: by which the case is flagged.
        voxels_different: labelled otherwise than by the released network.
        max_logit_difference: from the released network's.
    """

    case_id: str
    subject_id: str
    dice: Mapping[str, float | None]
    reference_mm3: Mapping[str, float]
    expected_dice_loss: float
    voxels_different: int = 0
    max_logit_difference: float = 0.0


def dice(reference_zyx: np.ndarray, predicted_zyx: np.ndarray, labels: Mapping[str, str]) -> dict:
    """Label -> Dice of two label maps; None where neither has the label.

    Args:
        labels: value -> name.
    """
    return {
        name: confusion(reference_zyx == int(value), predicted_zyx == int(value)).dice
        for value, name in labels.items()
        if value != "0"
    }


def judged(
    name: str,
    files: Sequence[StoredFile],
    reference: Sequence[CaseResult],
    found: Sequence[CaseResult],
    settings: OptimizeParams,
    review_above: float | None,
    reference_bytes: int,
    deflated_bytes: int,
) -> Variant:
    """A variant against the released network on the same cases.

    Args:
        name: of the variant.
        reference, found: of the released network and of the variant, in the same order.
        review_above: the threshold of flags; None for none.
        reference_bytes: size of the released network's file.
        deflated_bytes: of the files of the variant, together.
    """
    paired = compared(reference, found, settings.margin_dice)
    pairs = list(zip(reference, found, strict=True))
    changes = [abs(ours.expected_dice_loss - theirs.expected_dice_loss) for ours, theirs in pairs]
    flags = None
    if review_above is not None:
        flags = sum(
            (ours.expected_dice_loss > review_above) != (theirs.expected_dice_loss > review_above)
            for ours, theirs in pairs
        )
    variant = Variant(
        runtime=RUNTIMES[name],
        is_own_file=name != NOT_OWN,
        files=tuple(files),
        bytes=0,
        deflated_bytes=deflated_bytes,
        dice=paired.rows,
        worst=worst(reference, found),
        voxels_different=sum(result.voxels_different for result in found),
        max_logit_difference=max(result.max_logit_difference for result in found),
        expected_dice_loss_change=float(np.mean(changes)),
        flags_changed=flags,
        non_inferior=False,
        no_verdict=None,
        smaller=False,
        released=False,
    )
    return verdict(variant, settings.margin_dice, reference_bytes)


def verdict(variant: Variant, margin: float, reference_bytes: int) -> Variant:
    """The variant with what follows from its files and its intervals: verify asks for it again.

    Args:
        margin: by how much its Dice may be worse.
        reference_bytes: size of the released network's file.
    """
    row, size = variant.dice[MACRO], sum(file.bytes for file in variant.files)
    same = variant.voxels_different == 0  # where all are alike, there is no spread to make an interval of
    within = all(_is_within(of_label, margin) for of_label in variant.dice.values())
    non_inferior, smaller = same or within, size <= (1 - LEAST_SAVED) * reference_bytes
    return replace(
        variant,
        bytes=size,
        non_inferior=non_inferior,
        no_verdict=None if same else row.no_verdict,
        smaller=smaller,
        released=non_inferior and smaller,
    )


def contradictions(variant: Variant, record: Variants) -> list[str]:
    """Where numbers of a variant do not fit each other."""
    faults = []
    for label, row in variant.dice.items():
        if row.n_cases > record.n_cases or row.n_subjects > record.n_subjects:
            faults.append(f"{label} has more cases or subjects than there are")
        numbers = (row.difference, row.mean_a, row.mean_b)
        if all(number is not None for number in numbers):
            difference, mean_a, mean_b = (float(number or 0) for number in numbers)
            if abs(mean_b - mean_a - difference) > ROUNDING:
                faults.append(f"{label}: the difference is not that of the means")
        bounds = (row.difference_ci95_low, row.difference, row.difference_ci95_high)
        known = [bound for bound in bounds if bound is not None]
        if known != sorted(known):
            faults.append(f"{label}: the difference lies outside its interval")
    if variant.deflated_bytes > variant.bytes + DEFLATED_MORE * len(variant.files):
        faults.append("deflated it is larger than as it is")
    if variant.voxels_different > record.voxels_compared:
        faults.append("more voxels differ than were compared")
    flags = variant.flags_changed
    if flags is not None and flags > record.n_cases:
        faults.append("more flags changed than there are cases")
    return faults


def _is_within(row: Row, margin: float) -> bool:
    """Whether a label, or the mean of labels, is as good: its bound is, and the variant neither loses a label
    in a case nor invents one where both reference and released network have none."""
    low, n_undefined_of_both = row.difference_ci95_low, row.n_undefined_b - row.n_undefined_b_only
    n_invented = row.n_undefined_a - n_undefined_of_both
    return low is not None and round(low, 9) > -margin and not row.n_undefined_b_only and not n_invented


def compared(reference: Sequence[CaseResult], found: Sequence[CaseResult], margin: float) -> Paired:
    """Paired differences of Dice, variant minus released network, with their intervals over subjects."""
    aim = comparison.Aim("larger")
    return comparison.compare(_cases(reference), _cases(found), MEASURE, margin, aim)


def worth_of_teacher(results: Mapping[Name, Sequence[CaseResult]], margin: float) -> Mapping[str, Row] | None:
    """Paired differences of Dice between narrower networks, taught minus not; None where one is missing."""
    if "distilled" not in results or "narrow" not in results:
        return None
    return compared(results["narrow"], results["distilled"], margin).rows


def worst(reference: Sequence[CaseResult], found: Sequence[CaseResult]) -> WorstCase | None:
    """The case whose mean Dice over labels falls most; the first of equals. A label that is neither there
    nor predicted counts as 1: to invent it costs as much as to miss it."""
    differences = []
    for ours, theirs in zip(reference, found, strict=True):
        if all(value is None for value in (*ours.dice.values(), *theirs.dice.values())):
            continue
        before, after = (
            np.mean([1.0 if value is None else value for value in result.dice.values()])
            for result in (ours, theirs)
        )
        differences.append((round(float(after - before), 9), ours.case_id))
    if not differences:
        return None
    difference, case_id = min(differences)
    return WorstCase(case_id, difference)


def _cases(results: Sequence[CaseResult]) -> dict:
    """As comparison takes them."""
    return {
        "part": "test",
        "cases": [
            {
                "case_id": result.case_id,
                "subject_id": result.subject_id,
                "labels": {
                    name: {MEASURE: value, comparison.REFERENCE: result.reference_mm3[name]}
                    for name, value in result.dice.items()
                },
            }
            for result in results
        ],
    }
