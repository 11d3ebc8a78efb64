"""trace: what an id, a file, a case or a subject is linked to, held against the evidence of this
repository."""

import argparse

import pytest

from radiotrace.commands import trace
from radiotrace.errors import StageError
from radiotrace.evidence.design import controls
from radiotrace.evidence.trace import hashes, lineage, links
from radiotrace.pipeline import params
from radiotrace.pipeline.study import Study
from tests import projects, submitted

WORKFLOW = {
    "stages": {  # a -> b -> c, and d that stands on nothing of them
        "a": {"deps": ["data", "code.py"], "outs": ["build/a"]},
        "b": {
            "deps": ["build/a/list.json"],
            "outs": ["build/b"],
            "metrics": [{"metrics/b.json": {"cache": False}}],
        },
        "c": {"deps": ["metrics/b.json"], "outs": ["build/c"]},
        "d": {"deps": ["build/ab"], "outs": ["build/d"]},
    }
}


@pytest.fixture(scope="module")
def bundle() -> dict:
    described = controls.load(projects.ROOT / "design", projects.ROOT / "software").negative_controls
    return trace.read(submitted.folder() / "evidence") | {
        "seeded_faults.json": {
            "schema": "radiotrace-negative-controls/1.0",
            "negative_controls": list(described.values()),
        }
    }


@pytest.fixture(scope="module")
def workflow() -> dict:
    return params.load_yaml(projects.ROOT / "dvc.yaml")


@pytest.fixture
def asked(bundle, workflow):
    """A function that asks for a thing: title of each table that is not empty -> its rows."""

    def tables(thing, root=None) -> dict:
        return {
            title: rows
            for title, rows in trace.answer(bundle, workflow, Study(root or submitted.folder()), thing)
            if rows
        }

    return tables


def first_column(rows) -> list[str]:
    return [row[0] for row in rows]


def test_a_requirement_leads_up_to_needs_and_hazards_and_down_to_tests_and_faults(asked, bundle):
    found, row = asked("SRS-DATA-1"), bundle["traceability.json"]["requirements"]["SRS-DATA-1"]
    assert first_column(found["upward: needs"]) == ["UN-3", "UN-4"]
    assert first_column(found["upward: risk controls"]) == ["RC-1"]
    assert set(first_column(found["upward: hazards"])) == set(
        bundle["risks.json"]["controls"]["RC-1"]["hazards"]
    )
    assert found["downward: tests"] == [
        (test, bundle["traceability.json"]["tests"][test]["outcome"]) for test in row["tests"]
    ]
    assert found["downward: negative controls"] == [
        ("NC-DATA-1", "files that changed are accepted", row["negative_controls"]["NC-DATA-1"])
    ]
    assert found["requirement"][1:3] == [("whose", "software"), ("status", row["status"])]
    assert first_column(found.get("what speaks against it", [])) == row["reasons"]


def test_a_requirement_of_performance_has_its_criterion(asked, bundle):
    result = next(one for one in bundle["acceptance.json"]["results"] if one["requirement"] == "SRS-SEG-1")
    assert asked("SRS-SEG-1")["downward: criterion"] == [
        ("SRS-SEG-1", "dice.anterior", result["verdict"], result["reason"], "35 subjects")
    ]


def test_a_need_leads_down_to_its_requirements_and_their_tests(asked, bundle):
    found = asked("UN-2")
    mine = bundle["traceability.json"]["user_needs"]["UN-2"]["requirements"]
    assert first_column(found["downward: requirements"]) == mine
    assert set(first_column(found["downward: tests"])) == {
        test for one in mine for test in bundle["traceability.json"]["requirements"][one]["tests"]
    }


def test_a_risk_control_leads_both_ways(asked, bundle):
    found = asked("RC-17")
    assert first_column(found["upward: hazards"]) == ["HAZ-9", "HAZ-10"]
    assert (
        first_column(found["downward: requirements"])
        == bundle["risks.json"]["controls"]["RC-17"]["requirements"]
    )


