"""Identifying: what a text looks like that may say who somebody is. The text itself is never repeated.

A pattern finds what it was told to look for; it is no proof that a text is clean.
"""

import re

NAME, DATE, MARK = "a person's name", "a date", "a mark of identity (DOB, MRN, SSN)"

# Every repetition is bounded or begins at a word, so that a megabyte of one letter takes no longer than other
# text.
PATTERNS = {
    NAME: re.compile(
        r"[A-Za-z]{2}\^[A-Za-z]|\b(name|patient)\b *[:=_-] *[A-Za-z]{2,}|\b(?-i:Mr|Mrs|Ms|Dr)\b[. "
        r"]+[A-Za-z]{2,}",
        re.IGNORECASE,
    ),
    DATE: re.compile(
        r"\b(19"
        r"|20)\d{2}[-/.]?(0[1-9]"
        r"|1[0-2])[-/.]?(0[1-9]|[12]\d|3[01])\b|\b\d{1,2}[-/.]\d{1,2}[-/.](19|20)\d{2}\b"
    ),
    "a number of six digits or more": re.compile(r"\d{6,}"),
    MARK: re.compile(r"\b(dob|mrn|ssn|date of birth|birth)\b", re.IGNORECASE),
}
# Of a cell of a table, in which numbers are usual.
MAIL = "an e-mail address"
OF_CELLS = {
    NAME: PATTERNS[NAME],
    DATE: PATTERNS[DATE],
    MARK: PATTERNS[MARK],
    MAIL: re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[a-z]{2,}", re.IGNORECASE),
}
# Of names of columns, letters alone.
# fmt: off
COLUMNS = frozenset((
    "address", "birth", "birthdate", "birthday", "dateofbirth", "dob", "email", "emailaddress",
    "familyname", "firstname", "fullname", "givenname", "insurancenumber", "lastname",
    "medicalrecordnumber", "mrn", "name", "nhsnumber", "patientname", "phone", "phonenumber",
    "socialsecuritynumber", "ssn", "street", "surname", "telephone",
))
# fmt: on


def is_column(name: str) -> bool:
    """Whether a column is called as what identifies a person."""
    return re.sub(r"[^a-z]", "", name.casefold()) in COLUMNS


def kinds(text: str) -> list[str]:
    """What a cell of a table, or an id, looks like; [] where it is nothing of that."""
    return [kind for kind, pattern in OF_CELLS.items() if pattern.search(text)]
