"""The recipe: the record 'model', which says how the released file turns an image into a label map.

Needs no torch.
"""

AXES = ["n", "channel", "z", "y", "x"]
FILE, FORMAT = "model.onnx", "onnx"
NOTICE = "Research software; not for diagnosis."
INPUT = {"name": "image", "type": "float32", "axes": AXES}
OUTPUT = {"name": "logits", "type": "float32", "axes": AXES}


def record(train: dict, dataset: dict, p: dict, sha256: str, parity: dict) -> dict:
    """The record 'model': all but the file's hash and the parity follow from the training run, the data set
    and the parameters.

    Args:
        train, dataset: the records.
        p: the section export of params.yaml.
        sha256: of the released file.
        parity: cases, max_logit_difference, voxels_compared and voxels_different, as the stage export
            measured them.
    """
    return {
        "run_id": train["run_id"],
        "notice": NOTICE,
        "file": FILE,
        "sha256": sha256,
        "weights_sha256": train["weights_sha256"],
        "format": FORMAT,
        "opset": p["opset"],
        "network": train["network"],
        "labels": train["labels"],
        "modality": dataset["dataset"]["modality"],
        "preprocessing": train["preprocessing"],
        "input": INPUT,
        "output": OUTPUT,
        "parity": {**parity, "tolerance": p["parity_tolerance"]},
        "params": p,
        "excluded": train["excluded"],
    }
