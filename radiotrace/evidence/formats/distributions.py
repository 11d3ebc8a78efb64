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
HOMEPAGES = (
    "homepage",
    "home",
    "source",
    "source code",
    "repository",
    "github",
)  # labels of links, best first
LONGEST_LICENCE = 64  # of its characters; a longer field holds the whole text


def pinned(requirements: list[Requirement]) -> dict[str, str]:
    """Name -> version of pins.

    Raises:
        ValueError: a pin is not of the form name==version.
    """
    if loose := [str(pin) for pin in requirements if not _has_one_version(pin)]:
        raise ValueError(f"not pinned to one version: {', '.join(loose)}")
    return {pin.name: next(iter(pin.specifier)).version for pin in requirements}


def _has_one_version(pin: Requirement) -> bool:
    return [specifier.operator for specifier in pin.specifier] == ["=="]


def installed(names) -> dict[str, dict]:
    """What the installed distributions of these names say of themselves. A name that is not installed is left
    out.

    Returns:
        name -> version; licence, SPDX or as declared; spdx, whether it is SPDX; summary; homepage; author,
        None where unknown; requires, canonical names of what it needs for TARGET, also for the extras that
        others of these names ask for.
    """
    distributions = {}
    for name in names:
        try:
            distributions[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    needs = _needs(
        {canonicalize_name(name): distribution.requires or [] for name, distribution in distributions.items()}
    )
    return {
        name: {
            "version": distribution.version,
            **described(distribution.metadata),
            "requires": needs[canonicalize_name(name)],
        }
        for name, distribution in distributions.items()
    }


def _needs(requires: dict[str, list[str]]) -> dict[str, list[str]]:
    """Names that each name needs.

    An extra counts once somebody asks for it, and its requirements may ask for further extras. Hence the
    loop, until a round asks for no new one.
    """
    parsed = {name: list(map(Requirement, lines)) for name, lines in requires.items()}
    extras = {name: {""} for name in parsed}
    while True:
        n_extras = sum(map(len, extras.values()))
        needs = {}
        for name, requirements in parsed.items():
            wanted = [requirement for requirement in requirements if _applies(requirement, extras[name])]
            needs[name] = sorted({canonicalize_name(requirement.name) for requirement in wanted} - {name})
            for requirement in wanted:
                extras.get(canonicalize_name(requirement.name), set()).update(requirement.extras)
        if sum(map(len, extras.values())) == n_extras:
            return needs


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
    links = {}
    for line in metadata.get_all("Project-URL") or []:
        label, _, url = line.partition(", ")
        links[label.lower()] = url
    pages = [metadata.get("Home-page"), *(links.get(label) for label in HOMEPAGES)]
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
    for role in ("Author", "Maintainer"):
        addresses = getaddresses([metadata.get(f"{role}-email") or ""])
        fields = [metadata.get(role) or "", *(name for name, _ in addresses)]
        names = [text for text in fields if text and "@" not in text and text.lower() != "unknown"]
        if names:
            return ", ".join(names)
    return None
