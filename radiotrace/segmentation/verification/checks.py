"""What verify makes again of a study of this task, level by level.

commands/of_task.py finds it by the name of the task. A task has here: DERIVED and OPENED, which
evidence/verify/derived.py runs at level 3; LEVELS, the checks of levels 4 and 5; and `under`, the metrics
under a seeded fault of the predictions.
"""

from radiotrace import records
from radiotrace.evidence.verify import believed, differences, judged
from radiotrace.evidence.verify.judged import Judged
from radiotrace.evidence.verify.levels import Check, Clone
from radiotrace.pipeline import tasks
from radiotrace.records import model_run
from radiotrace.records.dataset import Dataset
from radiotrace.records.sections.segmentation.evaluate import EvaluateParams
from radiotrace.segmentation.verification import balanced, membership, rederive, released

TASK = "segmentation"
DERIVED, OPENED = rederive.DERIVED, rederive.OPENED


def measure_again(clone: Clone) -> Check:
    """Level 4: each case's measures and all summaries, made again from label maps."""
    run = judged.read(clone.root, tasks.declared(TASK))
    from radiotrace.segmentation import recompute  # here, because it imports torch

    entries = _entries(run, None)
    faults = []
    for case, again in zip(run.cases, entries, strict=True):
        faults += differences.compared(f"metrics/cases.json: {case['case_id']}", case, again)
    # From the measures as they are recorded, as evaluate does it: rounding moves the last digit of an
    # interval.
    settings = EvaluateParams.of(run.params)
    summaries = recompute.summaries(records.canonical(entries), run.metrics["decisions"], settings)
    for name, value in summaries.items():
        stated = run.metrics.get(name)
        faults += differences.compared(f"metrics/metrics.json: {name}", stated, value)
    return Check(
        4,
        believed.MEASURED,
        faults,
        ["calibration and subgroups: they need logits and image features, level 5"],
    )


def _entries(run: Judged, fault: str | None) -> list[dict]:
    """The entry of each test case, measured again, under a seeded fault."""
    from radiotrace.segmentation import recompute  # here, because it imports torch

    labels, settings = run.split["labels"], EvaluateParams.of(run.params)
    return list(
        recompute.entries(
            run.cases,
            Dataset.of(run.dataset),
            run.split,
            labels,
            run.data,
            run.predictions,
            settings,
            fault,
        )
    )


def under(run: Judged, fault: str) -> dict:
    """The record 'metrics' under a seeded fault of the predictions, as far as it follows from its cases."""
    from radiotrace.segmentation import recompute  # here, because it imports torch

    entries = _entries(run, fault)
    return run.metrics | recompute.summaries(entries, run.metrics["decisions"], EvaluateParams.of(run.params))


def predict_again(clone: Clone) -> list[str]:
    """Level 5: the label map of each test case, predicted again and compared voxel by voxel."""
    root = clone.root
    run = judged.read(root, tasks.declared(TASK))
    train = model_run.read(root / "build/train/train.json")
    from radiotrace.imaging import parts, volumes
    from radiotrace.inference import windows
    from radiotrace.learning import numerics, trained

    model = trained.TrainedModel.of(train, root / "build/train/weights.safetensors")
    threads = run.params["threads"]
    network = trained.ready(model, threads, numerics.configure(model.numerics, threads))
    test, faults = parts.cases(Dataset.of(run.dataset), run.split, "test"), []
    for case in run.cases:
        stored = volumes.read_canonical(run.predictions / case["prediction"], case["prediction_sha256"])
        again, _ = windows.segment(parts.image(test[case["case_id"]], run.data), network, model.recipe)
        stored_zyx, again_zyx = volumes.array_zyx(stored), volumes.array_zyx(again)
        n_differing = "all"
        if stored_zyx.shape == again_zyx.shape:
            n_differing = int((stored_zyx != again_zyx).sum())
        if n_differing:
            faults.append(f"{case['prediction']}: {n_differing} voxels of {stored_zyx.size} differ")
    return faults


LEVELS = {
    4: ((believed.MEASURED, measure_again),),
    5: (
        ("the model predicts what was measured", predict_again),
        (released.WHAT, released.check),
        (membership.WHAT, membership.check),
        (balanced.WHAT, balanced.check),
    ),
}
