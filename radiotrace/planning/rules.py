"""The rules: from the fingerprint of the train part and a budget to parameters, each with its reason.

Sources: nnU-Net's planner (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z, and its version 2) for
spacing, strides, kernels, normalisation and foreground; a budget of minutes on processors in the place of its
one of GPU memory. Where a rule differs, its reason says why.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from radiotrace.planning import cost
from radiotrace.planning.fingerprint import Axes, Fingerprint
from radiotrace.records.network import Kernel, Kernels, NetworkSpec

AXES = "xyz"
# Operations a second, of a convolution network on two cores in float32 and in bf16, and on a GPU; measured
# over a whole training. Another machine is said by --gflops.
GFLOPS = {"cpu": 113, "cpu-bf16": 259, "cuda": 4000}
USED = 0.9  # of the time, what remains beside reading and validation
PATCHES_MIN = 2_000  # a network that sees fewer has not learnt (hippocampus: 1,664 patches lose .01 of Dice)
FEW_PATCHES = 4_000  # below, small steps learn faster
WIDE_FROM, NARROW_BELOW = 30_000, 1_000  # patches
PATCHES_MAX = 30_000  # beyond, more of them hardly help
ANISOTROPY = 3  # nnU-Net's: from there, a coarse axis is treated apart
LEVELS = 4
EDGE_MIN = 3  # voxels at the lowest level, in training
EDGE_LEAST = 8  # of any edge but that of one slice
COARSER_MAX = 2.5
THIN_VOXELS = 3  # that the thinnest label keeps across
MARGIN = 1.25  # of a label's box, that a patch shows
SAME = 0.8  # share of cases from which a side counts as known
PATCHES_PER_CASE_MAX = 8
WINDOW_BYTES = 300  # a voxel, of a forward pass with its skips
IN_AIR_HU = -500  # CT has less in the air around the body
CACHE_SHARE = 0.5
UNCUT_SHARE = 0.95  # of an image, from which a cut to its foreground is not worth it
MASKED_SHARE = 0.75  # below it, nnU-Net normalises within the foreground
CASE_S_MAX = 60  # of a case in evaluation


@dataclass(frozen=True)
class Budget:
    """What a training may take.

    Attributes:
        minutes: of training.
        memory_gb: of the machine, or of the GPU.
        gflops: operations a second, in billions.
        is_gpu: whether it runs on a GPU.
    """

    minutes: float
    memory_gb: float
    gflops: float
    is_gpu: bool = False


@dataclass(frozen=True)
class Choice:
    """A parameter: its section and name, its value, and why."""

    section: str
    name: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Plan:
    """What was planned.

    Attributes:
        choices: in the order of params.yaml.
        guesses: what nobody has said and the planner took to be so.
        patches: that the network sees in training.
        seconds: of training, by the budget's speed.
    """

    choices: tuple[Choice, ...]
    guesses: tuple[str, ...]
    patches: int
    seconds: float

    def value(self, section: str, name: str) -> Any:
        """Of a choice."""
        return next(
            choice.value for choice in self.choices if (choice.section, choice.name) == (section, name)
        )


@dataclass(frozen=True)
class Shape:
    """The grid that the network sees.

    Attributes:
        spacing_mm, size: along x, y, z; size is the median over the cases.
        box: the median over the cases of the box around all labels, in voxels.
        why: of the spacing.
    """

    spacing_mm: Axes
    size: tuple[int, int, int]
    box: tuple[int, int, int]
    why: str


def plan(found: Fingerprint, budget: Budget) -> Plan:
    """Parameters for data like these.

    Deterministic: the same fingerprint and budget give the same plan.
    """
    guesses: list[str] = []
    is_flat = all(1 in case.size for case in found.cases)
    shape = target(found)
    spec = network(found, shape, is_flat)
    affordable = USED * budget.minutes * 60 * budget.gflops * 1e9
    voxels_max = affordable / (cost.training_flop(spec) * PATCHES_MIN)
    voxels_max = min(voxels_max, budget.memory_gb * 0.3e9 / (2 * cost.training_bytes(spec)))
    shape = coarsened(found, shape, spec, voxels_max, is_flat)
    spec = network(found, shape, is_flat)
    patch = patch_of(shape, spec, voxels_max, is_flat)
    seen = affordable / (cost.training_flop(spec) * math.prod(patch))
    if seen < NARROW_BELOW or seen > WIDE_FROM:
        spec = replace(
            spec, features=tuple(width * 2 if seen > WIDE_FROM else width // 2 for width in spec.features)
        )
        seen = affordable / (cost.training_flop(spec) * math.prod(patch))
    seen = min(seen, PATCHES_MAX)
    per_case = patches_per_case(shape, patch, len(found.cases))
    epochs = max(1, round(seen / (len(found.cases) * per_case)))
    patches = epochs * len(found.cases) * per_case
    choices = [
        *of_spacing(found, shape, is_flat),
        of_crop(found, is_flat),
        *of_network(spec, patches, shape),
        *of_patch(found, shape, patch, spec, budget),
        *of_intensities(found, guesses, is_flat),
        *of_steps(patches, epochs, per_case, budget),
        *of_augmentation(found, shape, patch, is_flat, guesses),
        *of_evaluation(shape, patch, spec, budget),
    ]
    seconds = patches * math.prod(patch) * cost.training_flop(spec) / (budget.gflops * 1e9)
    return Plan(tuple(choices), tuple(guesses), patches, seconds)


def target(found: Fingerprint) -> Shape:
    """The grid by nnU-Net's rule: the median of each axis; of a coarse one, whose slices would be merged by
    it where many are finer, the 10th percentile."""
    spacings, sizes = (
        found.over_cases(lambda case: case.spacing_mm),
        found.over_cases(lambda case: case.size),
    )
    spacing = np.median(spacings, 0)
    median_size = np.median(sizes * spacings / spacing, 0)
    coarse = int(np.argmax(spacing))
    others = [axis for axis in range(3) if axis != coarse]
    why = "the median of the train part"
    if (
        spacing[coarse] > ANISOTROPY * spacing[others].max()
        and 1 < median_size[coarse] < median_size[others].min() / ANISOTROPY
    ):
        spacing[coarse] = max(np.percentile(spacings[:, coarse], 10), spacing[others].max() + 1e-5)
        why += f"; of the coarse axis {AXES[coarse]} the 10th percentile, so that fine slices are not merged"
    return shape_at(found, spacing, why)


def shape_at(found: Fingerprint, spacing: np.ndarray, why: str) -> Shape:
    """The median case on a grid of this spacing."""
    sizes = found.over_cases(lambda case: np.array(case.size) * np.array(case.spacing_mm) / spacing)
    sizes = np.where(found.over_cases(lambda case: case.size) == 1, 1, sizes)
    boxes = found.over_cases(lambda case: box_mm(case) / spacing)
    x, y, z = (float(f"{edge:.4g}") for edge in spacing)
    size = whole_voxels(np.median(sizes, 0))
    box = whole_voxels(np.minimum(np.median(boxes, 0), size))
    return Shape((x, y, z), size, box, why)


def whole_voxels(edges: np.ndarray) -> tuple[int, int, int]:
    """Edges rounded up, one voxel at least."""
    x, y, z = (max(1, math.ceil(edge - 1e-6)) for edge in edges)
    return x, y, z


def box_mm(case) -> np.ndarray:
    """Edges of the box around all labels of a case; 0 where there is none."""
    if not case.labels:
        return np.zeros(3)
    low = np.min([label.low_mm for label in case.labels.values()], 0)
    return np.max([label.high_mm for label in case.labels.values()], 0) - low


def coarsened(found: Fingerprint, shape: Shape, spec, voxels_max: float, is_flat: bool) -> Shape:
    """A coarser grid, where the labels tell themselves by their place and would not fit the patch that the
    budget allows; never so coarse that the thinnest of them is lost, and never across thick slices."""
    if is_flat:
        return shape
    wanted = np.maximum(np.minimum(np.array(shape.box) * MARGIN, shape.size), EDGE_LEAST)
    if math.prod(wanted) <= voxels_max:
        return shape
    fine = np.array(shape.spacing_mm)
    may = fine <= ANISOTROPY * fine.min()
    thickness = min(
        (
            np.median([label.thickness_mm for label in found.of_label(name)])
            for name in found.labels
            if found.of_label(name)
        ),
        default=math.inf,
    )
    needed = (math.prod(wanted) / voxels_max) ** (1 / may.sum())
    allowed = min(COARSER_MAX, max(1.0, thickness / THIN_VOXELS / fine[may].max()))
    factor = min(needed, allowed)
    if factor < 1.05:
        return shape
    spacing = np.where(may, fine * factor, fine)
    limit = (
        "the labels' box fits a patch"
        if needed <= allowed
        else (
            "as coarse as may be"
            if allowed == COARSER_MAX
            else f"the thinnest label keeps {THIN_VOXELS} voxels"
        )
    )
    axes = "" if may.all() else " along " + ", ".join(AXES[axis] for axis in range(3) if may[axis])
    return shape_at(found, spacing, f"{shape.why}, {factor:.2f} times coarser{axes}: {limit}")


def network(found: Fingerprint, shape: Shape, is_flat: bool) -> NetworkSpec:
    """dynunet with strides and kernels by nnU-Net's rule: an axis is halved once its voxels are less than
    twice as long as the shortest that can still be halved, and a kernel spans it from then on."""
    spacing = np.array(shape.spacing_mm, float)
    if is_flat:
        spacing[2] = math.inf
    size, strides, kernels = np.array(shape.size, float), [], [kernel_at(spacing)]
    for _ in range(LEVELS - 1):
        can = (size >= 2 * EDGE_MIN) & np.isfinite(spacing)
        if not can.any():
            break
        halved = can & (spacing < 2 * spacing[can].min())
        strides.append(tuple(2 if half else 1 for half in halved))
        spacing, size = np.where(halved, 2 * spacing, spacing), np.where(halved, size / 2, size)
        kernels.append(kernel_at(spacing))
    while len(strides) < 2:  # the network has three levels at least
        strides.append((2, 2, 1) if is_flat else (2, 2, 2))
        kernels.append(kernel_at(spacing))
    levels = len(strides) + 1
    return NetworkSpec(
        name="dynunet",
        features=tuple(16 * 2**level for level in range(levels)),
        labels=len(found.labels) + 1,
        image_channels=len(found.channels),
        strides=tuple(strides),
        kernels=tuple(kernels),
        one_slice=is_flat,
    )


def spec_of(found: Fingerprint, planned: Plan) -> NetworkSpec:
    """The network that a plan asks for."""
    strides, kernels = (
        None if values is None else tuple(map(tuple, values))
        for values in (planned.value("train", name) for name in ("strides", "kernels"))
    )
    return NetworkSpec(
        name="dynunet",
        features=tuple(planned.value("train", "features")),
        labels=len(found.labels) + 1,
        image_channels=len(found.channels),
        strides=strides,
        kernels=kernels,
        one_slice=planned.value("train", "patch_voxels")[2] == 1,
    )


def kernel_at(spacing: np.ndarray) -> Kernels:
    """Edges of a kernel on voxels of these lengths."""
    of_edges: list[Kernel] = [3 if edge < 2 * spacing.min() else 1 for edge in spacing]
    x, y, z = of_edges
    return x, y, z


def multiple(spec: NetworkSpec) -> np.ndarray:
    """What an edge must be a multiple of, along x, y, z."""
    return np.array(spec.strides or [(1, 1, 1)]).prod(axis=0)


def patch_of(shape: Shape, spec: NetworkSpec, voxels_max: float, is_flat: bool) -> tuple[int, int, int]:
    """The median image, cut down along the axis that shows most of the labels' box until it is affordable."""
    steps = multiple(spec)
    least = np.maximum(steps * EDGE_MIN, np.ceil(EDGE_LEAST / steps) * steps)
    patch = np.maximum(np.ceil(np.array(shape.size) / steps) * steps, least)
    box = np.maximum(np.array(shape.box), 1)
    if is_flat:
        patch[2] = least[2] = 1
    while patch.prod() > voxels_max and (patch > least).any():
        ratio = np.where(patch > least, patch / box, -1)
        axis = int(np.argmax(ratio))
        patch[axis] -= steps[axis]
    x, y, z = (int(edge) for edge in patch)
    return x, y, z


