"""Provenance: a strict reading of the specifications finds no fault in the statement, and everything that
decided the model is in it."""

import copy
import json
import re
from pathlib import Path

import pytest

from radiotrace import records
from radiotrace.evidence.formats import provenance
from radiotrace.pipeline import params
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
A, B, C, D, E, F = ("abcdef"[number] * 64 for number in range(6))
WORKFLOW = {
    "stages": {
        "split": {"cmd": "split", "outs": ["build/split"]},
        "train": {
            "cmd": "train",
            "outs": ["build/train", {"metrics/training.svg": {"cache": False}}],
            "metrics": [{"metrics/headline.json": {"cache": False}}],
        },
    }
}
MODEL = {"run_id": F, "sha256": A, "weights_sha256": B}


def run() -> dict:
    """The least of the record 'run': split reads a list of files, train reads what split made."""
    shared = {"radiotrace/records/__init__.py": C}
    return {
        "run_id": F,
        "dataset_root_sha256": E,
        "stages": [
            {
                "stage": "split",
                "code": {"stages/split.py": A, **shared},
                "params": {"seed": 0, "fractions": {"test": 0.25}},
                "requirements_sha256": {"requirements/core.txt": D},
                "inputs": {"data.sha256": B},
            },
            {
                "stage": "train",
                "code": {"stages/segmentation/train.py": B, **shared},
                "params": {"seed": 0, "epochs": 3, "ema_share": 1.0},
                "requirements_sha256": {"requirements/core.txt": D},
                "inputs": {"build/split/split.json": A},
            },
        ],
    }


def statement(of=None) -> dict:
    return provenance.slsa(of or run(), MODEL, WORKFLOW, C)


def build(of: dict) -> dict:
    return of["predicate"]["buildDefinition"]


def dependencies(of: dict) -> dict:
    return {one["name"]: one["digest"]["sha256"] for one in build(of)["resolvedDependencies"]}


URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s]+")  # RFC 3986, case normalised as TypeURI demands


def check_descriptor(one: dict, needs: tuple[str, ...] = ()) -> list[str]:
    """in-toto Attestation Framework v1, ResourceDescriptor and DigestSet: fields and their types; one of
    uri, digest, content."""
    types = {
        "name": str,
        "uri": str,
        "digest": dict,
        "content": str,
        "downloadLocation": str,
        "mediaType": str,
        "annotations": dict,
    }
    broken = [f"{key} is no field" for key in one.keys() - types.keys()]
    broken += [
        f"{key} is no {kind.__name__}"
        for key, kind in types.items()
        if key in one and type(one[key]) is not kind
    ]
    broken += [] if {"uri", "digest", "content"} & one.keys() else ["none of uri, digest, content"]
    broken += [f"{key} is needed" for key in needs if key not in one]
    broken += [
        f"sha256 {digest}"
        for digest in [one.get("digest", {}).get("sha256")]
        if digest is None or not re.fullmatch("[0-9a-f]{64}", digest)
    ]
    broken += [
        f"{key} names no vendor" for key in one.get("annotations", {}) if not re.fullmatch("[a-z]+_.+", key)
    ]
    return broken


def check(found: dict) -> list[str]:
    """What breaks in-toto Statement v1 (_type, subject, predicateType, predicate) or SLSA v1.1 Build
    Provenance, Schema, at Build L1.

    Stricter than both: a field that neither knows is a fault, and so is a name that stands twice.
    """
    broken = (
        [f"statement: {sorted(found)}"]
        if found.keys() != {"_type", "subject", "predicateType", "predicate"}
        else []
    )
    broken += [] if found["_type"] == "https://in-toto.io/Statement/v1" else ["_type"]
    broken += [] if found["predicateType"] == "https://slsa.dev/provenance/v1" else ["predicateType"]
    broken += [] if found["subject"] else ["no subject"]
    definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    broken += [f"predicate: {key}" for key in found["predicate"].keys() - {"buildDefinition", "runDetails"}]
    parameters = {"externalParameters", "internalParameters"}
    broken += [
        f"buildDefinition: {key}"
        for key in definition.keys() - {"buildType", "resolvedDependencies"} - parameters
    ]
    broken += [f"runDetails: {key}" for key in details.keys() - {"builder", "metadata", "byproducts"}]
    broken += [
        what
        for what, uri in (("buildType", definition["buildType"]), ("builder.id", details["builder"]["id"]))
        if not URI.fullmatch(uri)
    ]
    broken += (
        []
        if isinstance(definition["externalParameters"], dict) and definition["externalParameters"]
        else ["externalParameters"]
    )
    for group in (
        found["subject"],
        definition.get("resolvedDependencies", []),
        details.get("byproducts", []),
    ):
        broken += [fault for one in group for fault in check_descriptor(one, ("name", "digest"))]
        names = [one["name"] for one in group if "name" in one]
        broken += [f"{name} stands twice" for name in sorted(set(names)) if names.count(name) > 1]
    return broken


