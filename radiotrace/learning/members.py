"""Members: other trained runs, which form a deep ensemble with the model.

Each has a folder with train.json and weights.safetensors.
"""

from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError

RECORD, WEIGHTS = "train.json", "weights.safetensors"
# of the preprocessing: probabilities are averaged voxel by voxel, of one image
ALIKE = ("orientation", "spacing_mm", "channels", "crop")


def read(folder, train: dict, split: dict, schema: str = "train") -> dict[str, dict]:
    """The record 'train' of each member, by the name of its folder, sorted.

    Args:
        folder: of members' folders. One that DVC tracks and that is not there is missed; other files do not
            count.
        train: the record of the run whose model is evaluated.
        split: the record.
        schema: of the record of a run.

    Raises:
        StageError: names everything that keeps runs from being members: files that are missing or do not fit
            together, other labels or another grid than the model's, weights that stand twice, and runs that
            saw the test part.
    """
    folder = Path(folder)
    names = sorted(
        {path.name for path in folder.iterdir() if path.is_dir()}
        | {path.stem for path in folder.glob("*.dvc")}
    )
    if missing := [
        f"{name}: {file} is missing"
        for name in names
        for file in (RECORD, WEIGHTS)
        if not (folder / name / file).is_file()
    ]:
        raise StageError(
            f"{folder} is not complete",
            missing,
            "Run 'dvc pull', or take the folder away together with its .dvc file.",
        )
    members = {name: records.read(folder / name / RECORD, schema) for name in names}
    faults = [
        f"{name}: {fault}"
        for name, member in members.items()
        for fault in (
            *_unlike(member, train),
            *_seen(member, split),
            *_changed(member, folder / name / WEIGHTS),
        )
    ]
    of_weights = {"the model itself": train["weights_sha256"]}
    for name, member in members.items():
        faults += [
            f"{name}: the same weights as {other_name}"
            for other_name, sha256 in of_weights.items()
            if sha256 == member["weights_sha256"]
        ]
        of_weights[name] = member["weights_sha256"]
    if faults:
        raise StageError(
            f"{folder}: runs that cannot form an ensemble with run {train['run_id'][:12]}",
            faults,
            "Choose others with 'python -m radiotrace members RUN…'; without a run, it leaves "
            "the ensemble out.",
        )
    return members


def _unlike(member: dict, train: dict) -> list[str]:
    """Where a member's output means something else than the model's."""
    pairs = {"labels": (member["labels"], train["labels"])} | {
        key: (_compared(member, key), _compared(train, key)) for key in ALIKE
    }
    return [
        f"{key}: found {found}, expected {expected}"
        for key, (found, expected) in pairs.items()
        if found != expected
    ]


def _compared(record: dict, key: str):
    """A part of the preprocessing; of channels the names, since each run may normalise in its own way. None
    where there is one channel."""
    setting = record["preprocessing"].get(key)
    return [row["name"] for row in setting] if key == "channels" and setting else setting


def _seen(member: dict, split: dict) -> list[str]:
    """Cases of the test part, or of its subjects, that a member learnt from or was followed on; and cases
    of which nobody knows the subject."""
    shown = sorted(case_id for part in ("train", "validation") for case_id in member["cases"][part])
    test = {row["subject_id"] for row in split["cases"].values() if row["part"] == "test"}
    unknown = [case_id for case_id in shown if case_id not in split["cases"]]
    seen = [
        case_id
        for case_id in shown
        if case_id in split["cases"] and split["cases"][case_id]["subject_id"] in test
    ]
    return [
        f"{origin} {len(cases)} cases, expected none: {', '.join(cases[:3])}{', …' if len(cases) > 3 else ''}"
        for origin, cases in (
            ("of the test part's subjects it saw", seen),
            ("of cases that are unknown here it saw", unknown),
        )
        if cases
    ]


def _changed(member: dict, weights: Path) -> list[str]:
    found = records.sha256(weights)
    return (
        []
        if found == member["weights_sha256"]
        else [f"SHA-256 of {WEIGHTS}: found {found}, expected {member['weights_sha256']}"]
    )


def strangers(members: dict[str, dict], split: dict, part: str) -> set[str]:
    """The cases of a part of whose subjects no member was trained on any case.

    Args:
        members: of `read`.
        split: the record.
    """
    learnt = {
        split["cases"][case_id]["subject_id"]
        for member in members.values()
        for case_id in member["cases"]["train"]
    }
    return {
        case_id
        for case_id, row in split["cases"].items()
        if row["part"] == part and row["subject_id"] not in learnt
    }
