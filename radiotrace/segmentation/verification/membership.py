"""Membership: whether the network knows its test cases better than cases that it never saw.

A network is surer of what it has learnt: its loss there is lower. Who moved training cases into the test
part, with every record and ledger made to fit, cannot undo that. Chance can look alike, so this warns and
never fails.

Source: Yeom et al. 2018, arXiv:1709.01604 (membership by loss); Mann and Whitney 1947,
doi:10.1214/aoms/1177730491.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from radiotrace import records
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.records import model_run
from radiotrace.records.dataset import Dataset
from radiotrace.records.imported_run import ImportedRun

if TYPE_CHECKING:  # the command line starts without it
    import numpy as np

WHAT = "the network does not know its test cases better than strangers (a warning, by a rule)"
LEVEL = 0.01  # of a one-sided Mann-Whitney test of the subjects' mean losses
SUBJECTS = 8  # on either side below which nothing is said
RULE = (
    f"rule: one-sided Mann-Whitney of the subjects' mean loss, p < {LEVEL:g}, "
    f"at least {SUBJECTS} subjects on each side"
)


@dataclass(frozen=True)
class Comparison:
    """Whether the losses of one part are lower than those of another.

    Attributes:
        p: one-sided; None where there are too few subjects.
    """

    lower: str
    than: str
    n: tuple[int, int]
    p: float | None

    def __str__(self) -> str:
        significance = "too few subjects" if self.p is None else f"p {self.p:.2g}"
        return f"{self.lower} lower than {self.than}: {significance} ({self.n[0]} and {self.n[1]} subjects)"


def compared(losses: dict[str, dict[str, float]], lower: str, than: str) -> Comparison:
    """Whether one part's losses are lower.

    Args:
        losses: part -> subject -> mean loss.
    """
    lower_losses, than_losses = (list(losses.get(part, {}).values()) for part in (lower, than))
    p = None
    if min(len(lower_losses), len(than_losses)) >= SUBJECTS:
        from scipy import stats  # here, as numpy below: the command line starts without them

        p = float(stats.mannwhitneyu(lower_losses, than_losses, alternative="less").pvalue)
    return Comparison(lower, than, (len(lower_losses), len(than_losses)), p)


def judged(losses: dict[str, dict[str, float]]) -> tuple[list[str], list[str]]:
    """What to warn of, and what could not be said.

    The test part must look like the validation part, which no weight learnt from, and not better than the
    train part, which all did.
    """
    against = [compared(losses, "test", "validation"), compared(losses, "test", "train")]
    warned = [
        f"{comparison}; it knows its test cases better than strangers"
        for comparison in against
        if _is_lower(comparison)
    ]
    known = compared(losses, "train", "validation")
    if (
        not warned
        and _is_lower(known)
        and not _is_lower(compared(losses, "train", "test"))
        and known.n[1] <= len(losses.get("test", {}))
    ):
        warned.append(
            f"{known}, but train is not lower than test: the test part looks like what it has learnt"
        )
    undecided = [f"{comparison}" for comparison in (*against, known) if comparison.p is None]
    if known.p is not None and not _is_lower(known):
        undecided.append(
            f"{known}: it does not know its training cases better either, so that this rule has "
            f"little power here"
        )
    return warned, undecided


def _is_lower(comparison: Comparison) -> bool:
    return comparison.p is not None and comparison.p < LEVEL


def check(clone: Clone) -> Check:
    """Level 5: the loss of every case under the network, compared between the parts of the split, by
    subject."""
    import numpy as np

    if isinstance(model_run.read(clone.root / "build/train/train.json"), ImportedRun):
        why = "a model that was made elsewhere: which cases it has learnt from is not known"
        return Check(5, WHAT, skipped=[f"cannot say: {why}"], looked=False)
    losses = losses_of(clone)
    warned, undecided = judged(losses)
    means = ", ".join(
        f"{part} {np.mean(list(of_subject.values())):.4f} ({len(of_subject)} subjects)"
        for part, of_subject in losses.items()
        if of_subject
    )
    return Check(
        5,
        WHAT,
        skipped=[f"cannot say: {line}" for line in undecided],
        warned=[f"{line} ({RULE}; mean losses: {means})" for line in warned],
        looked=bool(warned) or not undecided,
    )


def losses_of(clone: Clone) -> dict[str, dict[str, float]]:
    """Part -> subject -> mean cross-entropy in nats of a voxel, over the voxels of a label by reference or
    prediction."""
    import numpy as np

    from radiotrace.imaging import (
        parts,  # here, because they take seconds to import
        volumes,
    )
    from radiotrace.inference import preparation, windows
    from radiotrace.learning import numerics, trained

    root = clone.root
    dataset, split = (
        records.read(root / path, name)
        for path, name in (("build/ingest/dataset.json", "dataset"), ("build/split/split.json", "split"))
    )
    run = model_run.read(root / "build/train/train.json")
    model = trained.TrainedModel.of(run, root / "build/train/weights.safetensors")
    threads = run.params.threads
    network = trained.ready(model, threads, numerics.configure(model.numerics, threads))
    recipe, losses = model.recipe, {}
    for part in ("train", "validation", "test"):
        of_subject: dict[str, list[float]] = {}
        for case in parts.cases(Dataset.of(dataset), split, part).values():
            image, reference = parts.image(case, root / "data"), parts.label_map(case, root / "data")
            _, logits = windows.segment(image, network, recipe)
            truth = volumes.array_zyx(preparation.of_label_map(reference, image, recipe))
            of_subject.setdefault(case["subject_id"], []).append(loss(logits, truth))
        losses[part] = {subject: float(np.mean(values)) for subject, values in sorted(of_subject.items())}
    return losses


def loss(logits: np.ndarray, truth_zyx: np.ndarray) -> float:
    """Mean cross-entropy over the voxels of a label, by reference or prediction; 0 where there is none.

    Args:
        logits: (labels, z, y, x).
        truth_zyx: integers.
    """
    import numpy as np

    region = (truth_zyx > 0) | (logits.argmax(0) > 0)
    if not region.any():
        return 0.0
    chosen, truth = logits[:, region].astype(float), truth_zyx[region].astype(int)
    highest = chosen.max(0)
    total = highest + np.log(np.exp(chosen - highest).sum(0))
    return float((total - chosen[truth, np.arange(len(truth))]).mean())
