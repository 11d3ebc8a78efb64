"""Admission: what the record of an imported model says, out of its contract and its adapted file.

The stage train of a study with an imported model calls it, and verify does so again.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from radiotrace.inference import adapted, foreign_onnx, onnx_network
from radiotrace.inference.recipe import Recipe
from radiotrace.learning import grown
from radiotrace.learning.networks import imported
from radiotrace.records.contract import ModelContract
from radiotrace.records.imported_run import AdmissionParity, Analysis
from radiotrace.records.network import NetworkSpec, Stride

ARRAY_AXES = ("z", "y", "x")
PROBABILITY_DIFFERENCE_MAX = 1e-4  # of the adapted file from the one that was brought
# Nodes whose output is a map of features; what only moves numbers is none.
FEATURES = frozenset(
    [
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Clip",
        "Concat",
        "Conv",
        "ConvTranspose",
        "Elu",
        "GroupNormalization",
        "InstanceNormalization",
        "LeakyRelu",
        "MaxPool",
        "Mul",
        "PRelu",
        "Relu",
        "Resize",
        "Sigmoid",
        "Softplus",
        "Tanh",
    ]
)


def with_graph(content: bytes) -> imported.Imported:
    """The network of an adapted file, without levels."""
    network = imported.Imported().eval()
    network.grow(imported.tensors_of(content, ()))
    return network


def levels(
    network: imported.Imported, recipe: Recipe, contract: ModelContract
) -> tuple[list[int], NetworkSpec]:
    """The node that ends each level, the finest first, and what the record says of the network.

    A level is a resolution at which there are maps of features; it ends with the last of them, on the way up.
    Full resolution ends before the last convolution. There are none where the maps inside do not lie as z, y,
    x: nothing would say which axis is which.
    """
    shape = (1, len(recipe.channels), *recipe.patch_voxels[::-1])
    can = len(network.nodes) > 0 and contract.input.axes == ARRAY_AXES
    found = imported.shapes(network, torch.zeros(shape)) if can else [None] * len(network.nodes)
    labels = _labels(network, shape)
    by_step: dict[tuple[int, ...], int] = {}
    for number, (node, made) in enumerate(zip(network.nodes, found, strict=True)):
        is_around = any(name.startswith("around_") for name in node.outputs)
        if made is None or is_around or node.kind not in FEATURES or node.inputs[0] == "image":
            continue
        steps = _steps(shape[2:], made[2:])
        if steps is not None:
            by_step[steps] = number
    full = _before_last_convolution(network, found)
    by_step.pop((1, 1, 1), None)
    chosen: list[tuple[tuple[int, ...], int]] = [] if full is None else [((1, 1, 1), full)]
    for steps, number in sorted(by_step.items()):
        last = chosen[-1][0] if chosen else (1, 1, 1)
        ratios = [step / before for step, before in zip(steps, last, strict=True)]
        if chosen and all(ratio in (1, 2) for ratio in ratios):
            chosen.append((steps, number))
    if not chosen:
        return [], _spec((labels,), labels, recipe, None)
    features = tuple(shape_of[1] for _, number in chosen if (shape_of := found[number]) is not None)
    strides = [
        tuple(int(step / before) for step, before in zip(coarse[::-1], fine[::-1], strict=True))
        for (fine, _), (coarse, _) in itertools.pairwise(chosen)
    ]
    return [number for _, number in chosen], _spec(features, labels, recipe, strides or None)


def _labels(network: imported.Imported, shape: tuple[int, ...]) -> int:
    with torch.inference_mode():
        return network(torch.zeros(shape)).shape[1]


def _spec(features, labels: int, recipe: Recipe, strides) -> NetworkSpec:
    kept: tuple[tuple[Stride, Stride, Stride], ...] | None = None if strides is None else tuple(strides)
    return NetworkSpec(
        grown.NAME,
        features,
        labels,
        deep_supervision=0,
        image_channels=len(recipe.channels),
        one_slice=recipe.patch_voxels[2] == 1,
        strides=kept,
    )


def _steps(edges: Sequence[int], smaller: Sequence[int]) -> tuple[int, ...] | None:
    """By how much a map is coarser, z, y, x; None where that is no power of two."""
    steps = []
    for edge, less in zip(edges, smaller, strict=True):
        step = edge // less if less else 0
        if step < 1 or edge % less or step & (step - 1):
            return None
        steps.append(step)
    return tuple(steps)


def _before_last_convolution(network: imported.Imported, shapes) -> int | None:
    """The node whose map the last convolution takes; where that is the image itself, the convolution."""
    made_by = {name: number for number, node in enumerate(network.nodes) for name in node.outputs}
    convolutions = [number for number, node in enumerate(network.nodes) if node.kind == "Conv"]
    if not convolutions:
        return None
    last = convolutions[-1]
    before = made_by.get(network.nodes[last].inputs[0])
    for number in (before, last):
        if number is not None and shapes[number] is not None:
            same = shapes[last] is not None and shapes[number][2:] == shapes[last][2:]
            if same and not network.nodes[number].outputs[0].startswith("around_"):
                return number
    return None


def not_possible(content: bytes, contract: ModelContract, levels: Sequence[int]) -> dict[Analysis, str]:
    """Analysis -> why it cannot be made of this model."""
    reasons: dict[Analysis, str] = {
        "dropout": "The file is the network as it predicts: it has no dropout that could be switched on."
    }
    if missing := imported.untranslated(content):
        why = (
            f"ONNX Runtime computes this network and gives no gradient: torch has no "
            f"{', '.join(missing)} here."
        )
        reasons |= {"adversarial": why, "explain": why}
    elif contract.output.gives == "labels":
        why = "The file gives labels, whose gradient is 0 everywhere."
        reasons |= {"adversarial": why, "explain": why}
    elif not levels and contract.input.axes != ARRAY_AXES:
        reasons["explain"] = (
            f"Maps inside the network lie as {', '.join(contract.input.axes)}; those of z, y, x alone are "
            "weighed."
        )
    elif not levels:
        reasons["explain"] = "The network has no convolution whose maps could be weighed."
    if not levels:
        reasons["embedding"] = (
            "The network has no levels, so that the mean logit of each label is what cases are told apart by."
        )
    if contract.output.gives == "labels":
        reasons["certainty"] = (
            f"The file gives labels and no probabilities: each label has a logit {adapted.CERTAIN:g} above "
            "the others, so that scores of uncertainty and calibration say nothing of this model."
        )
    elif contract.output.activation == "sigmoid" and len(contract.output.labels) > 1:
        reasons["certainty"] = (
            "Channels of sigmoid stand by themselves; probabilities here are a softmax of their logits and 0 "
            "for the background, and not those of the file."
        )
    return reasons


def parity(
    content: bytes,
    own: bytes,
    contract: ModelContract,
    labels: Mapping[str, str],
    patches: Iterator[np.ndarray],
    threads: int,
) -> AdmissionParity:
    """How far the adapted file is from the one that was brought.

    Args:
        content: of the file that was brought; own: of the adapted one.
        patches: (1, channel, z, y, x) float32, as the network takes them.
    """
    running, ours = foreign_onnx.session(content, threads), onnx_network.of(own, threads)
    [image], name = running.get_inputs(), foreign_onnx.output_name(content, contract)
    windows, voxels, difference, otherwise = 0, 0, 0.0, 0
    for patch in patches:
        shape = (1, *patch.shape[2:])
        given = np.asarray(running.run([name], {image.name: _as_the_file_takes_it(patch, contract)})[0])
        theirs = adapted.expected(given, contract, labels, shape)
        logits = ours(patch)
        label, clear = adapted.chosen(theirs, contract, labels)
        difference = max(difference, float(np.abs(adapted.shares_of(logits, contract) - theirs).max()))
        otherwise += int(((logits.argmax(1) != label) & clear).sum())
        windows, voxels = windows + 1, voxels + label.size
    return AdmissionParity(windows, voxels, difference, otherwise)


def _as_the_file_takes_it(patch: np.ndarray, contract: ModelContract) -> np.ndarray:
    """A patch (1, channel, z, y, x) in the file's own layout, in NumPy."""
    taken = contract.input
    if taken.layout == "voxels":
        return np.ascontiguousarray(np.moveaxis(patch, 1, -1).reshape(-1, patch.shape[1]))
    axes = ["n", "c", "z", "y", "x"]
    if len(taken.axes) == 2:
        patch, axes = patch[:, :, 0], ["n", "c", "y", "x"]
    space = list(taken.axes)
    order = ["n", "c", *space] if taken.layout == "channel_first" else ["n", *space, "c"]
    return np.ascontiguousarray(patch.transpose([axes.index(axis) for axis in order]))


def unequal(found: AdmissionParity) -> list[str]:
    """Where the adapted file is another model."""
    faults = []
    if not found.max_probability_difference <= PROBABILITY_DIFFERENCE_MAX:
        faults.append(
            f"largest difference of a probability {found.max_probability_difference:.3g}, at most "
            f"{PROBABILITY_DIFFERENCE_MAX:g}"
        )
    if found.labels_different:
        faults.append(f"{found.labels_different} of {found.voxels} voxels labelled otherwise")
    return faults
