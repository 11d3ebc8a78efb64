"""Bills of materials: what enters, what is unknown, the same bytes each time, and whether CycloneDX's own
validator takes them."""

import copy
import json
import random

import pytest

from radiotrace import records
from radiotrace.evidence.formats import distributions, sbom
from tests import bills


@pytest.mark.parametrize("bill", [bills.runtime, bills.build], ids=["runtime", "build"])
def test_bill_of_this_repository_is_strict_cyclonedx_1_6(bill):
    assert bills.refusal(bill()) == ""


def test_the_validator_refuses_a_key_that_cyclonedx_does_not_know():  # the check itself
    broken = copy.deepcopy(bills.runtime())
    broken["components"][0]["bogus"] = 1
    assert "bogus" in bills.refusal(broken)


def test_the_validator_refuses_a_licence_id_that_spdx_does_not_know():
    assert (
        bills.refusal(bills.phantom(soup={"author": "Us", "soup": [bills.entry("one", licence="MIT")]})) == ""
    )
    broken = bills.phantom()
    broken["components"][0]["licenses"] = [{"license": {"id": "MIT-99"}}]
    assert bills.refusal(broken)


def test_every_pin_is_a_component_and_nothing_that_is_only_installed():
    listed = {one["name"]: one["version"] for one in bills.runtime()["components"] if "purl" in one}
    assert listed == {name: version for file in bills.RUNTIME for name, version in bills.pins()[file].items()}
    assert distributions.installed(["pytest"])  # it is installed here, and no pin of the runtime
    assert [one["name"] for one in bills.build()["components"] if one["name"] == "pytest"] == ["pytest"]


def test_order_of_the_inputs_changes_no_byte():
    def shuffled(mapping):
        items = list(mapping.items())
        random.Random(1).shuffle(items)
        return dict(items)

    pins, found = bills.pins(), bills.installed()
    soup = bills.listed() | {"soup": bills.listed()["soup"][::-1]}
    again = sbom.runtime(
        {file: shuffled(pins[file]) for file in bills.RUNTIME},
        shuffled(found),
        soup,
        {"wheels": shuffled(bills.wheels()["wheels"])},
        bills.PRODUCT,
    )
    assert list(shuffled(pins["requirements/core.txt"])) != list(pins["requirements/core.txt"])
    assert records.dumps(again) == records.dumps(bills.runtime())


def test_build_takes_nothing_from_the_environment(monkeypatch):  # the same with and without the tools
    monkeypatch.setattr(
        distributions.importlib.metadata, "distribution", lambda name: pytest.fail(f"read {name}")
    )
    files = {file: bills.pins()[file] for file in bills.TOOLS}
    assert sbom.build(files, bills.listed(), bills.wheels(), bills.PRODUCT) == bills.build()


def test_serial_number_changes_with_the_content_and_there_is_no_timestamp():
    one, other = bills.phantom(), bills.phantom(pins={"requirements/core.txt": {"one": "1.1", "two": "2.0"}})
    assert one["serialNumber"] == bills.phantom()["serialNumber"] != other["serialNumber"]
    assert "timestamp" not in one["metadata"]


def test_no_bill_names_a_place_of_this_machine():
    text = json.dumps([bills.runtime(), bills.build(), bills.wheels()])
    assert "file:" not in text
    assert str(bills.ROOT) not in text


def test_direct_needs_transitive_and_the_product_needs_direct():
    found = {row["ref"]: row["dependsOn"] for row in bills.phantom()["dependencies"]}
    assert found == {
        "radiotrace": ["pkg:pypi/one@1.0"],
        "pkg:pypi/one@1.0": ["pkg:pypi/two@2.0"],
        "pkg:pypi/two@2.0": [],
    }


def test_what_another_entry_loads_hangs_there_and_not_on_the_product():
    soup = {"author": "Us", "soup": [bills.entry("one"), bills.entry("three", imports=[], loaded_by="one")]}
    found = bills.phantom(
        pins={"requirements/core.txt": {"one": "1.0", "three": "3.0"}},
        installed={"one": bills.said("1.0"), "three": bills.said("3.0")},
        soup=soup,
    )
    needs = {row["ref"]: row["dependsOn"] for row in found["dependencies"]}
    assert (needs["radiotrace"], needs["pkg:pypi/one@1.0"]) == (["pkg:pypi/one@1.0"], ["pkg:pypi/three@3.0"])


def test_a_need_that_is_not_pinned_does_not_enter():
    found = bills.phantom(installed={"one": bills.said("1.0", "two", "nvidia-x"), "two": bills.said("2.0")})
    assert records.dumps(found) == records.dumps(bills.phantom())


