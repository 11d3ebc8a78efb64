"""Reviews: which items of the design controls were reviewed as they stand now.

A file of one JSON object a line, to which lines are only added; the software has one, and each study.
"""

from radiotrace import records
from radiotrace.records import ledgers

# What decides a verdict. The words around it may be improved after the test part was opened.
DECIDES = ("metric", "part", "bound", "op", "threshold", "min_subjects")


def read(path) -> list[dict]:
    """The reviews so far, as ledgers.read gives them."""
    return ledgers.read(path, "review")


def line(item_id: str, content: dict, n_openings: int) -> dict:
    """The review of an item as it is now.

    Args:
        content: the item.
        n_openings: lines of the ledger of the test part so far.
    """
    return {
        "item": item_id,
        "sha256": records.digest(content),
        "criterion_sha256": criterion_sha256(content),
        "n_openings": n_openings,
    }


def add(path, lines: list[dict]) -> None:
    """Adds lines behind those that are there."""
    ledgers.add(path, lines, "review")


def status(item_id: str, content: dict, reviews: list[dict]) -> str:
    """'reviewed', 'suspect' (edited since) or 'never reviewed'. The last review of an item counts."""
    of_item = [review for review in reviews if review["item"] == item_id]
    if not of_item:
        return "never reviewed"
    return "reviewed" if of_item[-1]["sha256"] == records.digest(content) else "suspect"


def criterion_sha256(content: dict) -> str | None:
    """Digest of what decides a requirement's verdict; None for an item that is no performance requirement."""
    # a planned modification has an acceptance of another kind
    if "statement" not in content or "acceptance" not in content:
        return None
    return records.digest({key: content["acceptance"][key] for key in DECIDES})


def new_criterion(item_id: str, content: dict, reviews: list[dict]) -> bool:
    """Whether an item has a criterion that was never reviewed before as it stands."""
    now = criterion_sha256(content)
    known = {(line["item"], line["criterion_sha256"]) for line in reviews}
    return now is not None and (item_id, now) not in known


def prespecified(requirement: dict, reviews: list[dict]) -> bool:
    """Whether a criterion was reviewed as it stands before any model was shown a test part.

    Any test part: another one may share cases with this one, of which an opening has only a digest. Else a
    criterion could be set anew after one case was left out.

    Args:
        reviews: lines of the ledger.
    """
    now = criterion_sha256(requirement)
    return any(
        review["item"] == requirement["id"]
        and review["criterion_sha256"] == now
        and review["n_openings"] == 0
        for review in reviews
    )


def left_out(openings: list[dict], cases_sha256: str, excluded: list[dict]) -> str | None:
    """Why cases may be missing from a test part because of what came out of it; None where nothing was opened
    before it.

    Args:
        openings: lines of the ledger of the test part, in their order.
        cases_sha256: of the test part, as an opening names it.
        excluded: cases that params.yaml leaves out, of any part.
    """
    of_part = [number for number, opening in enumerate(openings) if opening["cases_sha256"] == cases_sha256]
    before = openings[: of_part[0]] if of_part else openings
    if before and excluded:
        return f"cases left out: {len(excluded)}, and a test part with other cases was opened before"
    if of_part:
        most = max((opening["n_cases"] for opening in before), default=0)
        n_cases = openings[of_part[0]]["n_cases"]
        if most > n_cases:
            return f"a test part of {most} cases was opened before this one of {n_cases}"
    return None