def test_statement_breaks_no_rule():
    assert check(statement()) == []


def test_statement_of_the_example_breaks_no_rule():
    found = provenance.slsa(
        records.read(submitted.folder() / "evidence/run.json", "run"),
        records.read(submitted.folder() / "evidence/model.json", "released_model"),
        params.load_yaml(ROOT / "dvc.yaml"),
        records.sha256(ROOT / "dvc.yaml"),
    )
    assert check(found) == []


@pytest.mark.parametrize(
    ("way", "value", "fault"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1", "_type"),
        (("subject",), [], "no subject"),
        (("subject", 0, "digest", "sha256"), "zz", "sha256 zz"),
        (("subject", 0, "digest", "sha256"), "A" * 64, "sha256 " + "A" * 64),
        (("predicate", "buildDefinition", "buildType"), "dvc repro", "buildType"),
        (("predicate", "buildDefinition", "externalParameters"), {}, "externalParameters"),
        (("predicate", "runDetails", "builder", "id"), "me", "builder.id"),
        (("predicate", "runDetails", "host"), "mine", "runDetails: host"),
    ],
)
def test_check_finds_what_is_broken(way, value, fault):  # the check itself
    found = place = copy.deepcopy(statement())
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    assert check(found) == [fault]


def test_subjects_are_the_model_and_its_weights():
    assert [(one["name"], one["digest"]["sha256"]) for one in statement()["subject"]] == [
        ("build/export/model.onnx", A),
        ("build/train/weights.safetensors", B),
    ]


def test_dependencies_are_what_was_read_and_not_made():  # split.json was made by a stage
    assert dependencies(statement()) == {
        "data.sha256": B,
        "dvc.yaml": C,
        "radiotrace/records/__init__.py": C,
        "requirements/core.txt": D,
        "stages/split.py": A,
        "stages/segmentation/train.py": B,
    }


def test_root_of_the_data_set_stands_beside_the_list_of_its_files():
    notes = {one["name"]: one.get("annotations") for one in build(statement())["resolvedDependencies"]}
    assert notes.pop("data.sha256") == {"radiotrace_root_sha256": E}
    assert set(notes.values()) == {None}


def test_every_parameter_of_every_stage_is_external():
    found = build(statement())["externalParameters"]["params"]
    assert found == {
        "split": {"seed": 0, "fractions": {"test": 0.25}},
        "train": {"seed": 0, "epochs": 3, "ema_share": 1.0},
    }


def test_numbers_keep_their_type_through_json():  # a library turned seed 0 into 0.0
    found = build(json.loads(json.dumps(statement())))["externalParameters"]["params"]["train"]
    assert [type(found[key]) for key in ("seed", "epochs", "ema_share")] == [int, int, float]


def test_paths_among_the_parameters_name_dependencies():
    found = build(statement())["externalParameters"]
    assert found["pins"] == ["requirements/core.txt"]
    assert {found["workflow"], found["data"], *found["pins"]} <= dependencies(statement()).keys()


def test_nothing_of_time_or_place_is_said():
    assert statement()["predicate"]["runDetails"] == {"builder": {"id": provenance.BUILDER}}


def test_order_of_files_changes_nothing():
    turned = run()
    for stage in turned["stages"]:
        stage["code"] = dict(reversed(stage["code"].items()))
    assert json.dumps(statement(turned)) == json.dumps(statement())


def test_model_of_another_run_is_refused():
    with pytest.raises(ValueError, match="model of run"):
        provenance.slsa(run(), MODEL | {"run_id": A}, WORKFLOW, C)


@pytest.mark.parametrize(
    ("group", "path"), [("code", "radiotrace/records/__init__.py"), ("inputs", "data.sha256")]
)
def test_path_with_two_contents_is_refused(group, path):
    broken = run()
    broken["stages"][1][group][path] = A
    with pytest.raises(ValueError, match=path):
        statement(broken)


def test_stages_with_different_pins_are_refused():
    broken = run()
    broken["stages"][1]["requirements_sha256"]["requirements/core.txt"] = A
    with pytest.raises(ValueError, match=r"requirements/core\.txt"):
        statement(broken)


def test_outputs_are_those_of_every_kind():
    assert provenance.outputs(WORKFLOW) == {
        "split": ["build/split"],
        "train": ["build/train", "metrics/headline.json", "metrics/training.svg"],
    }


@pytest.mark.parametrize(
    ("path", "made"),
    [("build/train", True), ("build/train/a/b.json", True), ("build/training.json", False), ("build", False)],
)
def test_file_is_made_when_it_lies_in_an_output(path, made):
    assert provenance.is_made(path, provenance.outputs(WORKFLOW)) is made
