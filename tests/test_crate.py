"""The crate: rocrate reads it, the MUSTs of its profiles hold, and every file leads to the action that
made it."""

import copy
import json
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from radiotrace import records
from radiotrace.evidence.formats import crate
from radiotrace.pipeline import params
from tests import submitted

ROOT = Path(__file__).resolve().parent.parent
CARD = json.loads((ROOT / "tests/schema_cases/dataset_card/valid/one_fact.json").read_text("utf-8"))
A, B, C, D, E, F = ("abcdef"[number] * 64 for number in range(6))
WORKFLOW = {
    "stages": {
        "split": {
            "desc": "Give every subject to a part",
            "cmd": "python -m stages.split\n--out build/split",
            "deps": ["data", "data.sha256"],
            "outs": ["build/split"],
        },
        "train": {
            "cmd": "python -m stages.segmentation.train",
            "deps": ["build/split/split.json"],
            "outs": ["build/live", "build/train", "build/tried.json"],
        },
        "evidence": {
            "cmd": "python -m stages.evidence",
            "deps": ["build/train/train.json"],
            "outs": [{"evidence": {"cache": False}}],
        },
    }
}
FILES = [
    {"path": "dvc.yaml", "sha256": A, "bytes": 10},
    {"path": "build/split/split.json", "sha256": B, "bytes": 20},
    {"path": "build/train/train.json", "sha256": C, "bytes": 30, "schema": None},
    {"path": "evidence/run.json", "sha256": D, "bytes": 40},
    {"path": "evidence/manifest.json", "sha256": None, "bytes": None},
]

SCRIPTS = {
    "split": "stages/split.py",
    "train": "stages/segmentation/train.py",
    "evidence": "stages/evidence.py",
}


def run() -> dict:
    """The least of the record 'run': three stages, each reading what the one before it made."""

    def stage(name, given, inputs):
        return {
            "stage": name,
            "code": {SCRIPTS[name]: E, "radiotrace/records/__init__.py": F},
            "params": given,
            "requirements_sha256": {"requirements/core.txt": A},
            "inputs": inputs,
        }

    return {
        "run_id": F,
        "dataset_root_sha256": E,
        "stages": [
            stage("split", {"seed": 0, "fractions": {"test": 0.25}}, {"data.sha256": D}),
            stage("train", {"fold": None}, {"build/split/split.json": B}),
            stage("evidence", {}, {"build/train/train.json": C}),
        ],
    }


def made(of=None, files=FILES, date="2026-11-22") -> dict:
    return crate.crate(of or run(), WORKFLOW, files, CARD, date)


def listed() -> list[dict]:
    """What the manifest of the example lists, as the crate takes it."""
    rows = records.read(submitted.folder() / "evidence/manifest.json", "manifest")["files"]
    return [row for row in rows if row["path"] not in ("dvc.yaml", "evidence/ro-crate-metadata.json")]


@pytest.fixture(scope="module")
def example() -> dict:
    """The crate of the example's bundle."""
    workflow = {
        "path": "dvc.yaml",
        "sha256": records.sha256(ROOT / "dvc.yaml"),
        "bytes": (ROOT / "dvc.yaml").stat().st_size,
    }
    return crate.crate(
        records.read(submitted.folder() / "evidence/run.json", "run"),
        params.load_yaml(ROOT / "dvc.yaml"),
        [*listed(), workflow],
        params.load_yaml(ROOT / "design/dataset_card.yaml"),
        "2026-11-22",
    )


def by_id(document: dict) -> dict:
    return {entity["@id"]: entity for entity in document["@graph"]}


def ids(value) -> list[str]:
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def types(entity: dict) -> set[str]:
    return set(entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]])


