"""Accepted cases: the record of those that go on, from the record of the data set; for the stage, and for
who derives it again."""

import hashlib

from radiotrace.records import raw_files


def excluded(p: dict) -> list[dict]:
    """The cases that people left out, with their reasons, sorted.

    Args:
        p: the section validate of params.yaml.
    """
    reasons = {entry["case_id"]: entry["reason"] for entry in p["exclude"]}
    return [{"case_id": case_id, "reason": reasons[case_id]} for case_id in sorted(reasons)]


def cases(dataset: dict, p: dict) -> list[dict]:
    """The entries of the record 'dataset' that nobody left out."""
    left_out = {entry["case_id"] for entry in p["exclude"]}
    return [case for case in dataset["cases"] if case["case_id"] not in left_out]


def voxels_sha256(case: dict) -> str:
    """Of the voxels of an image: of its one channel, or the SHA-256 of digests, a line each, of several."""
    digests = [source["voxels_sha256"] for source in raw_files.images(case)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(f"{digest}\n" for digest in digests).encode()).hexdigest()


def record(dataset: dict, p: dict) -> dict:
    """The record 'accepted', of a data set in which no case fails."""
    rows = [
        {
            "case_id": case["case_id"],
            "subject_id": case["subject_id"],
            "voxels_sha256": voxels_sha256(case),
        }
        for case in cases(dataset, p)
    ]
    return {"labels": dataset["dataset"]["labels"], "excluded": excluded(p), "cases": rows}
