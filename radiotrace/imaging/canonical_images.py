"""Canonical images: the cases of a part of the split, and their images as ingest brought them in. For tasks
whose target is no label map beside the image."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from radiotrace.imaging import volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image
from radiotrace.records.dataset import Case, Dataset, known


def of_part(dataset: Dataset, split: Mapping, part: str) -> list[Case]:
    """Entries of the record 'dataset' of a part of the split, sorted.

    Args:
        split: the record.
    """
    there = split["cases"]
    return sorted(
        (case for case in dataset.cases if there.get(case.case_id, {}).get("part") == part),
        key=lambda case: case.case_id,
    )


def preparation_faults(dataset: Dataset, what: str) -> list[str]:
    """What ingest has done to images that whoever predicts does not do.

    Args:
        what: takes whole images, such as "a classifier".
    """
    asked = {"crop": dataset.canonical.crop, "bias_field": dataset.canonical.bias_field}
    return [
        f"ingest.{name}: found {setting.record()}, expected nothing: {what} takes whole images, as they are"
        for name, setting in asked.items()
        if setting is not None
    ]


def image(folder: Path | str, case: Case, channels: Sequence[Channel]) -> Image:
    """The canonical image of a case.

    Args:
        folder: of canonical volumes.
    """
    of_channels = [
        volumes.read_canonical(Path(folder) / known(source.volume), known(source.volume_sha256))
        for source in case.images
    ]
    return Image.of(of_channels, channels)
