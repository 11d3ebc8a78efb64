"""Suspicions: signs in the voxels that something went wrong before the data came here. All are warnings.

`look` at each case, then compare what was seen `across` the set: most mistakes show only beside the other
cases. How many planted mistakes each finds, and how often it is wrong: `python -m benchmarks.suspicions`.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy import ndimage

from radiotrace.imaging.checks import Finding

CASES_MIN = 10  # a set of fewer has no usual case
VOXELS_MAX = 2**21  # of a larger image every second voxel or so is looked at, where edges are compared
CLIPPED_SHARE = 0.02
REPEATED_SHARE = 0.05
MIRRORED_RATIO = 1.05
ROBUST_SDS = 5
ORDER_SDS = 3
ALIKE = 0.975  # correlation of two thumbnails
THUMBNAIL = 12  # its edges
MARGIN = 3  # voxels around the labels
AXES = "zyx"


@dataclass(frozen=True, eq=False)  # arrays have no equality of their own
class Look:
    """What is kept of a case to be compared with others: some 30 KB.

    Attributes:
        case_id, subject_id: whose it is.
        suspicions: those that need no other case.
        centres_mm: of each label that is there, from the first voxel along z, y, x of the canonical volume.
        mirrored: by axis, how well the label map would follow the image if it were mirrored; 1: as now.
        thumbnails: of the image, and of the box around its labels; each with mean 0 and length 1, flat.
    """

    case_id: str
    subject_id: str
    suspicions: tuple[Finding, ...]
    centres_mm: Mapping[int, np.ndarray]
    mirrored: Mapping[str, float]
    thumbnails: tuple[np.ndarray, ...]

    def record(self) -> dict[str, Any]:
        """As JSON, with every digit."""
        return {
            "case_id": self.case_id,
            "subject_id": self.subject_id,
            "suspicions": [suspicion._asdict() for suspicion in self.suspicions],
            "centres_mm": {str(value): centre.tolist() for value, centre in self.centres_mm.items()},
            "mirrored": dict(self.mirrored),
            "thumbnails": [b64encode(thumbnail.tobytes()).decode() for thumbnail in self.thumbnails],
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Look":
        """What `record` gave."""
        return cls(
            record["case_id"],
            record["subject_id"],
            tuple(Finding(**suspicion) for suspicion in record["suspicions"]),
            {int(value): np.array(centre) for value, centre in record["centres_mm"].items()},
            record["mirrored"],
            tuple(np.frombuffer(b64decode(thumbnail), np.float32) for thumbnail in record["thumbnails"]),
        )


def look(
    case_id: str,
    subject_id: str,
    images: Mapping[str, np.ndarray],
    label_zyx: np.ndarray,
    spacing_zyx: Sequence[float],
) -> Look:
    """At one case.

    Args:
        images: the array of each channel, (z, y, x), by how a finding calls it; edges are compared in the
            first.
        label_zyx: the label map on the same grid.
        spacing_zyx: mm.
    """
    suspicions = [
        _warning(case_id, check, f"{name}: {found}", expected)
        for name, image_zyx in images.items()
        for check, found, expected in _of_image(image_zyx, label_zyx)
    ]
    step = tuple(slice(None, None, stride) for stride in _strides(label_zyx.shape))
    seen = next(iter(images.values()))[step].astype(np.float32)
    seen = np.clip(seen, *np.percentile(seen, [0.5, 99.5]))
    labelled, spacing = label_zyx[step], np.array(spacing_zyx) * [each.step for each in step]
    values = [int(value) for value in np.unique(labelled) if value]
    centres = ndimage.center_of_mass(labelled > 0, labelled, values) if values else []
    return Look(
        case_id,
        subject_id,
        tuple(suspicions),
        {value: np.array(centre) * spacing for value, centre in zip(values, centres, strict=True)},
        _mirrored(seen, labelled, spacing),
        tuple(_thumbnail(part) for part in (seen, *_box(seen, labelled))),
    )


def across(looks: Sequence[Look], names: Mapping[int, str]) -> list[Finding]:
    """Suspicions of each case alone, and of cases beside the others.

    Args:
        looks: at all cases.
        names: of labels, by value.
    """
    of_cases = [suspicion for seen in looks for suspicion in seen.suspicions]
    return [*of_cases, *_turned_over(looks), *_out_of_order(looks, names), *_near_duplicates(looks)]


def _warning(case_id: str, check: str, found: str, expected: str) -> Finding:
    return Finding(case_id, check, found, expected, "warning")


def _of_image(image_zyx: np.ndarray, label_zyx: np.ndarray) -> list[tuple[str, str, str]]:
    """Check, found and expected."""
    made = []
    share = float(np.mean(image_zyx == image_zyx.max()))
    if share > CLIPPED_SHARE and image_zyx.min() < image_zyx.max():
        made.append(
            ("clipped", f"{share:.1%} of the voxels have the largest value", f"at most {CLIPPED_SHARE:.0%}")
        )
    for axis, edge in enumerate(image_zyx.shape):
        if edge < 3:
            continue
        others = tuple({0, 1, 2} - {axis})
        is_empty = np.ptp(image_zyx, axis=others) == 0
        filled = np.flatnonzero(~is_empty)
        if not len(filled):
            continue
        between = np.zeros(edge, bool)
        between[filled[0] : filled[-1]] = True
        labelled = (label_zyx > 0).any(axis=others)
        if n_empty := int((is_empty & (between | labelled)).sum()):
            made.append(
                (
                    "empty_slices",
                    f"{n_empty} slices along {AXES[axis]} have one value, between others or under labels",
                    "0",
                )
            )
        pairs = [slice(None)] * 3, [slice(None)] * 3
        pairs[0][axis], pairs[1][axis] = slice(1, None), slice(None, -1)
        is_same = (image_zyx[tuple(pairs[0])] == image_zyx[tuple(pairs[1])]).all(axis=others) & ~is_empty[1:]
        if is_same.sum() > REPEATED_SHARE * len(filled):
            made.append(
                (
                    "repeated_slices",
                    f"{int(is_same.sum())} of {edge} slices along {AXES[axis]} repeat the one before",
                    f"at most {REPEATED_SHARE:.0%}; the volume may have been enlarged without interpolation",
                )
            )
    return made


def _strides(shape: tuple[int, ...]) -> list[int]:
    """By how much a large array is thinned, along its longest axes first."""
    strides = [1, 1, 1]
    while np.prod([-(-edge // stride) for edge, stride in zip(shape, strides, strict=True)]) > VOXELS_MAX:
        longest = max(range(3), key=lambda axis: shape[axis] / strides[axis])
        strides[longest] *= 2
    return strides


def _mirrored(seen: np.ndarray, labelled: np.ndarray, spacing: np.ndarray) -> dict[str, float]:
    """By axis: mean gradient of the image at the borders of the mirrored label map, over that at the borders
    as they are."""
    axes = [axis for axis in range(3) if seen.shape[axis] >= 3]
    borders = np.zeros(labelled.shape, bool)
    steepness = np.zeros(seen.shape, np.float32)
    for axis in axes:
        steepness += np.square(np.gradient(seen, axis=axis) / spacing[axis])
        before, after = [slice(None)] * 3, [slice(None)] * 3
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        differ = labelled[tuple(before)] != labelled[tuple(after)]
        borders[tuple(before)] |= differ
        borders[tuple(after)] |= differ
    steepness = np.sqrt(steepness)
    as_it_is = float(steepness[borders].mean(dtype=np.float64)) if borders.any() else 0.0
    if not as_it_is:
        return {}
    mirrored = {AXES[axis]: steepness[np.flip(borders, axis)] for axis in axes}
    return {axis: float(along.mean(dtype=np.float64)) / as_it_is for axis, along in mirrored.items()}


def _box(seen: np.ndarray, labelled: np.ndarray) -> list[np.ndarray]:
    """The image around its labels, if there are any."""
    return [
        seen[tuple(slice(max(0, side.start - MARGIN), side.stop + MARGIN) for side in box)]
        for box in ndimage.find_objects((labelled > 0).astype(np.int8))
    ]


def _thumbnail(values_zyx: np.ndarray) -> np.ndarray:
    """Means over blocks, as many along each axis as there is room for, with mean 0 and length 1."""
    for axis, edge in enumerate(values_zyx.shape):
        ends = np.linspace(0, edge, min(THUMBNAIL, edge) + 1)
        sums = np.cumsum(values_zyx, axis, np.float64)
        sums = np.insert(sums, 0, 0, axis)
        whole = np.floor(ends).astype(int)
        shape = [-1 if number == axis else 1 for number in range(3)]
        part = (ends - whole).reshape(shape)
        at_ends = (1 - part) * sums.take(whole, axis) + part * sums.take(np.minimum(whole + 1, edge), axis)
        values_zyx = np.diff(at_ends, axis=axis)
    flat = values_zyx.ravel() - values_zyx.mean()
    return (flat / max(float(np.linalg.norm(flat)), 1e-12)).astype(np.float32)


def _robust(values: np.ndarray) -> tuple[float, float]:
    """Median, and 1.4826 times the median absolute deviation from it."""
    median = float(np.median(values))
    return median, 1.4826 * float(np.median(np.abs(values - median)))


def _turned_over(looks: Sequence[Look]) -> list[Finding]:
    """Label maps that would fit their image better if they were mirrored, in a set where others do not."""
    made = []
    for axis in AXES:
        of_axis = {seen.case_id: seen.mirrored[axis] for seen in looks if axis in seen.mirrored}
        if len(of_axis) < CASES_MIN:
            continue
        logs = np.log(np.maximum(list(of_axis.values()), 1e-6))
        median, sd = _robust(logs)
        made += [
            _warning(
                case_id,
                "mirrored",
                f"mirrored along {axis}, the label map would follow the image {ratio:.2f} times as well",
                f"about {np.exp(median):.2f}, as in the median of the set",
            )
            for (case_id, ratio), log in zip(of_axis.items(), logs, strict=True)
            if ratio > MIRRORED_RATIO and log - median > ROBUST_SDS * sd
        ]
    return made


def _out_of_order(looks: Sequence[Look], names: Mapping[int, str]) -> list[Finding]:
    """Two labels that lie the other way round than in all the set."""
    made = []
    for one, other in combinations(sorted(names), 2):
        ways = {
            seen.case_id: seen.centres_mm[other] - seen.centres_mm[one]
            for seen in looks
            if one in seen.centres_mm and other in seen.centres_mm
        }
        if len(ways) < CASES_MIN:
            continue
        usual = [_robust(along) for along in np.array(list(ways.values())).T]
        axis = max(range(3), key=lambda number: abs(usual[number][0]) / max(usual[number][1], 1e-6))
        median, sd = usual[axis]
        if abs(median) <= ORDER_SDS * sd:
            continue
        made += [
            _warning(
                case_id,
                "label_order",
                f"{names[other]} lies {way[axis]:.3g} mm from {names[one]} along {AXES[axis]}",
                f"about {median:.3g} mm, as in the median of the set; are labels or sides swapped?",
            )
            for case_id, way in ways.items()
            if way[axis] * median < 0
        ]
    return made


def _near_duplicates(looks: Sequence[Look]) -> list[Finding]:
    """Images of two subjects that look alike, as a whole or around their labels: one person twice?"""
    subject_of = {seen.case_id: seen.subject_id for seen in looks}
    twins: dict[str, dict[str, float]] = {}
    for part in (0, 1):
        by_size: dict[int, list[Look]] = {}
        for seen in looks:
            if len(seen.thumbnails) > part:
                by_size.setdefault(seen.thumbnails[part].size, []).append(seen)
        for group in by_size.values():
            flat = np.array([seen.thumbnails[part] for seen in group], np.float64)
            for number, row in enumerate(flat):
                alike = flat[number + 1 :] @ row
                for place in np.flatnonzero(alike > ALIKE):
                    pair = group[number].case_id, group[number + 1 + int(place)].case_id
                    if subject_of[pair[0]] != subject_of[pair[1]]:
                        for case_id, twin in (pair, pair[::-1]):
                            of_case = twins.setdefault(case_id, {})
                            of_case[twin] = max(of_case.get(twin, 0), float(alike[place]))
    made = []
    for case_id, of_case in sorted(twins.items()):
        listed = ", ".join(sorted(of_case)[:3]) + (" and others" if len(of_case) > 3 else "")
        found = f"looks like {listed}, of another subject (correlation {max(of_case.values()):.3f})"
        expected = f"at most {ALIKE}; is it one person under two ids?"
        made.append(_warning(case_id, "near_duplicate", found, expected))
    return made