def patches_per_case(shape: Shape, patch, cases: int) -> int:
    """As many as cover the median image, within limits: few passes over few large images would spend the time
    on validation."""
    return int(np.clip(round(math.prod(shape.size) / math.prod(patch)), 1, PATCHES_PER_CASE_MAX))


def of_spacing(found: Fingerprint, shape: Shape, is_flat: bool) -> list[Choice]:
    """The grid of every volume."""
    if is_flat:
        return [Choice("ingest", "spacing_mm", None, "pictures keep their pixels")]
    spacings = found.over_cases(lambda case: case.spacing_mm)
    if np.allclose(spacings, shape.spacing_mm, rtol=1e-3):
        return [
            Choice("ingest", "spacing_mm", None, f"all volumes have {shown(shape.spacing_mm)} mm already")
        ]
    return [Choice("ingest", "spacing_mm", list(shape.spacing_mm), shape.why)]


def of_network(spec: NetworkSpec, patches: int, shape: Shape) -> list[Choice]:
    """Network, width, strides and kernels."""
    strides, kernels = ([list(edges) for edges in values or ()] for values in (spec.strides, spec.kernels))
    usual_strides = all(edges == [2, 2, 2] for edges in strides)
    usual_kernels = all(edges == [3, 3, 3] for edges in kernels)
    flat = {*map(tuple, strides)} == {(2, 2, 1)} and {*map(tuple, kernels)} == {(3, 3, 1)}
    axes = (
        "voxels are about as long along every axis"
        if usual_strides and usual_kernels
        else (
            "a slice at a time"
            if flat
            else f"voxels of {shown(shape.spacing_mm)} mm: an axis joins once the others are as coarse"
        )
    )
    return [
        Choice("train", "network", "dynunet", "nnU-Net's"),
        Choice(
            "train",
            "features",
            list(spec.features),
            f"for {patches:,} patches in the time; wider learns less in it",
        ),
        Choice("train", "strides", None if usual_strides or flat else strides, axes),
        Choice("train", "kernels", None if usual_kernels or flat else kernels, axes),
    ]