def test_a_hazard_leads_down_to_its_controls_and_what_they_stand_on(asked, bundle):
    found = asked("HAZ-12")
    assert (
        first_column(found["downward: risk controls"])
        == bundle["risks.json"]["hazards"]["HAZ-12"]["controls"]
    )
    behind = {
        one
        for control in bundle["risks.json"]["hazards"]["HAZ-12"]["controls"]
        for one in bundle["risks.json"]["controls"][control]["requirements"]
    }
    assert set(first_column(found["downward: requirements"])) == behind


def test_a_negative_control_says_what_it_seeds_where_and_for_whom(asked):
    found = asked("NC-DATA-1")
    assert found["negative control"] == [
        ("NC-DATA-1", "files that changed are accepted"),
        ("seeded in", "radiotrace/imaging/identity.py"),
    ]
    assert first_column(found["upward: requirements"]) == ["SRS-DATA-1"]


def test_a_fault_that_was_noticed_names_the_test(bundle):
    red = "tests/test_identity.py::test_a_renamed_file_is_missing_and_extra[x]"
    seen = {"NC-DATA-1": {"requirements": {"SRS-DATA-1": {"verdict": "red", "red": [red]}}}}
    changed = bundle | {"negative_controls.json": {"controls": seen}}
    assert dict(links.negative_control(changed, "NC-DATA-1"))["noticed by"] == [("SRS-DATA-1", red)]
    noticed = dict(links.test(changed, red.removesuffix("[x]")))["negative controls that it noticed"]
    assert noticed == [("NC-DATA-1", "SRS-DATA-1")]


def test_a_test_leads_up_to_its_requirements(asked):
    assert first_column(asked("tests/test_split.py::test_twins_are_in_one_part")["upward: requirements"]) == [
        "SRS-SPLIT-1"
    ]


def test_an_anomaly_leads_to_what_it_touches(asked):
    found = asked("ANO-2")
    assert first_column(found["upward: hazards"]) == ["HAZ-5", "HAZ-11"]
    assert first_column(found["upward: requirements"]) == ["SRS-DATA-2"]
    assert first_column(found["shown by"]) == ["radiotrace/imaging/checks.py"]


def test_a_clause_says_what_the_bundle_shows_of_it_and_who_names_it(asked, bundle):
    found = asked("iec62304@2006+A1-2015:5.2.2")
    naming = [
        one["id"]
        for one in bundle["requirements.json"]["requirements"]
        if "iec62304@2006+A1-2015:5.2.2" in one["clauses"]
    ]
    assert first_column(found["requirements that name it"]) == naming
    assert first_column(found["downward: what the bundle shows"]) == ["requirements.json#/requirements"]


def test_everything_that_has_an_id_can_be_asked_for(bundle, asked):
    known = links.answers(bundle)
    assert set(known.values()) == {
        links.requirement,
        links.need,
        links.risk_control,
        links.hazard,
        links.negative_control,
        links.test,
        links.anomaly,
        links.clause,
    }
    for name in known:
        assert asked(name)


def test_stages_downstream_are_those_that_stand_on_what_is_made():
    assert lineage.downstream(WORKFLOW, ["a"]) == ["a", "b", "c"]
    assert lineage.downstream(WORKFLOW, ["b"]) == ["b", "c"]
    assert lineage.stale(WORKFLOW, ["b"]) == [("b", "build/b, metrics/b.json"), ("c", "build/c")]


def test_a_folder_that_is_read_covers_its_files_and_no_folder_of_like_name():
    assert lineage.readers(WORKFLOW, ["data/imagesTr/x.nii.gz"]) == ["a"]
    assert lineage.readers(WORKFLOW, ["build/a"]) == ["b"]  # not d, which reads build/ab


