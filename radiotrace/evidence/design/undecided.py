"""What a person must still decide: texts of design/ that a draft begins with TO DECIDE, and values that a
draft has in the place of a date or an address, whose form leaves no room for these words.

Each is a gap of the evidence, and blocks the release.
"""

from radiotrace.evidence.design.controls import Design

TO_DECIDE = "TO DECIDE"
NOWHERE = "https://example.org/to-decide"
# key -> what a draft has there
STAND_INS = {"release_date": "1970-01-01", "url": NOWHERE, "licence_url": NOWHERE}
# records that are looked at
LOOKED_AT = ("requirements", "intended_use", "statistical_plan", "risks", "pccp", "dataset_card")


def gaps(design: Design) -> list[dict[str, str]]:
    """A row for each file of design/ in which something is undecided: how many passages, and the first.

    Returns:
        Rows {"item", "gap"}, as the record 'traceability' has them.
    """
    rows = []
    for name in LOOKED_AT:
        places = list(_places(getattr(design, name), ""))
        if places:
            rows.append(
                {"item": name, "gap": f"{len(places)} passages are to be decided, the first at {places[0]}"}
            )
    return rows


def _places(node, place: str):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in STAND_INS and value == STAND_INS[key]:
                yield f"{place}/{key}"
            else:
                yield from _places(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _places(value, f"{place}/{number}")
    elif isinstance(node, str) and node.lstrip().startswith(TO_DECIDE):
        yield place