def of_patch(found: Fingerprint, shape: Shape, patch, spec: NetworkSpec, budget: Budget) -> list[Choice]:
    """Patch and window."""
    whole = all(edge >= size for edge, size in zip(patch, shape.size, strict=True))
    why = (
        "the median image"
        if whole
        else (
            f"of images of {shown(shape.size)} voxels, whose labels' box has {shown(shape.box)}: as much as "
            f"{PATCHES_MIN:,} patches in the time allow"
        )
    )
    steps = multiple(spec)
    sizes = found.over_cases(
        lambda case: np.array(case.size) * np.array(case.spacing_mm) / np.array(shape.spacing_mm)
    )
    largest = np.maximum(np.ceil(sizes.max(0) / steps) * steps, patch)
    if patch[2] == 1:
        largest[2] = 1
    limit = max(budget.memory_gb * 0.25e9 / WINDOW_BYTES / (spec.features[0] / 16), math.prod(patch))
    while largest.prod() > limit and (largest > patch).any():
        axis = int(np.argmax(np.where(largest > patch, largest / np.array(patch), 0)))
        largest[axis] -= steps[axis]
    fits = bool((largest >= sizes.max(0)).all())
    return [
        Choice("train", "patch_voxels", list(patch), why),
        Choice(
            "train",
            "window_voxels",
            [int(edge) for edge in largest],
            "the largest image in one pass"
            if fits
            else "what the memory holds; larger images in overlapping windows",
        ),
    ]


