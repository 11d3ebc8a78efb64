"""Balanced: what preprocessing the record of training states, beside what it took from records, follows from
the network and the cases that were not held back for the test.

The offsets of the logits move every volume that is measured. Who sets them by the test part gets better
volumes there, in each later stage.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from radiotrace import records
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.imaging import channels
from radiotrace.inference.recipe import multiple_of
from radiotrace.records import model_run
from radiotrace.records.dataset import Case, Dataset
from radiotrace.records.imported_run import ImportedRun

WHAT = "offsets of the logits are those that balance volumes over validation and train cases"
TOLERANCE = 0.01  # of an offset: another processor, or a GPU that trained, rounds otherwise


def check(clone: Clone) -> Check:
    """Level 5: the offsets, found again with the trained network."""
    from radiotrace.inference import windows

    # here, because they take seconds to import
    from radiotrace.learning import architecture, numerics, trained
    from radiotrace.segmentation import balance, intensities, learner

    root = Path(clone.root)
    run = model_run.read(root / "build/train/train.json")
    if isinstance(run, ImportedRun):
        return Check(
            5, WHAT, skipped=["a model that was made elsewhere: nothing was balanced here"], looked=False
        )
    described, split = (
        records.read(root / path, name)
        for path, name in (("build/ingest/dataset.json", "dataset"), ("build/split/split.json", "split"))
    )
    dataset = Dataset.of(described)
    model = trained.TrainedModel.of(run, root / "build/train/weights.safetensors")
    settings = run.params
    found = intensities.of_labels(
        root / "build/ingest/volumes",
        entries_of(dataset, split, "train"),
        channels.of_dataset(dataset.dataset),
        settings.normalise_by,
        settings.clip_percentiles,
    )
    network = trained.ready(model, settings.threads, numerics.configure(model.numerics, settings.threads))
    recipe = dataclasses.replace(model.recipe, logit_offsets=None)
    cases = {
        part: learner.cases(
            root / "build/ingest/volumes", entries_of(dataset, split, part), recipe.channels, 0
        )
        for part in ("train", "validation")
    }
    offsets = None
    if settings.balance_volumes:
        offsets, _ = balance.offsets(
            (windows.predict(sample.image_czyx, network, recipe), sample.label_zyx)
            for sample in balance.among(cases["validation"], cases["train"])
        )
    result = Check(5, WHAT, unlike(run.preprocessing.logit_offsets, offsets))
    if recipe.multiple_zyx != (step := architecture.multiple(model.network)):
        result.faults.append(
            f"train.json: preprocessing.multiple states {recipe.multiple}, found {multiple_of(step)}"
        )
    for channel, remade in zip(recipe.channels, found, strict=True):
        if channel.intensities != remade:
            result.faults.append(
                f"train.json: intensities of channel {channel.name or 1} state {channel.intensities}, found "
                f"{remade}"
            )
    return result


def entries_of(dataset: Dataset, split: dict, part: str) -> list[Case]:
    """The entries of the cases of a part."""
    return [case for case in dataset.cases if split["cases"].get(case.case_id, {}).get("part") == part]


def unlike(stated: Sequence[float] | None, remade: Sequence[float] | None) -> list[str]:
    """Where offsets are not those that were found again; None where there are none."""
    if stated is None or remade is None or len(stated) != len(remade):
        return (
            []
            if stated == remade
            else [f"train.json: logit_offsets state {_shown(stated)}, found {_shown(remade)}"]
        )
    return [
        f"train.json: logit_offsets of label {label} state {stated_offset:+.3f}, found {remade_offset:+.3f}"
        for label, (stated_offset, remade_offset) in enumerate(zip(stated, remade, strict=True))
        if not abs(stated_offset - remade_offset) <= TOLERANCE
    ]


def _shown(offsets: Sequence[float] | None) -> str:
    return "none" if offsets is None else ", ".join(f"{value:+.3f}" for value in offsets)