def test_people_go_before_metadata_and_both_are_told_apart():
    found = bills.phantom(
        soup={
            "author": "Us",
            "soup": [bills.entry("one", supplier="Makers Ltd", licence="MIT OR BSD-3-Clause")],
        }
    )
    one, two = bills.component(found, "one"), bills.component(found, "two")
    assert (one["supplier"]["name"], one["licenses"]) == (
        "Makers Ltd",
        [{"expression": "MIT OR BSD-3-Clause", "acknowledgement": "concluded"}],
    )
    assert (two["supplier"]["name"], two["licenses"]) == (
        "A. Author",
        [{"license": {"id": "MIT", "acknowledgement": "declared"}}],
    )
    assert bills.values(one, "radiotrace:supplier_from") == ["software/design/soup.yaml"]
    assert bills.values(two, "radiotrace:supplier_from") == [
        "author or maintainer in the metadata of the distribution"
    ]


def test_end_of_support_stands_where_it_is_known_and_is_unknown_where_not():
    found = bills.phantom(soup={"author": "Us", "soup": [bills.entry("one", end_of_support="2027-10")]})
    one, two = bills.component(found, "one"), bills.component(found, "two")
    assert bills.values(one, "cdx:lifecycle:milestone:endOfSupport") == ["2027-10"]
    assert bills.values(one, "radiotrace:unknown") == []
    assert bills.values(two, "radiotrace:unknown") == ["support_level", "end_of_support"]


def test_unknown_is_said_and_not_filled_in():
    bare = {
        "version": "2.0",
        "licence": None,
        "spdx": False,
        "summary": None,
        "homepage": None,
        "author": None,
        "requires": [],
    }
    found = bills.phantom(
        installed={"one": bills.said("1.0", "two"), "two": bare},
        wheels={"wheels": {"one": bills.wheel("1.0")}},
    )
    two = bills.component(found, "two")
    assert not {"supplier", "licenses", "hashes", "description"} & set(two)
    assert bills.values(two, "radiotrace:unknown") == [
        "supplier",
        "licence",
        "hash",
        "support_level",
        "end_of_support",
    ]


@pytest.mark.parametrize(("locked", "hashed"), [("2.0", True), ("2.0+cpu", True), ("2.1", False)])
def test_a_hash_counts_for_its_version_only(locked, hashed):
    found = bills.phantom(wheels={"wheels": {"two": bills.wheel(locked)}})
    assert ("hashes" in bills.component(found, "two")) is hashed


def test_completeness_counts_what_is_known_of_each_kind():
    found = sbom.completeness(bills.phantom(wheels={"wheels": {"two": bills.wheel("2.0")}}))
    assert found["components"]["direct"]["hash"] == {"n": 1, "n_known": 0}
    assert found["components"]["transitive"]["hash"] == {"n": 1, "n_known": 1}
    assert found["components"]["direct"]["support_level"] == {"n": 1, "n_known": 1}
    assert found["components"]["transitive"]["support_level"] == {"n": 1, "n_known": 0}
    assert found["document"] == {"author": {"n": 1, "n_known": 1}}
    assert list(found["left_out"]) == ["timestamp"]


def test_of_direct_components_here_all_is_known_but_the_end_of_support():
    counts = sbom.completeness(bills.runtime())["components"]["direct"]
    assert [name for name, row in counts.items() if row["n_known"] < row["n"]] == ["end_of_support"]


def test_of_tools_nothing_is_known_but_what_pins_and_lock_say():
    counts = sbom.completeness(bills.build())["components"]["tool"]
    assert sorted(name for name, row in counts.items() if row["n_known"]) == [
        "hash",
        "name",
        "purl",
        "version",
    ]


FOUND = {"one": bills.said("1.0", "two"), "two": bills.said("2.0")}


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        (FOUND, []),
        (FOUND | {"two": bills.said("2.0+cpu")}, []),
        (FOUND | {"two": bills.said("2.1")}, ["two: the bill says 2.0, found 2.1"]),
        ({"one": FOUND["one"]}, ["two: the bill says 2.0, found nothing"]),
        (FOUND | {"three": bills.said("3.0")}, ["three: found 3.0, the bill lacks it"]),
        (FOUND | {"two": bills.said("2.0", "four")}, ["four: two needs it, the bill lacks it"]),
        (
            {"one": {"version": "1.0"}, "two": {"version": "9"}},
            ["two: the bill says 2.0, found 9"],
        ),  # pins alone
    ],
    ids=["same", "local label", "version", "missing", "more", "need", "pins"],
)
def test_a_bill_of_a_different_environment_is_found_out(found, faults):
    assert sbom.drift(bills.phantom(), found) == faults


def test_the_bill_of_this_repository_is_of_this_environment():
    assert sbom.drift(bills.runtime(), bills.installed()) == []
