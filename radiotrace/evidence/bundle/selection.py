"""Selection: which epoch's weights became the model, and that the rule of the run, applied to its history,
gives just that epoch.

The rule is written here a second time, so that a fault of radiotrace/learning/fit.py does not vouch for
itself.
"""

import hashlib

import safetensors

from radiotrace import records

FOLLOWED = "validation_"  # how the name of a measure begins that training followed


def last_epoch(history: list[dict], planned: int, patience_epochs: int | None) -> int | None:
    """The epoch after which training ends by its rule; None where it had to go on.

    It ends after the planned epochs, or once the mean over labels of the measure that was followed on the
    validation part had no new best for so many epochs.

    Args:
        history: rows of train.json, one an epoch.
        patience_epochs: None where only the planned epochs end it.
    """
    best, at = float("-inf"), 0
    for n_epochs, row in enumerate(history, 1):
        defined = [value for value in _followed(row).values() if value is not None]
        mean = sum(defined) / len(defined) if defined else 0.0
        if mean > best:
            best, at = mean, n_epochs
        if n_epochs == planned or (patience_epochs is not None and n_epochs - at >= patience_epochs):
            return n_epochs
    return None


def _followed(row: dict) -> dict[str, float | None]:
    """The one measure of an epoch's row that was followed: label -> value.

    Raises:
        ValueError: there is none, or more than one.
    """
    names = [name for name in row if name.startswith(FOLLOWED)]
    if len(names) != 1:
        raise ValueError(f"epoch {row['epoch']}: found {names}, expected one measure that was followed")
    return row[names[0]]


def faults(train: dict) -> list[str]:
    """Where the history of the record 'train' is not one that its rule allows; [] when it is, and of a model
    that was made elsewhere, which has none."""
    if "history" not in train:
        return []
    epochs, params = [row["epoch"] for row in train["history"]], train["params"]
    if epochs != list(range(1, len(epochs) + 1)):
        return [
            f"epochs of build/train/train.json: found {', '.join(map(str, epochs))}; expected 1, 2, 3 "
            f"and so on"
        ]
    if (expected := last_epoch(train["history"], params["epochs"], params["patience_epochs"])) == len(epochs):
        return []
    return [
        f"epoch that became the model: found {len(epochs)}, expected {expected or 'a later one'} by its rule"
    ]


def record(train: dict, weights: bytes) -> dict:
    """The record 'checkpoints': the hash of each epoch's state, the epoch that became the model and what
    decided that, and its tensors.

    Args:
        train: the record, without faults.
        weights: content of weights.safetensors.
    """
    if "history" not in train:
        return {
            "run_id": train["run_id"],
            "selection": train["selection"],
            "selected_epoch": None,
            "rule": None,
            "checkpoints": [],
            "weights_sha256": train["weights_sha256"],
            "tensors": tensors(weights),
        }
    params, n_epochs = train["params"], len(train["history"])
    return {
        "run_id": train["run_id"],
        "selection": train["selection"],
        "selected_epoch": n_epochs,
        "rule": {
            "epochs_planned": params["epochs"],
            "patience_epochs": params["patience_epochs"],
            "ended_by": "planned epochs" if n_epochs == params["epochs"] else "patience",
        },
        "checkpoints": [
            {"epoch": row["epoch"], "sha256": row["checkpoint_sha256"]} for row in train["history"]
        ],
        "weights_sha256": train["weights_sha256"],
        "tensors": tensors(weights),
    }


def tensors(weights: bytes) -> dict:
    """Count and hash of the weights' tensors, the same whatever file they stand in.

    Returns:
        n, of tensors; sha256, of the record [[name, dtype, shape, SHA-256 of the numbers in little-endian
        row-major order]] sorted by name.
    """
    rows = sorted(
        [name, tensor["dtype"], tensor["shape"], hashlib.sha256(tensor["data"]).hexdigest()]
        for name, tensor in safetensors.deserialize(weights)
    )
    return {"n": len(rows), "sha256": records.digest(rows)}
