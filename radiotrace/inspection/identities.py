"""Identities: how a value of a header that says who is shown is found again in a path."""

import re
from collections.abc import Iterable

BREAKS = re.compile(r"[\W_]+")
LETTERS_MIN = 2  # of a word
# Words that stand in names and ids of test data, and in paths of any.
GENERIC = frozenset(
    {
        "anon", "anonymised", "anonymized", "anonymous", "ct", "data", "dcm", "dicom", "image", "images",
        "jpg", "mr", "name", "no", "none", "patient", "phantom", "pt", "sub", "subject", "test", "unknown",
        "us",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """Letters and digits alone, small."""
    bare = BREAKS.sub("", text).casefold()
    return "" if bare in GENERIC else bare


def words(texts: Iterable[str]) -> set[str]:
    """Words of texts, small, without those that anything may have."""
    found = {word for text in texts for word in BREAKS.split(text.casefold())}
    return {word for word in found if len(word) >= LETTERS_MIN} - GENERIC
