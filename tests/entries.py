"""Entries of the record 'dataset' for tests: what is not given is as of a good file."""

from radiotrace.records.dataset import CanonicalGrid, Case, Dataset, Identity

GRID = {
    "size_voxels": [18, 22, 14],
    "spacing_mm": [0.9, 1.1, 1.7],
    "origin_mm": [0.0, 0.0, 0.0],
    "direction": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
}
INTENSITY = {"min": 0.0, "p0_5": 0.0, "median": 2.0, "p99_5": 4.0, "max": 9.0, "mean": 2.0, "sd": 1.0}


def source(path: str = "a.nii.gz", sha256: str = "1" * 64, **changes) -> dict:
    """What was found in a file, of an image or of a label map."""
    return {
        "path": path,
        "sha256": sha256,
        "fault": None,
        "grid": GRID,
        "pixel_type": "32-bit float",
        "volume": path,
        "volume_sha256": sha256,
        "voxels_sha256": sha256,
        "non_finite_voxels": 0,
        "identifying_text": [],
    } | changes


def case(case_id: str = "a", *, image: dict | None = None, label_map: dict | None = None, **changes) -> Case:
    """A case; image and label_map are changes to their files."""
    files = {
        "image": source() | {"intensity": INTENSITY} | (image or {}),
        "label_map": source(sha256="2" * 64) | {"label_volumes_mm3": {}} | (label_map or {}),
    }
    return Case.of(
        {"case_id": case_id, "subject_id": f"head of {case_id}", "attributes": {}} | files | changes
    )


def dataset(*cases: Case, modality: str = "MRI") -> Dataset:
    """A data set of one channel."""
    of_text = dict.fromkeys(("name", "version", "licence", "citation", "description"))
    labels = {"0": "background", "1": "a"}
    identity = Identity(
        **of_text, modality=modality, labels=labels, cases=len(cases), subjects=1, root_sha256="0" * 64
    )
    return Dataset(identity, CanonicalGrid("LPS", None), cases)
