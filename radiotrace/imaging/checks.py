"""Checks of cases and of the set they form.

Each gives findings; none stops: the stage does, with all of them.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import ndimage

from radiotrace.imaging import column_checks, volumes
from radiotrace.imaging.channels import COLOURS, Channel, named, of_dataset
from radiotrace.imaging.finding import Finding
from radiotrace.records.dataset import Case, Identity, ImageFile, Intensity, SourceFile, known
from radiotrace.records.sections.validate import ValidateParams

ONE_CHANNEL = (named(None),)

IN_AIR_HU = -500  # below it lies air in CT, and nothing in MRI
FLOAT32_MAX = float(np.finfo(np.float32).max)  # networks compute in float32


def case_findings(
    case: Case, labels: Mapping[str, str], limits: ValidateParams, channels: Sequence[Channel] = ONE_CHANNEL
) -> list[Finding]:
    """Checks of one case that need its record only, not its voxels.

    Args:
        case: an entry of the record 'dataset'.
        labels: value -> name.
        limits: the section validate of params.yaml.
        channels: of the data set.
    """
    case_id, findings = case.case_id, []

    def add(check, found, expected, severity="error"):
        findings.append(Finding(case_id, check, found, expected, severity))

    images = named_images(case, channels)
    of_label_map = {} if case.label_map is None else {"label map": case.label_map}
    for name, source in (images | of_label_map).items():
        if source.fault:
            add("readable", f"{name}: {source.fault}", "a readable 3-D volume")
            continue
        for text in source.identifying_text:
            add("header", f"{name} {text}", "no identifying text")
        for text in source.warnings or ():
            add("placement", f"{name}: {text}", "one place and side in the world", "warning")
        if source.non_finite_voxels:
            add("finite", f"{name}: {source.non_finite_voxels} voxels are NaN or infinite", "finite values")
    if any(source.fault for source in case.sources):
        return findings
    for (name, source), channel in zip(images.items(), channels, strict=True):
        of_channel = f"{name}: " if len(images) > 1 else ""
        if case.label_map is not None and _are_same(source, case.label_map):
            add(
                "label_map_is_image",
                f"{name} and label map are the same",
                "a label map that was drawn on the image",
            )
        for check, found, expected, severity in _intensity_findings(channel, known(source.intensity)):
            add(check, f"{of_channel}{found}", expected, severity)
    findings += _apart(case_id, images, tuple(channel.name for channel in channels), limits)
    grid = known(case.image.grid)
    low, high = limits.size_voxels_min, limits.size_voxels_max
    # one slice is a picture: whether all cases are pictures, set_findings says
    if not all(low <= size <= high or size == 1 for size in grid.size_voxels):
        add(
            "size", _xyz(grid.size_voxels) + " voxels", f"{low} to {high} (validate.size_voxels_min and _max)"
        )
    low, high = limits.spacing_mm_min, limits.spacing_mm_max
    if not all(low <= spacing <= high for spacing in grid.spacing_mm):
        add(
            "spacing",
            _xyz(grid.spacing_mm) + " mm",
            f"{low:g} to {high:g} mm (validate.spacing_mm_min and _max)",
        )
    if case.label_map is None:
        return findings
    for name, image_has, label_map_has in volumes.grid_faults(
        _grid(case.image),
        _grid(case.label_map),
        limits.grid_tolerance_mm,
        limits.grid_tolerance_direction,
    ):
        add(f"grid_{name}", f"label map {label_map_has}", f"image {image_has}")
    outside = None if case.cut_to is None else case.cut_to.labelled_voxels_outside
    if outside:
        add(
            "label_outside_crop",
            f"{outside} labelled voxels lie outside of the box to which the images are cut",
            "none: raise ingest.crop.margin_voxels, or leave ingest.crop empty",
        )
    volumes_mm3 = known(case.label_map.label_volumes_mm3)
    if unknown := sorted(volumes_mm3.keys() - labels.keys(), key=float):
        add("labels_known", f"label map has {_some(unknown)}", f"only {', '.join(labels)}")
    for value, name in labels.items():
        if value != "0" and value not in volumes_mm3:
            add(
                "labels_present",
                f"label {value} ({name}) has no voxel",
                "every label",
                "error" if limits.every_label else "warning",
            )
    return findings


def _are_same(image: SourceFile, label_map: SourceFile) -> bool:
    return image.sha256 == label_map.sha256 or image.voxels_sha256 == label_map.voxels_sha256


def _intensity_findings(channel: Channel, intensity: Intensity) -> list[tuple[str, str, str, str]]:
    """Check, found, expected and severity; nothing of an image without a finite voxel."""
    lowest, highest, air = intensity.min, intensity.max, intensity.p0_5
    if lowest is None or highest is None or air is None:
        return []
    made = []
    if channel.modality == "CT" and lowest >= 0:
        expected = "such values, as air has; was the intercept left out?"
        made.append(("modality", "declared CT, no value below 0", expected, "warning"))
    if channel.modality == "MRI" and air <= IN_AIR_HU:
        expected = f"more than {IN_AIR_HU}; is it a CT?"
        made.append(("modality", f"declared MRI, lowest values about {air:g}", expected, "warning"))
    if lowest == highest:
        made.append(("not_constant", f"every voxel is {lowest:g}", "at least two values", "error"))
    if (largest := max(abs(lowest), abs(highest))) > FLOAT32_MAX:
        expected = f"at most {FLOAT32_MAX:g}, as float32 holds them"
        made.append(("range", f"values as large as {largest:g}", expected, "error"))
    return made


def named_images(case: Case, channels: Sequence[Channel]) -> dict[str, ImageFile]:
    """What ingest found in the file of each channel, by the words of a finding: "image", or "channel NAME"
    where there are several."""
    sources = case.images
    if len(sources) == 1:
        return {"image": sources[0]}
    return {f"channel {channel.name}": source for channel, source in zip(channels, sources, strict=True)}


def _grid(source: SourceFile) -> dict:
    """Of a file without fault, as volumes.grid_faults takes it."""
    return known(source.grid).record()


def _apart(
    case_id: str, images: dict[str, ImageFile], names: tuple[str | None, ...], limits: ValidateParams
) -> list[Finding]:
    """Channels of a case that lie on another grid than the first, or have the voxels of an earlier one.

    A picture of colour that shows nothing but grey may have the same voxels three times.
    """
    findings, name_of = [], {}
    (first_name, first), *_ = images.items()
    is_grey = names == COLOURS and len({source.voxels_sha256 for source in images.values()}) == 1
    for name, source in images.items():
        faults = volumes.grid_faults(
            _grid(source), _grid(first), limits.grid_tolerance_mm, limits.grid_tolerance_direction
        )
        findings += [
            Finding(
                case_id,
                f"channel_grid_{key}",
                f"{name} {found}",
                f"{first_name} {expected}. Resample the channel onto that grid",
                "error",
            )
            for key, found, expected in faults
        ]
        earlier = name_of.setdefault(source.voxels_sha256, name)
        if earlier != name and not is_grey:
            findings.append(
                Finding(
                    case_id,
                    "channel_twice",
                    f"{name} has the voxels of {earlier}",
                    "an image of its own for each channel",
                    "error",
                )
            )
    return findings


def label_map_findings(
    case_id: str, label_zyx: np.ndarray, labels: Mapping[str, str], limits: ValidateParams
) -> list[Finding]:
    """Checks of one label map's shape: touching the border, connected components (faces, edges and corners
    connect); and the axis of the slice, where a picture has one."""
    findings = slice_findings(case_id, label_zyx.shape)
    for value, name in labels.items():
        mask = label_zyx == int(value)
        if value == "0" or not mask.any():
            continue
        inner = np.zeros_like(mask)
        # along an axis of one voxel there is nothing to be cut off
        inner[tuple(slice(1, -1) if edge > 1 else slice(None) for edge in mask.shape)] = True
        if on_border := int((mask & ~inner).sum()):
            findings.append(
                Finding(
                    case_id,
                    "label_border",
                    f"{name}: {on_border} voxels on the image border",
                    "none",
                    "warning",
                )
            )
        components = ndimage.label(mask, np.ones((3, 3, 3)))[1]  # pyright: ignore[reportIndexIssue]
        if components > limits.label_components_max:
            findings.append(
                Finding(
                    case_id,
                    "label_components",
                    f"{name}: {components} components",
                    f"at most {limits.label_components_max}",
                    "warning",
                )
            )
    return findings


def slice_findings(case_id: str, shape_zyx: tuple[int, ...]) -> list[Finding]:
    """Of a picture whose one slice lies across another axis than z."""
    thin = [axis for axis, edge in zip("zyx", shape_zyx, strict=True) if edge == 1]
    if thin in ([], ["z"]):
        return []
    return [
        Finding(
            case_id,
            "slice_axis",
            f"one voxel along {' and '.join(thin)}, as ingest.orientation turns it",
            "one slice along z: let ingest.orientation end in the direction across the picture",
            "error",
        )
    ]


def set_findings(
    cases: Sequence[Case],
    labels: Mapping[str, str],
    limits: ValidateParams,
    channels: Sequence[Channel] = ONE_CHANNEL,
) -> list[Finding]:
    """Checks of cases against each other. Cases with a read fault take no part.

    Args:
        cases: entries of the record 'dataset'.
        channels: of the data set.
    """
    cases = [case for case in cases if not any(source.fault for source in case.sources)]
    findings = _duplicates(cases) + _spellings(cases) + _strays(cases, limits)
    for number, channel in enumerate(channels):
        of_channel = {case.case_id: known(case.images[number].intensity) for case in cases}
        name = f"channel {channel.name}: " if len(channels) > 1 else ""
        findings += _intensity_outliers(of_channel, name, limits.outlier_mad)
    for value, name in labels.items():
        sizes = (
            {
                case.case_id: known(case.label_map.label_volumes_mm3).get(value, 0)
                for case in cases
                if case.label_map is not None
            }
            if value != "0"
            else {}
        )
        findings += [
            Finding(case_id, check, f"{name}: {found}", expected, "warning")
            for case_id, check, found, expected in _outliers(sizes, "label_volume", limits.outlier_mad)
        ]
    return findings


def of_records(dataset: Identity, cases: Sequence[Case], limits: ValidateParams) -> list[Finding]:
    """All that can be found of cases without their voxels: of each, then of the set.

    Args:
        dataset: the part 'dataset' of the record 'dataset'.
        cases: entries of that record.
        limits: the section validate of params.yaml.
    """
    labels, channels, findings = dataset.labels, of_dataset(dataset), []
    for case in cases:
        findings += case_findings(case, labels, limits, channels)
    findings += set_findings(cases, labels, limits, channels)
    return findings + column_checks.findings(dataset, cases)


def _intensity_outliers(intensities: Mapping[str, Intensity], name: str, limit: float) -> list[Finding]:
    """Of one channel; ratios, because MRI has no unit: the same scanner may store 100 or 100,000."""
    # of an image all are null, or none is
    variation = {case_id: known(of.sd) / abs(of.mean) for case_id, of in intensities.items() if of.mean}
    spread = {
        case_id: (known(of.p99_5) - known(of.p0_5)) / of.sd for case_id, of in intensities.items() if of.sd
    }
    return [
        Finding(case_id, check, name + found, expected, "warning")
        for check, values in (("intensity_variation", variation), ("intensity_spread", spread))
        for case_id, check, found, expected in _outliers(values, check, limit)
    ]


def _strays(cases: Sequence[Case], limits: ValidateParams) -> list[Finding]:
    """Pictures of one slice among volumes."""
    thin = [case.case_id for case in cases if 1 in known(case.image.grid).size_voxels]
    if len(thin) == len(cases):
        return []
    low, high = limits.size_voxels_min, limits.size_voxels_max
    return [
        Finding(
            case.case_id,
            "size",
            _xyz(known(case.image.grid).size_voxels) + " voxels",
            f"{low} to {high}; a picture of one slice only where all cases are pictures",
            "error",
        )
        for case in cases
        if case.case_id in thin
    ]


def _duplicates(cases: Sequence[Case]) -> list[Finding]:
    """Cases that share the voxels of any channel."""
    groups = defaultdict(list)
    for case in cases:
        for digest in dict.fromkeys(source.voxels_sha256 for source in case.images):
            groups[digest].append(case.case_id)
    return [
        Finding(
            case_id,
            "duplicate_image",
            f"same voxels as {_some([other_id for other_id in group if other_id != case_id])}",
            "one id for an image",
            "error",
        )
        for group in groups.values()
        if len(group) > 1
        for case_id in group
    ]


def _some(names: list[str], n_max: int = 5) -> str:
    """Names in a row, no more than somebody reads."""
    return ", ".join(names[:n_max]) + (f" and {len(names) - n_max} more" if len(names) > n_max else "")


def _spellings(cases: Sequence[Case]) -> list[Finding]:
    groups = defaultdict(lambda: defaultdict(list))
    for case in cases:
        groups[subject_key(case.subject_id)][case.subject_id].append(case.case_id)
    return [
        Finding(
            case_id,
            "subject_spelling",
            f"subject {spelling!r}, elsewhere {', '.join(map(repr, sorted(group.keys() - {spelling})))}",
            "one spelling for a subject",
            "error",
        )
        for group in groups.values()
        if len(group) > 1
        for spelling, case_ids in group.items()
        for case_id in case_ids
    ]


def subject_key(subject_id: str) -> tuple:
    """What remains of a subject id when case, separators, leading zeros and the form of Unicode are
    ignored: 'Sub-007' and 'sub_7' are one."""
    text = unicodedata.normalize("NFKC", subject_id).casefold()
    return tuple(
        piece.lstrip("0") or "0" if piece.isdigit() else piece for piece in re.findall(r"\d+|[^\W\d_]+", text)
    )


def _outliers(values: dict[str, float], check: str, limit: float) -> list[tuple[str, str, str, str]]:
    """(case, check, found, expected) where log(value) is over `limit` robust standard deviations from the
    set's median.

    The robust SD is 1.4826 times the median absolute deviation; fewer than 10 positive values give no
    verdict.
    """
    positive = {case_id: value for case_id, value in values.items() if 0 < value < np.inf}
    if len(positive) < 10:
        return []
    logs = np.log(list(positive.values()))
    median = np.median(logs)
    width = limit * 1.4826 * np.median(np.abs(logs - median))
    low, high = np.exp(median - width), np.exp(median + width)
    return [
        (case_id, check, f"{value:.4g}", f"{low:.4g} to {high:.4g}")
        for (case_id, value), log in zip(positive.items(), logs, strict=True)
        if abs(log - median) > width > 0
    ]


def _xyz(values) -> str:
    return " ".join(f"{value:g}" for value in values)
