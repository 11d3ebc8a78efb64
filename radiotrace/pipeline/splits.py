"""Splits: the part that rule and seed give to each subject, and the record of it; for the stage, and for
who derives it again."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import get_args

from radiotrace.errors import StageError
from radiotrace.records.accepted import Accepted, AcceptedCase
from radiotrace.records.sections.split import Fractions, SplitParams
from radiotrace.records.split import Assigned, Leakage, PartCount, PartCounts, Split
from radiotrace.records.values import Part

PARTS: tuple[Part, ...] = get_args(Part)
CROSS_VALIDATION = ("nnunet", "subjects")  # schemes in which every case is in the test part of one fold
SUBJECTS_FOR_INTERVALS = 10  # in the test part: with fewer no criterion can be met (benchmarks/coverage.md)
# in the validation part: with fewer, one of them decides temperature, offsets and thresholds
SUBJECTS_FOR_OFFSETS = 5
MORE = "take more subjects, or a larger part (split.fractions, or fewer split.folds)"


def position(seed: int, purpose: str, subject_id: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments, uniform over subjects."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{subject_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48  # 48 bits: exact in a float


def assign_parts(subjects: list[str], fractions: Fractions, seed: int) -> dict[str, Part]:
    """Part of each subject. A subject keeps its part when others come or go.

    Fractions are expectations: the counts of a small set differ from them by chance.
    """
    parts: dict[str, Part] = {}
    for subject in sorted(subjects):
        at = position(seed, "part", subject)
        if at < fractions.test:
            parts[subject] = "test"
        else:
            parts[subject] = "validation" if at < fractions.test + fractions.validation else "train"
    return parts


def assign_folds(subjects: list[str], folds: int, seed: int) -> dict[str, int]:
    """Fold of each subject, 0 to folds - 1; stable like its part."""
    return {subject: int(position(seed, "fold", subject) * folds) for subject in sorted(subjects)}


def nnunet_folds(case_ids: list[str], folds: int = 5) -> dict[str, int]:
    """Fold in which nnU-Net holds a case out: by case, so that the images of one subject may be parted.

    Source: nnU-Net v2, crossval_split.py: KFold(n_splits=5, shuffle=True, random_state=12345) over sorted
    case ids.
    """
    import numpy as np  # here: verify imports this module, and the command line starts without numpy

    order = np.arange(len(case_ids))
    np.random.RandomState(12345).shuffle(order)
    return {
        sorted(case_ids)[index]: fold
        for fold, chunk in enumerate(np.array_split(order, folds))
        for index in chunk
    }


def split(
    cases: Sequence[AcceptedCase], settings: SplitParams
) -> tuple[dict[str, Part], Mapping[str, int | None]]:
    """Part and fold of each case.

    scheme hash:   parts by subject. With a fold chosen, that fold is the validation part and the others
            train; the test part stays what it is.
    scheme nnunet: the chosen fold (0 when none is) is the test part, all others train, and no part is for
    validation. scheme subjects: as nnunet, with folds by subject, which do not leak.
    scheme given:  the parts of the data set; with a fold chosen, that fold of what is not for the test is the
    validation part.
    """
    ids = {case.case_id: case.subject_id for case in cases}
    subjects = sorted(set(ids.values()))
    if settings.scheme in CROSS_VALIDATION:
        of_subject = assign_folds(subjects, settings.folds, settings.seed)
        folds = (
            nnunet_folds(list(ids), settings.folds)
            if settings.scheme == "nnunet"
            else {case_id: of_subject[ids[case_id]] for case_id in ids}
        )
        held_out = settings.fold or 0
        return {case_id: "test" if folds[case_id] == held_out else "train" for case_id in ids}, folds
    if settings.scheme == "given":
        given: dict[str, Part] = {case.case_id: case.part for case in cases if case.part}
        return _given(ids, given, settings)
    part_of = assign_parts(subjects, settings.fractions, settings.seed)
    fold_of = assign_folds(
        [subject for subject in subjects if part_of[subject] != "test"], settings.folds, settings.seed
    )
    if settings.fold is not None:
        for subject, fold in fold_of.items():
            part_of[subject] = "validation" if fold == settings.fold else "train"
    return {case_id: part_of[subject] for case_id, subject in ids.items()}, {
        case_id: fold_of.get(subject) for case_id, subject in ids.items()
    }


def _given(
    ids: Mapping[str, str], given: Mapping[str, Part], settings: SplitParams
) -> tuple[dict[str, Part], Mapping[str, int | None]]:
    """Part and fold of each case, as the data set gives them.

    Raises:
        StageError: it gives some cases none.
    """
    if without := sorted(ids.keys() - given.keys()):
        named = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        raise StageError(
            f"split.scheme is given, and {len(without)} of {len(ids)} cases have no part: {named}",
            way_out="Declare a column of role part in dataset.json, or take split.scheme hash.",
        )
    learnt = sorted({ids[case_id] for case_id, part in given.items() if part != "test"})
    fold_of = assign_folds(learnt, settings.folds, settings.seed)
    folds = {case_id: fold_of[ids[case_id]] if given[case_id] != "test" else None for case_id in ids}
    if settings.fold is None:
        return {case_id: given[case_id] for case_id in ids}, folds
    chosen: dict[str, Part] = {
        case_id: "test" if fold is None else ("validation" if fold == settings.fold else "train")
        for case_id, fold in folds.items()
    }
    return chosen, folds


def leakage(cases: Sequence[AcceptedCase], part_of: Mapping[str, Part]) -> tuple[Leakage, ...]:
    """For each two parts, the subjects and the identical images that stand in both."""
    subjects, images = defaultdict(set), defaultdict(set)
    for case in cases:
        part = part_of[case.case_id]
        subjects[part].add(case.subject_id)
        images[part].add(case.voxels_sha256)
    return tuple(
        Leakage(
            parts=(one, other),
            shared_subjects=tuple(sorted(subjects[one] & subjects[other])),
            shared_images=tuple(sorted(images[one] & images[other])),
        )
        for one, other in combinations(PARTS, 2)
    )


def leaks(rows: Sequence[Leakage]) -> list[str]:
    """What two parts share, one message each; [] where they share nothing."""
    messages = []
    for row in rows:
        for kind, names in (("subjects", row.shared_subjects), ("images", row.shared_images)):
            if names:
                messages.append(f"{' and '.join(row.parts)} share {kind} {', '.join(names)}")
    return messages


def too_small(counts: PartCounts) -> list[str]:
    """What will not be known because a part has so few subjects, a line each."""
    lines, n_test, n_validation = [], counts.test.subjects, counts.validation.subjects
    if n_test < SUBJECTS_FOR_INTERVALS:
        lines.append(
            f"the test part has {_subjects(n_test)}; with fewer than {SUBJECTS_FOR_INTERVALS} there "
            f"are no intervals, so that no "
            f"criterion can be met: {MORE}"
        )
    if 0 < n_validation < SUBJECTS_FOR_OFFSETS:
        lines.append(
            f"the validation part has {_subjects(n_validation)}; temperature, thresholds and the "
            f"balance of volumes rest on "
            f"them alone: {MORE}"
        )
    return lines


def _subjects(number: int) -> str:
    return f"{number} subject{'s' * (number != 1)}"


def contradictions(accepted: Accepted) -> list[str]:
    """What no schema can say: a case that stands twice, or is left out, too; labels of one name."""
    times = Counter(case.case_id for case in accepted.cases)
    left_out = {exclusion.case_id for exclusion in accepted.excluded}
    names = Counter(accepted.labels.values())
    return [
        *(f"{case_id}: stands {n} times among cases" for case_id, n in sorted(times.items()) if n > 1),
        *(f"{case_id}: stands among cases and among excluded" for case_id in sorted(times.keys() & left_out)),
        *(f"labels: {n} are called {name}" for name, n in sorted(names.items()) if n > 1),
    ]


def of_accepted(accepted: Accepted, settings: SplitParams) -> Split:
    """The split of accepted cases.

    Raises:
        StageError: the record contradicts itself, the parameters contradict each other, a part would be
            empty, or two parts share a subject or an identical image.
    """
    if contradicting := contradictions(accepted):
        raise StageError(
            "the record of accepted cases contradicts itself",
            contradicting,
            "Run 'dvc checkout' to restore the file, or 'dvc repro' to make it again.",
        )
    if settings.parts_seed is not None:
        settings = replace(settings, seed=settings.parts_seed)
    cases, fractions = accepted.cases, settings.fractions
    if settings.fold is not None and settings.fold >= settings.folds:
        raise StageError(
            f"split.fold: found {settings.fold}, expected 0 to {settings.folds - 1}",
            way_out="Correct params.yaml.",
        )
    total = fractions.train + fractions.validation + fractions.test
    if abs(total - 1) > 1e-9:
        raise StageError(
            f"split.fractions: found a sum of {total:g}, expected 1", way_out="Correct params.yaml."
        )
    part_of, fold_of = split(cases, settings)
    by_part = {part: sorted(case_id for case_id in part_of if part_of[case_id] == part) for part in PARTS}
    subject_of = {case.case_id: case.subject_id for case in cases}
    needed = ("train", "test") if settings.scheme in CROSS_VALIDATION else PARTS
    if empty := [part for part in needed if not by_part[part]]:
        raise StageError(
            f"part {' and '.join(empty)} would be empty",
            [f"{part}: {len(by_part[part])} cases" for part in PARTS],
            "Add subjects, or change split.fractions, split.fold or seed in params.yaml.",
        )
    shared = leakage(cases, part_of)
    if leaks(shared) and settings.scheme != "nnunet":
        raise StageError(
            "parts are not independent",
            leaks(shared),
            "Correct the subjects in cases.csv, then run 'make manifest' and 'dvc repro'.",
        )
    counts = {
        part: PartCount(len(by_part[part]), len({subject_of[case_id] for case_id in by_part[part]}))
        for part in PARTS
    }
    return Split(
        scheme=settings.scheme,
        seed=settings.seed,
        fold=settings.fold,
        unit="case" if settings.scheme == "nnunet" else "subject",
        cases={
            case_id: Assigned(subject_of[case_id], part_of[case_id], fold_of[case_id])
            for case_id in subject_of
        },
        counts=PartCounts(**counts),
        leakage=shared,
        excluded=accepted.excluded,
        labels=accepted.labels,
    )
