"""Distributions: what Python packages say of themselves, as far as that is the same in every environment
with the same pins."""

import importlib.metadata
from email.utils import getaddresses

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What requirements*.txt is pinned for. Markers are judged for it, not for the machine that happens to judge.
TARGET = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
LONGEST_LICENCE = 64  # of its characters; a longer field holds the whole text


def pinned(requirements: list[Requirement]) -> dict[str, str]:
    """Name -> version of pins.

    Raises:
        ValueError: one is not of the form name==version.
    """
    loose = [str(pin) for pin in requirements if [one.operator for one in pin.specifier] != ["=="]]
    if loose:
        raise ValueError(f"not pinned to one version: {', '.join(loose)}")
    return {pin.name: next(iter(pin.specifier)).version for pin in requirements}


def installed(names) -> dict[str, dict]:
    """What the installed distributions of these names say of themselves; one that is not installed is left
    out.

    Returns:
        name -> version; licence, SPDX or as declared; spdx, whether it is SPDX; summary; homepage; author,
        None where unknown; requires, canonical names of what it needs for TARGET, also for the extras that
        others of these names ask for.
    """
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    needs = _needs(
        {canonicalize_name(name): distribution.requires or [] for name, distribution in found.items()}
    )
    return {
        name: {
            "version": distribution.version,
            **described(distribution.metadata),
            "requires": needs[canonicalize_name(name)],
        }
        for name, distribution in found.items()
    }


def _needs(requires: dict[str, list[str]]) -> dict[str, list[str]]:
    """Names that each name needs. An extra counts once somebody asks for it, which may ask for more."""
    parsed = {name: [Requirement(line) for line in lines] for name, lines in requires.items()}
    extras = {name: {""} for name in parsed}
    while True:
        wanted = {
            name: [one for one in lines if _applies(one, extras[name])] for name, lines in parsed.items()
        }
        before = sum(map(len, extras.values()))
        for one in (one for lines in wanted.values() for one in lines):
            extras.get(canonicalize_name(one.name), set()).update(one.extras)
        if sum(map(len, extras.values())) == before:
            return {
                name: sorted({canonicalize_name(one.name) for one in lines} - {name})
                for name, lines in wanted.items()
            }


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(
        requirement.marker.evaluate(TARGET | {"extra": extra}) for extra in extras
    )


def described(metadata) -> dict:
    """Licence, summary, homepage and author of a distribution's metadata; e-mail addresses are left out."""
    texts = (metadata.get("License-Expression"), metadata.get("License"))
    declared = next(
        (text for text in texts if text and (expression(text) or len(text) <= LONGEST_LICENCE)), None
    )
    classified = sorted(
        line.split(" :: ")[-1]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::")
    )
    links = {
        label.lower(): url
        for label, _, url in (line.partition(", ") for line in metadata.get_all("Project-URL") or [])
    }
    pages = (
        metadata.get("Home-page"),
        *(
            links.get(label)
            for label in ("homepage", "home", "source", "source code", "repository", "github")
        ),
    )
    return {
        "licence": expression(declared) or declared or "; ".join(classified) or None,
        "spdx": expression(declared) is not None,
        "summary": metadata.get("Summary"),
        "homepage": next(filter(None, pages), None),
        "author": _author(metadata),
    }


def expression(licence: str | None) -> str | None:
    """A licence as SPDX writes it; None where it is not an SPDX expression."""
    try:
        return canonicalize_license_expression(licence) if licence else None
    except InvalidLicenseExpression:
        return None


def _author(metadata) -> str | None:
    """Names without addresses; the field of addresses may hold names too.

    Maintainers where no author is named.
    """
    for who in ("Author", "Maintainer"):
        named = [
            metadata.get(who) or "",
            *(name for name, _ in getaddresses([metadata.get(f"{who}-email") or ""])),
        ]
        if names := ", ".join(
            name for name in named if name and "@" not in name and name.lower() != "unknown"
        ):
            return names
    return None