def references(value):
    """Every {"@id": …} below a value that is only a reference."""
    if isinstance(value, dict):
        if value.keys() == {"@id"}:
            yield value["@id"]
        else:
            for item in value.values():
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def faults(document: dict) -> list[str]:
    """What breaks a MUST.

    Sources: RO-Crate 1.1, Root Data Entity and Data Entities; Workflow RO-Crate 1.0; Process, Workflow and
    Provenance Run Crate 0.5, Requirements. Beyond them: every reference leads to an entity, except to the
    specification itself.
    """
    found, entities = [], by_id(document)

    def must(holds, what):
        if not holds:
            found.append(what)

    must(len(entities) == len(document["@graph"]), "an @id stands twice")
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    must(
        types(descriptor) == {"CreativeWork"} and ids(descriptor["about"]) == ["./"],
        "descriptor is about the root",
    )
    must(
        "https://w3id.org/ro/crate/1.1" in ids(descriptor["conformsTo"]),
        "descriptor conforms to RO-Crate 1.1",
    )
    must(
        types(root) == {"Dataset"} and {"name", "description", "datePublished", "license"} <= root.keys(),
        "root is described",
    )
    for profile in ("ro/wfrun/process/0.5", "ro/wfrun/workflow/0.5", "ro/wfrun/provenance/0.5"):
        must(f"https://w3id.org/{profile}" in ids(root["conformsTo"]), f"root conforms to {profile}")
        must(
            "CreativeWork" in types(entities.get(f"https://w3id.org/{profile}", {"@type": []})),
            f"{profile} is described",
        )
    workflow = entities[ids(root["mainEntity"])[0]]
    must(
        {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"} <= types(workflow),
        "types of the workflow",
    )
    must(
        types(entities[ids(workflow["programmingLanguage"])[0]]) == {"ComputerLanguage"},
        "language of the workflow",
    )
    reached = set(ids(root["hasPart"]))
    must(
        all(
            identifier in reached
            for identifier, entity in entities.items()
            if types(entity) & {"File", "Dataset"} and identifier != "./"
        ),
        "a data entity is no part of the root",
    )
    actions = [entity for entity in entities.values() if "CreateAction" in types(entity)]
    must(
        any(ids(action["instrument"]) == [workflow["@id"]] for action in actions), "execution of the workflow"
    )
    tools = set(ids(workflow["hasPart"]))
    must(
        tools == {ids(action["instrument"])[0] for action in actions} - {workflow["@id"]},
        "the workflow has its tools, each executed",
    )
    must(
        all(types(entities[tool]) & {"SoftwareSourceCode", "SoftwareApplication"} for tool in tools),
        "type of a tool",
    )
    steps = {identifier: entity for identifier, entity in entities.items() if "HowToStep" in types(entity)}
    must(set(ids(workflow["step"])) == steps.keys(), "the workflow has its steps")
    must(all(ids(step["workExample"])[0] in tools for step in steps.values()), "a step has a tool")
    controls = [entity for entity in entities.values() if "ControlAction" in types(entity)]
    must({ids(control["instrument"])[0] for control in controls} == steps.keys(), "a step was executed")
    must(
        all("CreateAction" in types(entities[ids(control["object"])[0]]) for control in controls),
        "an execution of a step has that of a tool",
    )
    must(
        set(references(document["@graph"])) <= entities.keys() | {"https://w3id.org/ro/crate/1.1"},
        "a reference leads nowhere",
    )
    return found


def test_no_must_is_broken():
    assert faults(made()) == []


def test_no_must_is_broken_in_the_example(example):
    assert faults(example) == []


@pytest.mark.parametrize(
    ("identifier", "key", "value", "fault"),
    [
        ("./", "license", None, "root is described"),
        ("./", "datePublished", None, "root is described"),
        ("./", "hasPart", [], "a data entity is no part of the root"),
        (
            "../dvc.yaml",
            "@type",
            ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "types of the workflow",
        ),
        ("../dvc.yaml", "step", [], "the workflow has its steps"),
        ("#split-step", "workExample", {"@id": "../data.sha256"}, "a step has a tool"),
        ("#run", "instrument", {"@id": "../stages/split.py"}, "execution of the workflow"),
        ("#train", "object", [{"@id": "lost"}], "a reference leads nowhere"),
    ],
)
def test_check_finds_what_is_broken(identifier, key, value, fault):  # the check itself
    document = copy.deepcopy(made())
    by_id(document)[identifier][key] = value
    if value is None:
        del by_id(document)[identifier][key]
    assert fault in faults(document)


def test_rocrate_reads_the_example(example, tmp_path):
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(example))
    found = ROCrate(tmp_path)
    assert (found.mainEntity.id, found.datePublished.isoformat()[:10]) == ("../dvc.yaml", "2026-11-22")
    assert {entity.id for entity in found.get_entities()} == by_id(example).keys()
    assert [
        action["instrument"].id for action in found.get_by_type("CreateAction") if action.id == "#train"
    ] == ["../stages/segmentation/train.py"]


def test_every_file_of_the_example_is_part_with_its_hash(example):
    entities = by_id(example)
    for row in listed():
        identifier = row["path"].removeprefix("evidence/") if row["in_bundle"] else f"../{row['path']}"
        assert identifier in ids(entities["./"]["hasPart"])
        assert (entities[identifier]["sha256"], entities[identifier]["contentSize"]) == (
            row["sha256"],
            str(row["bytes"]),
        )