def test_code_names_the_stages_that_read_it_and_all_that_would_be_stale(asked):
    found = asked("radiotrace/imaging/volumes.py")
    assert ("ingest", "as code") in found["read by"]
    assert first_column(found["stale if it changed"]) == [
        "ingest",
        "validate",
        "split",
        "train",
        "evaluate",
        "robustness",
        "explain",
        "export",
        "distil",
        "optimize",
        "report",
        "evidence",
    ]
    assert "NC-DATA-3" in first_column(found["negative controls that are seeded in it"])
    assert "SRS-DATA-3" in first_column(found["requirements behind these"])
    assert any(
        test.startswith("tests/test_volumes.py::")
        for test in first_column(found["tests in it, or in the file that is named for it"])
    )


def test_a_record_of_a_stage_names_its_maker_and_what_stands_on_it(asked):
    found = asked("build/split/split.json")
    assert found["made by"] == [("split",)]
    assert "split" not in first_column(found["stale if it changed"])
    assert first_column(found["stale if it changed"])[0] == "train"


def test_metrics_name_the_criteria_that_are_judged_on_them(asked, bundle):
    judged = [one["id"] for one in bundle["requirements.json"]["requirements"] if "acceptance" in one]
    assert {"SRS-SEG-1", "SRS-VOL-2"} < set(judged)
    assert sorted(first_column(asked("metrics/metrics.json")["criteria that are judged on it"])) == sorted(
        judged
    )


def test_a_file_that_changed_is_said_to_be_another_one(asked, tmp_path):
    path = "radiotrace/imaging/volumes.py"
    assert {state for _, _, state in asked(path, tmp_path)["SHA-256 in the evidence"]} == {"not here now"}
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("changed")
    assert {state for _, _, state in asked(path, tmp_path)["SHA-256 in the evidence"]} == {"another now"}


def test_a_path_may_be_absolute_or_start_inside_the_data(asked):
    assert asked(str(submitted.folder() / "radiotrace/pipeline/stage.py")) == asked(
        "radiotrace/pipeline/stage.py"
    )
    assert asked("imagesTr/hippocampus_001.nii.gz") == asked("data/imagesTr/hippocampus_001.nii.gz")


def test_a_case_of_the_test_part_was_shown_to_models_and_taught_none(asked, bundle):
    found, run_id = asked("hippocampus_015"), bundle["run.json"]["run_id"]
    assert found["cases"] == [("hippocampus_015", "subject_008", "test")]
    assert found["models that saw them"][0] == (run_id[:12], "did not learn from them")
    shown = {one["run_id"][:12] for one in bundle["openings.json"]["openings"]}
    assert {
        name for name, how in found["models that saw them"] if how.startswith("was shown the test part")
    } == shown
    assert [row[:2] for row in found["results"]] == [
        ("hippocampus_015", "anterior"),
        ("hippocampus_015", "posterior"),
    ]
    assert any("openings are counted anew" in what for _, what in found["how to withdraw"])


def test_a_subject_has_all_its_cases_and_the_model_that_learnt_from_them(asked, bundle):
    found = asked("subject_010")
    assert [row[0] for row in found["cases"]] == ["hippocampus_019", "hippocampus_020"]
    assert len(found["files"]) == 4
    assert found["models that saw them"][0] == (bundle["run.json"]["run_id"][:12], "learnt from them")
    assert first_column(found["a withdrawal would make stale"])[0] == "ingest"
    assert "results" not in found  # no test case
    commands = " ".join(what for _, what in found["how to withdraw"])
    assert "rm data/imagesTr/hippocampus_019.nii.gz" in commands
    assert "make manifest" in commands
    assert "{case_id: hippocampus_020, reason: withdrawn}" in commands


def test_a_case_that_was_left_out_is_excluded(bundle, workflow):
    split = {name: row for name, row in bundle["split.json"]["cases"].items() if name != "hippocampus_015"}
    cases = lineage.cases_of(bundle, "hippocampus_015")
    now = {case[kind]["path"]: None for case in cases for kind in ("image", "label_map")}
    found = dict(lineage.of_cases(bundle | {"split.json": {"cases": split}}, workflow, cases, now))
    assert found["cases"] == [("hippocampus_015", "subject_008", "excluded")]


