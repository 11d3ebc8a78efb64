"""Bills of materials of this repository and of phantoms, and CycloneDX's own validator, for the tests of
evidence."""

import json
from functools import cache
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from radiotrace.evidence.design import soup
from radiotrace.evidence.formats import distributions, sbom
from radiotrace.evidence.trace import pin_files
from radiotrace.pipeline.pins import of as pins_of

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = {"name": "radiotrace", "version": "0.1.0"}
RUNTIME, TOOLS = pin_files.RUNTIME[1:], pin_files.TOOLS  # the first names the others


def refusal(document: dict) -> str:
    """Why CycloneDX 1.6, strictly, refuses a document; '' when it does not.

    Offline. Not by reading it in: that loses the model card.
    """
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return "" if found is None else str(found)


@cache
def pins() -> dict:
    return {file: distributions.pinned(pins_of(ROOT / file)) for file in (*RUNTIME, *TOOLS)}


@cache
def installed() -> dict:
    return distributions.installed([name for file in RUNTIME for name in pins()[file]])


@cache
def listed() -> dict:
    return soup.load(ROOT / "software/design/soup.yaml", pins())


@cache
def wheels() -> dict:
    return json.loads((ROOT / "software/design/wheels.json").read_text("utf-8"))


@cache
def runtime() -> dict:
    return sbom.runtime({file: pins()[file] for file in RUNTIME}, installed(), listed(), wheels(), PRODUCT)


@cache
def build() -> dict:
    return sbom.build({file: pins()[file] for file in TOOLS}, listed(), wheels(), PRODUCT)


def entry(name: str, **changes) -> dict:
    """An entry of soup.yaml."""
    return {
        "name": name,
        "imports": [name],
        "pins": "requirements/core.txt",
        "loaded_by": None,
        "series": None,
        "purpose": "Does one thing.",
        "supplier": "Its makers",
        "licence": "MIT",
        "support_level": "maintained by its community",
        "end_of_support": None,
        "end_of_support_note": "The supplier states none.",
        "needs": None,
        "anomaly_list": "https://example.org/issues",
        "anomaly_list_read": None,
        "anomalies": [],
    } | changes


def said(version: str, *requires: str) -> dict:
    """A row of distributions.installed."""
    return {
        "version": version,
        "licence": "MIT",
        "spdx": True,
        "summary": "Adds.",
        "homepage": "https://example.org",
        "author": "A. Author",
        "requires": list(requires),
    }


def wheel(version: str) -> dict:
    return {"version": version, "file": f"x-{version}-py3-none-any.whl", "sha256": "a" * 64}


def phantom(**changes) -> dict:
    """The bill of a product that imports 'one', which needs 'two'."""
    given = {
        "pins": {"requirements/core.txt": {"one": "1.0", "two": "2.0"}},
        "installed": {"one": said("1.0", "two"), "two": said("2.0")},
        "soup": {"author": "Us", "soup": [entry("one")]},
        "wheels": {"wheels": {"one": wheel("1.0"), "two": wheel("2.0")}},
        "product": PRODUCT,
    }
    return sbom.runtime(**given | changes)


def component(document: dict, name: str) -> dict:
    return next(one for one in document["components"] if one["name"] == name)


def values(one: dict, name: str) -> list[str]:
    """The values of the properties of one name."""
    return [row["value"] for row in one["properties"] if row["name"] == name]