def of_crop(found: Fingerprint, is_flat: bool) -> Choice:
    """Whether images are cut to their foreground: nnU-Net cuts all of them; where that takes nothing away,
    it is not worth a step more for whoever predicts."""
    if is_flat:
        return Choice("ingest", "crop", None, "pictures stay whole")
    share = nonzero_share(found)
    reason = f"the box of voxels that are not 0 has {share:.0%} of the median image"
    if share > UNCUT_SHARE:
        return Choice("ingest", "crop", None, f"{reason}: nothing to cut")
    return Choice("ingest", "crop", {"foreground": "nonzero", "margin_voxels": 0}, f"{reason}; nnU-Net's")


def nonzero_share(found: Fingerprint) -> float:
    """The median over the cases."""
    return float(np.median(found.over_cases(lambda case: case.nonzero)))


def of_intensities(found: Fingerprint, guesses: list[str], is_flat: bool) -> list[Choice]:
    """Normalisation of each channel, by its modality."""
    by = {}
    for number, channel in enumerate(found.channels):
        low = np.median(found.over_cases(lambda case, number=number: case.minimum[number]))
        has_unit = channel.modality == "CT"
        if channel.modality == "other" and low <= IN_AIR_HU:
            has_unit = True
            guesses.append(
                f"channel {channel.name or 1} is taken for CT: nobody says what it is, and images begin at "
                f"{low:g}"
            )
        elif channel.modality == "other":
            guesses.append(
                f"channel {channel.name or 1} is taken for values without a unit: nobody says what it is"
            )
        by[channel.name] = "labels" if has_unit else "image"
    used = sorted(set(by.values()))
    reasons = {
        "image": "values without a unit: each image by its own",
        "labels": "values with a unit: a tissue has the same in every image",
    }
    why = reasons[used[0]] if len(used) == 1 else "each channel by what it measures"
    value = used[0] if len(used) == 1 else by
    return [
        Choice("train", "clip_percentiles", [0.5, 99.5], "nnU-Net's"),
        Choice("train", "normalise_by", value, why),
        of_mask(found, "image" in used and not is_flat),
    ]