@pytest.mark.parametrize(
    ("thing", "offered"),
    [
        ("SRS-SEQ-1", "SRS-SEG-1"),
        ("srs-seg-1", "SRS-SEG-1"),
        ("volumes.py", "radiotrace/imaging/volumes.py"),
        ("hippocampus_0015", "hippocampus_015"),
        ("test_twins_are_in_one_part", "tests/test_split.py::test_twins_are_in_one_part"),
    ],
)
def test_what_is_unknown_gets_names_that_are_close(asked, thing, offered):
    with pytest.raises(StageError, match="nothing of this name is in the evidence") as error:
        asked(thing)
    assert offered in error.value.findings


@pytest.mark.parametrize("digits", [8, 12, 64])
def test_a_hash_or_its_beginning_leads_to_the_file_and_the_records_that_name_it(asked, bundle, digits):
    digest = next(
        one["sha256"] for one in bundle["manifest.json"]["files"] if one["path"] == "build/export/model.onnx"
    )
    found = asked(digest[:digits].upper())
    assert ("manifest.json", "/files/build/export/model.onnx/sha256") in found[digest]
    assert found["file"][0] == ("path", "build/export/model.onnx")
    assert found["made by"] == [("export",)]


def test_the_id_of_a_run_leads_to_the_records_of_it(asked, bundle):
    run_id = bundle["run.json"]["run_id"]
    assert ("metrics.json", "/run_id") in asked(run_id[:10])[run_id]


def test_a_hash_of_dvc_is_found_in_the_lock(asked):
    lock = params.load_yaml(submitted.folder() / "dvc.lock")
    out = next(one for one in lock["stages"]["split"]["outs"] if one["hash"] == "md5")
    digest = out["md5"].removesuffix(".dir")
    assert ("dvc.lock", f"/stages/split/outs/{out['path']}/md5") in asked(digest)[digest]


def test_a_file_that_lies_elsewhere_is_known_by_its_hash(asked, tmp_path):
    source = submitted.folder() / "radiotrace/imaging/volumes.py"
    (tmp_path / "copy").write_bytes(source.read_bytes())
    assert asked(str(tmp_path / "copy"))["file"][0] == ("path", "radiotrace/imaging/volumes.py")


def test_a_beginning_of_two_hashes_gives_both_and_no_file():
    records = {"a.json": {"files": [{"path": "x", "md5": "0" * 32}, {"sha256": "0" * 9 + "1" * 55}]}}
    assert hashes.tables(hashes.places(records, "0" * 8)) == [
        ("0" * 32, [("a.json", "/files/x/md5")]),
        ("0" * 9 + "1" * 55, [("a.json", "/files/1/sha256")]),
    ]


@pytest.mark.parametrize("text", ["0123456", "0123456g", "hippocampus_001", ""])
def test_fewer_than_8_digits_are_no_hash(text):
    assert hashes.digits(text) is None


def test_what_resembles_nothing_gets_no_names(asked):
    with pytest.raises(StageError) as error:
        asked("xyzzy, plugh")
    assert error.value.findings == []


def test_a_folder_without_a_bundle_is_said(tmp_path):
    with pytest.raises(StageError, match=r"manifest\.json is missing"):
        trace.read(tmp_path)


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "risks.json").write_text("{")
    with pytest.raises(StageError) as error:
        trace.read(tmp_path)
    assert [line.split(":")[0] for line in error.value.findings] == ["risks.json"]


def test_the_command_prints_tables_in_columns(capsys):
    parser = argparse.ArgumentParser()
    trace.options(parser)
    trace.trace(parser.parse_args(["RC-17", "--project", str(submitted.folder())]))
    text = capsys.readouterr().out
    title = submitted.json_of("evidence/risks.json")["controls"]["RC-17"]["title"]
    assert text.startswith(f"risk control\n  RC-17      {title}\n  kind       ")
    assert "\n\nupward: hazards\n  HAZ-9   " in text
