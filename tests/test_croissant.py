"""The data set as Croissant: mlcroissant reads it, refuses other bytes, and finds every file's hash and
every case's part."""

import copy
import hashlib
import json
from pathlib import Path

import mlcroissant
import pytest

from radiotrace import records
from radiotrace.evidence.formats import croissant
from radiotrace.pipeline import params
from radiotrace.records import merkle
from tests import submitted

# rdflib warns of a class of its own.
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "tests/schema_cases/dataset_card/valid/one_fact.json"
# Contents of the four raw files of two cases.
CONTENTS = {
    f"{folder}/{name}.nii.gz": f"{folder} of {name}".encode()
    for folder in ("imagesTr", "labelsTr")
    for name in ("p_01", "p_02")
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def card():
    return json.loads(CARD.read_text("utf-8"))


@pytest.fixture
def dataset():
    """The least of the record 'dataset': two cases of two subjects."""
    hashes = {path: sha256(content) for path, content in CONTENTS.items()}

    def file(path):
        return {"path": path, "sha256": hashes[path]}

    cases = [
        {
            "case_id": name,
            "subject_id": f"s{name[1:]}",
            "image": file(f"imagesTr/{name}.nii.gz"),
            "label_map": file(f"labelsTr/{name}.nii.gz"),
        }
        for name in ("p_02", "p_01")
    ]
    return {
        "dataset": {"name": "Phantoms", "description": "Two cubes.", "root_sha256": merkle.root(hashes)},
        "cases": cases,
    }


@pytest.fixture
def split():
    return {
        "cases": {
            "p_01": {"part": "train", "fold": 2, "subject_id": "s_01"},
            "p_02": {"part": "test", "fold": 0, "subject_id": "s_02"},
        }
    }


@pytest.fixture
def on_disk(tmp_path, dataset, split, card):
    """The raw files and the document, placed as in a clone; yields the path of the document."""
    for path, content in CONTENTS.items():
        records.write_bytes(tmp_path / "data" / path, content)
    records.write_bytes(
        tmp_path / "evidence/dataset.croissant.json",
        json.dumps(croissant.croissant(dataset, split, card)).encode(),
    )
    return tmp_path / "evidence/dataset.croissant.json"


def load(path) -> mlcroissant.Dataset:
    return mlcroissant.Dataset(str(path))


def faults(path) -> tuple:
    issues = load(path).metadata.ctx.issues
    return sorted(issues.errors), sorted(issues.warnings)


def test_mlcroissant_finds_no_fault(on_disk):
    assert faults(on_disk) == ([], [])


# it logs the terms that are not the standard's
def test_mlcroissant_knows_all_terms_of_the_context(on_disk, caplog):
    load(on_disk)
    assert [record.message for record in caplog.records if "@context" in record.message] == []


def test_mlcroissant_finds_no_fault_in_the_example(tmp_path):
    found = croissant.croissant(
        *(records.read(submitted.folder() / f"evidence/{name}.json", name) for name in ("dataset", "split")),
        params.load_yaml(ROOT / "design/dataset_card.yaml"),
    )
    (tmp_path / "found.json").write_text(json.dumps(found))
    assert faults(tmp_path / "found.json") == ([], [])


def test_mlcroissant_misses_a_file_without_hash(on_disk):  # the validator itself
    document = json.loads(on_disk.read_text())
    del document["distribution"][0]["sha256"]
    on_disk.write_text(json.dumps(document))
    with pytest.raises(mlcroissant.ValidationError, match="sha256"):
        load(on_disk)


def test_cases_have_their_part_and_files(on_disk):
    found = [
        {key.removeprefix("cases/"): value for key, value in row.items()}
        for row in load(on_disk).records("cases")
    ]
    assert [(row["case_id"], row["part"], row["fold"], row["image_sha256"]) for row in found] == [
        ("p_01", "train", 2, sha256(b"imagesTr of p_01")),
        ("p_02", "test", 0, sha256(b"imagesTr of p_02")),
    ]


@pytest.mark.parametrize("kind", ["images", "label_maps"])
def test_files_that_are_unchanged_are_read(on_disk, kind):
    assert [row[f"{kind}_files/filename"] for row in load(on_disk).records(f"{kind}_files")] == [
        b"p_01.nii.gz",
        b"p_02.nii.gz",
    ]


def test_file_with_other_bytes_is_refused(on_disk):
    (on_disk.parent.parent / "data/labelsTr/p_02.nii.gz").write_bytes(b"labelsTr of p_03")
    with pytest.raises(mlcroissant.GenerationError, match=r"Download\(labelsTr/p_02"):
        list(load(on_disk).records("label_maps_files"))


def test_every_raw_file_of_the_example_stands_with_the_hash_of_the_manifest():
    dataset, split = (
        records.read(submitted.folder() / f"evidence/{name}.json", name) for name in ("dataset", "split")
    )
    listed = dict(
        reversed(line.split("  ")) for line in (submitted.folder() / "data.sha256").read_text().splitlines()
    )
    found = croissant.croissant(dataset, split, params.load_yaml(ROOT / "design/dataset_card.yaml"))
    stated = {
        f"data/{one['@id']}": one["sha256"]
        for one in found["distribution"]
        if one["@type"] == "cr:FileObject"
    }
    assert stated == {
        path: digest
        for path, digest in listed.items()
        if path.startswith(("data/imagesTr/", "data/labelsTr/"))
    }


def test_order_of_cases_changes_nothing(dataset, split, card):
    one = croissant.croissant(dataset, split, card)
    assert croissant.croissant(dataset | {"cases": dataset["cases"][::-1]}, split, card) == one


def test_nothing_is_changed_in_the_records(dataset, split, card):
    before = copy.deepcopy((dataset, split, card))
    croissant.croissant(dataset, split, card)
    assert (dataset, split, card) == before


def test_case_that_was_excluded_has_no_part(dataset, split, card):
    del split["cases"]["p_01"]
    row = croissant.croissant(dataset, split, card)["recordSet"][0]["data"][0]
    assert (row["cases/case_id"], row["cases/part"], row["cases/fold"]) == ("p_01", None, None)


def test_case_that_the_data_set_does_not_hold_is_refused(dataset, split, card):
    split["cases"]["p_09"] = {"part": "test", "fold": 0}
    with pytest.raises(ValueError, match="p_09"):
        croissant.croissant(dataset, split, card)


def test_hash_that_does_not_give_the_root_is_refused(dataset, split, card):
    dataset["cases"][0]["image"]["sha256"] = "0" * 64
    with pytest.raises(ValueError, match="root hash"):
        croissant.croissant(dataset, split, card)


def test_fact_that_nobody_knows_says_so(dataset, split, card):
    assert croissant.croissant(dataset, split, card)["rai:dataLimitations"] == croissant.UNKNOWN


def test_known_fact_names_its_source(dataset, split, card):
    assert croissant.croissant(dataset, split, card)["rai:dataBiases"] == "Cubes only. [readme]"


def test_unknown_facts_are_counted_in_the_description(dataset, split, card):  # 19 facts, one of them known
    assert (
        "Unknown (18): facts.annotation_analysis, "
        in croissant.croissant(dataset, split, card)["description"]
    )


def test_unknown_date_and_version_are_counted_and_not_made_up(dataset, split, card):
    found = croissant.croissant(dataset, split, card | {"version": None, "date_published": None})
    assert "Unknown (20)" in found["description"]
    assert not {"version", "datePublished"} & found.keys()


def test_known_timeframe_is_given_as_dates(dataset, split, card):
    card["facts"]["collection_timeframe"] = {"start": "2010-01", "end": "2012", "sources": ["readme"]}
    assert croissant.croissant(dataset, split, card)["rai:dataCollectionTimeframe"] == ["2010-01", "2012"]


def test_source_that_the_card_does_not_name_is_found(card):
    card["facts"]["biases"]["sources"] = ["readme", "hearsay"]
    assert croissant.card_faults(card) == ["facts.biases: source 'hearsay' is not under sources"]


def test_card_of_the_example_has_no_fault():
    card = params.load_yaml(ROOT / "design/dataset_card.yaml")
    assert records.faults(card, "dataset_card") + croissant.card_faults(card) == []


def test_every_fact_of_the_card_has_its_term():
    facts = json.loads((records.SCHEMAS / "dataset_card.schema.json").read_text("utf-8"))["properties"][
        "facts"
    ]["properties"]
    assert facts.keys() - croissant.RAI.keys() == {"collection_timeframe"}