def of_mask(found: Fingerprint, is_by_image: bool) -> Choice:
    """Over which voxels an image is normalised by its own, by nnU-Net's rule: within the foreground where a
    cut to it leaves less than three quarters of the median image, which then is mostly empty ground."""
    share = nonzero_share(found)
    if is_by_image and share < MASKED_SHARE:
        why = f"a cut to what is not 0 leaves {share:.0%}, less than {MASKED_SHARE:.0%}: nnU-Net's"
        return Choice("train", "normalise_within", "foreground", why)
    why = f"a cut to what is not 0 leaves {share:.0%}" if is_by_image else "no volume by its own"
    return Choice("train", "normalise_within", "image", why)


def of_steps(patches: int, epochs: int, per_case: int, budget: Budget) -> list[Choice]:
    """How long, and in which steps."""
    few = patches < FEW_PATCHES
    return [
        Choice(
            "train",
            "epochs",
            epochs,
            f"{patches:,} patches, what {budget.minutes:g} minutes allow at {budget.gflops:g} GFLOP/s",
        ),
        Choice("train", "zero_epochs", max(10, math.ceil(epochs / 3)), "a small organ may be found late"),
        Choice(
            "train",
            "batch_size",
            1 if few else 2,
            f"{'fewer' if few else 'no fewer'} than {FEW_PATCHES:,} patches",
        ),
        Choice(
            "train", "learning_rate", 0.001 if few else 0.0015, "what went with this batch in the example"
        ),
        Choice("train", "patches_per_case", per_case, "as many as cover the median image, 8 at most"),
        Choice("train", "cache_mb", int(budget.memory_gb * 1000 * CACHE_SHARE), "half of the memory"),
    ]


