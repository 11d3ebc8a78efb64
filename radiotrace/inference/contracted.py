"""Contracted: what follows from the contract of an imported model alone. Needs no torch.

The stage that admits calls it, and verify does so again.
"""

from collections.abc import Mapping, Sequence

from radiotrace.imaging import channels
from radiotrace.imaging.channels import Channel
from radiotrace.inference.recipe import Recipe
from radiotrace.records.contract import UNKNOWN, ContractChannel, ModelContract
from radiotrace.records.dataset import Dataset
from radiotrace.records.preprocessing import Intensities

WIDEST = 3e38  # no voxel is clipped by it: the range of float32


def recipe(contract: ModelContract) -> Recipe:
    """How images are prepared, as the contract says. Offsets are in the adapted file."""
    taken = contract.input
    return Recipe(
        orientation=taken.orientation,
        spacing_mm=taken.spacing_mm,
        channels=tuple(map(_channel, taken.channels)),
        patch_voxels=taken.patch_voxels,
        window_voxels=taken.window_voxels,
        multiple=taken.multiple,
        logit_offsets=None,
    )


def _channel(channel: ContractChannel) -> Channel:
    said = channel.normalise
    if said.by == "image":
        return Channel(channel.name, channel.modality, said.clip_percentiles)
    low, high, mean, sd = -WIDEST, WIDEST, 0.0, 1.0
    if said.by == "numbers":
        low, high, mean, sd = (float(getattr(said, name)) for name in ("low", "high", "mean", "sd"))
    return Channel(channel.name, channel.modality, (0.0, 100.0), Intensities(low, high, mean, sd))


def misfits(
    contract: ModelContract, dataset: Dataset, labels: Mapping[str, str], test: Sequence[str]
) -> list[str]:
    """Where a contract does not fit the study.

    Args:
        labels: of the study, value -> name.
        test: ids of the test part.
    """
    faults = []
    declared = channels.of_dataset(dataset.dataset)
    asked = [Channel(row.name, row.modality) for row in contract.input.channels]
    if wrong := channels.unlike(asked, declared):
        faults.append(f"input.{wrong[0]}")
    for row, channel in zip(asked, declared, strict=False):
        if channel.name is not None and row.modality != channel.modality:
            faults.append(
                f"input.channels: {row.name}: found modality {row.modality}, expected {channel.modality}, "
                "as the data set has it"
            )
    names, given = [labels[value] for value in sorted(labels, key=int)], contract.output
    wanted = names[1:] if given.activation == "sigmoid" else names
    missing = [name for name in wanted if name not in given.labels]
    further = [name for name in given.labels if name not in names]
    if missing or further:
        faults.append(
            f"output.labels: found {', '.join(given.labels)}, expected {', '.join(wanted)} in the order of "
            "the file's channels"
        )
    learnt = contract.origin.study_cases
    seen = sorted(set(learnt) & set(test)) if not isinstance(learnt, str) else []
    if seen:
        faults.append(
            f"origin.study_cases: {len(seen)} of the test part ({', '.join(seen[:3])}): the model has learnt "
            "from what it would be judged by; choose a split without them"
        )
    return faults


def unknown(contract: ModelContract) -> list[str]:
    """What nobody here knows of how the model was made, in sentences."""
    origin = contract.origin
    said = [
        "Its training was not seen: which epochs, losses, seeds and code made it follows from no record here."
    ]
    if origin.by == UNKNOWN:
        said.append("Who trained it is unknown.")
    if origin.data == UNKNOWN:
        said.append("On what data it was trained is unknown.")
    if origin.licence == UNKNOWN:
        said.append("Its licence is unknown.")
    if origin.study_cases == UNKNOWN:
        said.append(
            "Whether it has learnt from cases or subjects of this test part is unknown: leakage cannot be "
            "excluded, and every figure may be better than on images that it has never seen."
        )
    elif origin.study_cases == "none":
        said.append(
            "That no case of this study was among its training data is what its contract says; nothing here "
            "can show it."
        )
    else:
        said.append(
            f"It has learnt from {len(origin.study_cases)} cases of this study, as its contract says; that "
            "there are no others, nothing here can show."
        )
    return said
