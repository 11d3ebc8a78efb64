"""Preparation: how images are prepared for a network that gives logits of labels."""

from collections.abc import Sequence

from radiotrace.imaging import channels
from radiotrace.inference.recipe import Recipe, multiple_of
from radiotrace.learning import architecture
from radiotrace.records.dataset import Dataset
from radiotrace.records.network import NetworkSpec
from radiotrace.records.preprocessing import Intensities
from radiotrace.records.sections.segmentation.train import TrainParams
from radiotrace.records.typed import picked


def recipe_of(
    settings: TrainParams, dataset: Dataset, spec: NetworkSpec, found: Sequence[Intensities | None]
) -> Recipe:
    """What is done to an image before the network sees it; the offsets of its logits are found later.

    Args:
        dataset: the record.
        found: intensities of the labelled voxels, of each channel that is normalised by them.
    """
    declared, canonical = channels.of_dataset(dataset.dataset), dataset.canonical
    return picked(
        Recipe,
        settings,
        orientation=canonical.orientation,
        spacing_mm=canonical.spacing_mm,
        channels=channels.normalised(
            declared, settings.clip_percentiles, found, channels.within(settings.normalise_within)
        ),
        multiple=multiple_of(architecture.multiple(spec)),
        logit_offsets=None,
        crop=canonical.crop,
        bias_field=canonical.bias_field,
    )