def test_inputs_and_outputs_of_every_action_of_the_example_have_a_hash(example):
    entities = by_id(example)
    actions = [entity for entity in entities.values() if "CreateAction" in types(entity)]
    seen = {
        identifier for action in actions for key in ("object", "result") for identifier in ids(action[key])
    }
    files = {identifier for identifier in seen if "File" in types(entities[identifier])}
    assert len(files) > 40  # the walk saw something
    assert {identifier for identifier in files if "sha256" not in entities[identifier]} <= {
        "../metrics/gates.json",
        "manifest.json",
        "SHA256SUMS",
    }


def test_action_leads_from_inputs_through_a_script_to_results():
    action = by_id(made())["#split"]
    assert (ids(action["instrument"]), ids(action["result"])) == (
        ["../stages/split.py"],
        ["../build/split/split.json"],
    )
    assert ids(action["object"]) == [
        "../data/",
        "../data.sha256",
        "../requirements/core.txt",
        "#split-param-fractions",
        "#split-param-seed",
    ]


def test_result_of_a_stage_is_the_object_of_the_next():
    entities = by_id(made())
    assert set(ids(entities["#split"]["result"])) <= set(ids(entities["#train"]["object"]))


def test_run_reads_what_no_stage_made_and_results_in_all_that_one_did():
    action = by_id(made())["#run"]
    assert ids(action["object"]) == ["../data.sha256", "../data/", "../requirements/core.txt"]
    assert set(ids(action["result"])) == {
        "../build/live/",
        "../build/split/split.json",
        "../build/train/train.json",
        "../build/tried.json",
        "run.json",
        "manifest.json",
    }


def test_output_without_a_known_hash_says_so():
    entity = by_id(made())["../build/tried.json"]
    assert entity["@type"] == "File"
    assert "sha256" not in entity
    assert "does not list it" in entity["description"]


def test_folder_without_a_known_file_is_a_data_set_and_says_so():
    entity = by_id(made())["../build/live/"]
    assert entity["@type"] == "Dataset"
    assert "does not list its files" in entity["description"]


def test_file_that_lists_the_crate_has_no_hash_and_says_why():
    entity = by_id(made())["manifest.json"]
    assert not {"sha256", "contentSize"} & entity.keys()
    assert "lists this crate" in entity["description"]


def test_parameters_keep_their_value():
    entities = by_id(made())
    names = ("#split-param-seed", "#split-param-fractions", "#train-param-fold")
    assert [entities[name]["value"] for name in names] == [0, '{"test": 0.25}', "null"]


def test_script_has_what_it_imports():
    assert ids(by_id(made())["../stages/segmentation/train.py"]["hasPart"]) == [
        "../radiotrace/records/__init__.py"
    ]


def test_licences_of_data_and_code_are_apart():
    entities = by_id(made())
    assert (entities["../data/"]["license"], entities["./"]["license"]) == (
        {"@id": CARD["licence_url"]},
        {"@id": "https://spdx.org/licenses/MIT"},
    )


def test_actions_have_no_time_and_nobody():
    assert not {"startTime", "endTime", "agent"} & {key for entity in made()["@graph"] for key in entity}


def test_order_of_files_changes_nothing():
    assert json.dumps(made(files=FILES[::-1])) == json.dumps(made())


def test_space_in_a_path_is_escaped():
    assert "a%20b.json" in by_id(made(files=[*FILES, {"path": "evidence/a b.json", "sha256": A, "bytes": 1}]))


@pytest.mark.parametrize("date", ["today", "2026-11", "2026-11-22T10:00:00"])
def test_date_that_is_no_day_is_refused(date):
    with pytest.raises(ValueError, match="date_published"):
        made(date=date)


def test_workflow_must_be_listed():
    with pytest.raises(ValueError, match=r"dvc\.yaml"):
        made(files=FILES[1:])


def test_crate_that_lists_itself_is_refused():
    with pytest.raises(ValueError, match="its own hash"):
        made(files=[*FILES, {"path": "evidence/ro-crate-metadata.json", "sha256": A, "bytes": 1}])


def test_file_that_a_stage_saw_with_another_hash_is_refused():
    with pytest.raises(ValueError, match=r"split\.json"):
        made(files=[row | {"sha256": A} for row in FILES])