def of_augmentation(
    found: Fingerprint, shape: Shape, patch, is_flat: bool, guesses: list[str]
) -> list[Choice]:
    """How patches vary."""
    spacing = np.array(shape.spacing_mm)
    thick = not is_flat and spacing.max() > ANISOTROPY * spacing.min()
    along = [int(np.argmax(spacing))] if thick else []
    mirrored = [AXES[axis] for axis in range(2) if is_flat and not has_side(found, axis)]
    labelled = float(np.mean(found.over_cases(lambda case: case.labelled)))
    share = 0.0 if labelled > 0.2 else 0.5 if labelled < 0.01 else 0.33
    whole = all(edge >= size for edge, size in zip(patch, shape.size, strict=True))
    if is_flat:
        rotation: Any = 180 if {"x", "y"} <= set(mirrored) else 15
        why_rotation = "no side is up" if rotation == 180 else "pictures have an upper side"
    elif thick:
        rotation, why_rotation = (
            [20 if axis in along else 0 for axis in range(3)],
            "about the axis across thick slices alone",
        )
    else:
        rotation, why_rotation = 20, "voxels are about as long along every axis"
    shift = 1 if whole else max(1, min(edge for edge in patch if edge > 1) // 4)
    return [
        Choice("train", "augmentation.rotation_degrees", rotation, why_rotation),
        Choice(
            "train",
            "augmentation.shift_voxels",
            shift,
            "images fit a patch"
            if whole
            else "a quarter of the shortest edge: labels lie anywhere in a window",
        ),
        Choice("train", "augmentation.foreground_share", share, f"labels have {labelled:.2%} of the voxels"),
        Choice(
            "train",
            "augmentation.mirror_axes",
            mirrored,
            "axes along which no label has its side"
            if mirrored
            else ("labels have a side" if is_flat else "bodies have sides, and a short training loses by it"),
        ),
    ]


def of_evaluation(shape: Shape, patch, spec: NetworkSpec, budget: Budget) -> list[Choice]:
    """Predictions behind the uncertainty of a case, so that a case takes a minute at most."""
    of_case_s = math.prod(shape.size) * cost.inference_flop(spec) / (budget.gflops * 1e9)
    if any(edge < size for edge, size in zip(patch, shape.size, strict=True)):
        of_case_s *= 4  # windows overlap by half
    passes = int(np.clip(CASE_S_MAX / max(of_case_s, 1e-9) - 1, 2, 18))
    dropout = min(10, -(-passes * 10 // 18))
    reason = f"a prediction of a case takes some {of_case_s:.2g} s"
    return [
        Choice("evaluate", "dropout_passes", dropout, reason),
        Choice("evaluate", "augmentation_passes", min(8, max(1, passes - dropout)), reason),
    ]


def has_side(found: Fingerprint, axis: int) -> bool:
    """Whether mirroring along an axis would show what no case shows: a label lies on the same side of the
    image, or of another label, in most cases."""
    for name in found.labels:
        sides = [
            label.centre[axis] > 0.5 for label in found.of_label(name) if abs(label.centre[axis] - 0.5) > 0.02
        ]
        if len(sides) >= SAME * len(found.cases) and is_same(sides):
            return True
    for number, first in enumerate(found.labels):
        for second in found.labels[number + 1 :]:
            both = [case.labels for case in found.cases if {first, second} <= case.labels.keys()]
            apart = [row[first].centre[axis] - row[second].centre[axis] for row in both]
            order = [difference > 0 for difference in apart if abs(difference) > 0.01]
            if len(order) >= SAME * len(both) > 0 and is_same(order):
                return True
    return False


def is_same(sides: list[bool]) -> bool:
    """Whether most are alike."""
    return max(sum(sides), len(sides) - sum(sides)) > SAME * len(sides)


def shown(values) -> str:
    """Values of three axes for people."""
    return " x ".join(f"{value:g}" for value in values)
