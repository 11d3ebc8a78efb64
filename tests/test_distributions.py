"""Distributions: what is read of their metadata, and for which machine their needs are judged."""

import subprocess
import sys
from email.message import Message

import packaging.markers
import pytest
from packaging.requirements import Requirement

from radiotrace.evidence.formats import distributions


def metadata(*fields):
    message = Message()
    for name, value in fields:
        message[name] = value
    return message


@pytest.mark.parametrize(
    ("fields", "licence", "spdx"),
    [
        ([("License-Expression", "apache-2.0 OR MIT")], "Apache-2.0 OR MIT", True),
        ([("License", "BSD-3-Clause")], "BSD-3-Clause", True),
        # which of the BSD licences, it does not say
        ([("License", "New BSD")], "New BSD", False),
        # its whole text
        (
            [("License", "Copyright " + "x" * 99), ("Classifier", "License :: OSI Approved :: BSD License")],
            "BSD License",
            False,
        ),
        (
            [("Classifier", "License :: OSI Approved :: MIT License"), ("Classifier", "Topic :: A")],
            "MIT License",
            False,
        ),
        ([], None, False),
    ],
)
def test_licence_is_spdx_or_as_declared_or_unknown(fields, licence, spdx):
    found = distributions.described(metadata(*fields))
    assert (found["licence"], found["spdx"]) == (licence, spdx)


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ([("Author", "Ada"), ("Author-email", "ada@example.org")], "Ada"),
        ([("Author-email", '"Ada, Bob" <a@example.org>, Eve <e@example.org>')], "Ada, Bob, Eve"),
        ([("Maintainer-email", "Team <t@example.org>")], "Team"),
        ([("Author", "team@example.org")], None),
        ([("Author", "Ada"), ("Author-email", "Unknown <x@example.org>")], "Ada"),
    ],
)
def test_author_is_names_without_addresses(fields, author):
    assert distributions.described(metadata(*fields))["author"] == author


def test_homepage_may_stand_among_the_links():
    found = distributions.described(
        metadata(
            ("Project-URL", "Source Code, https://example.org/code"),
            ("Project-URL", "Homepage, https://example.org"),
        )
    )
    assert found["homepage"] == "https://example.org"


def test_needs_are_judged_for_linux_on_x86_64_with_python_3_11_wherever_that_happens(monkeypatch):
    elsewhere = dict.fromkeys(distributions.TARGET, "elsewhere") | {
        "sys_platform": "win32",
        "python_version": "3.13",
        "platform_machine": "arm64",
    }
    monkeypatch.setattr(packaging.markers, "default_environment", lambda: dict(elsewhere))
    lines = [
        'a; sys_platform == "win32"',
        'b; sys_platform == "linux"',
        'c; python_version >= "3.12"',
        'd; platform_machine == "x86_64"',
        "e",
    ]
    assert distributions._needs({"x": lines}) == {"x": ["b", "d", "e"]}


def test_an_extra_counts_once_somebody_asks_for_it():  # a asks for b[more], whose extra asks for c[most]
    lines = {
        "a": ["B[more]"],
        "b": ['c[most]; extra == "more"', 'f; extra == "less"'],
        "c": ['d; extra == "most"', 'e; extra == "other"'],
    }
    assert distributions._needs(lines) == {"a": ["b"], "b": ["c"], "c": ["d"]}


def test_what_is_not_installed_is_left_out():
    assert list(distributions.installed(["numpy", "no-such-distribution"])) == ["numpy"]


def test_a_range_is_no_pin():
    assert distributions.pinned([Requirement("a==1.0")]) == {"a": "1.0"}
    with pytest.raises(ValueError, match="b>=1"):
        distributions.pinned([Requirement("a==1.0"), Requirement("b>=1")])


def test_evidence_of_materials_needs_neither_torch_nor_images():
    code = (
        "import sys; from radiotrace.evidence.design import soup; "
        "from radiotrace.evidence.formats import mlbom, sbom, vex, wheels; "
        "print(sorted({'torch', 'numpy', 'SimpleITK', 'cyclonedx'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
