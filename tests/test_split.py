"""Split: a subject's part depends on its id and the seed alone, and parts share nothing."""

import argparse
import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.pipeline import splits
from radiotrace.records.accepted import Accepted, AcceptedCase
from radiotrace.records.sections.split import Fractions, SplitParams
from radiotrace.records.split import Leakage, PartCount, PartCounts
from radiotrace.records.values import Exclusion
from stages import split
from tests import projects

FRACTIONS = Fractions(train=0.65, validation=0.1, test=0.25)
PARAMS = SplitParams(seed=0, scheme="hash", fractions=FRACTIONS, folds=5, fold=None, parts_seed=None)
SUBJECTS = [f"subject-{number}" for number in range(200)]
MANY = [f"S{number:05d}" for number in range(2000)]


def share_bound(share: float, count: int) -> float:
    """Four standard errors of a share: chance goes beyond it once in 16,000."""
    return 4 * np.sqrt(share * (1 - share) / count)


def twins(count: int) -> list[AcceptedCase]:
    """Two cases of each subject, as left and right side."""
    return [
        AcceptedCase(f"case_{number:03d}", f"S{number // 2}", f"{number:064x}") for number in range(count)
    ]


# Parts


@pytest.mark.requirement("SRS-SPLIT-2")
def test_a_subject_keeps_its_part_when_others_go():
    whole = splits.assign_parts(SUBJECTS, FRACTIONS, 0)
    rng = np.random.default_rng(1)
    for _ in range(50):
        some = rng.choice(SUBJECTS, rng.integers(1, 200), replace=False).tolist()
        assert splits.assign_parts(some, FRACTIONS, 0) == {subject: whole[subject] for subject in some}


@pytest.mark.requirement("SRS-SPLIT-2")
def test_a_subject_keeps_its_part_when_others_come():
    before = splits.assign_parts(SUBJECTS, FRACTIONS, 0)
    after = splits.assign_parts([f"new-{number}" for number in range(300)] + SUBJECTS, FRACTIONS, 0)
    assert {subject: after[subject] for subject in SUBJECTS} == before


def test_a_subject_keeps_its_fold_when_others_go():
    whole = splits.assign_folds(SUBJECTS, 5, 0)
    assert splits.assign_folds(SUBJECTS[::3], 5, 0) == {subject: whole[subject] for subject in SUBJECTS[::3]}


def test_the_order_of_subjects_makes_no_difference():
    assert splits.assign_parts(SUBJECTS[::-1], FRACTIONS, 0) == splits.assign_parts(SUBJECTS, FRACTIONS, 0)


def test_a_larger_test_share_takes_nobody_out_of_test():
    before = splits.assign_parts(SUBJECTS, FRACTIONS, 0)
    after = splits.assign_parts(SUBJECTS, Fractions(0.5, 0.1, 0.4), 0)
    assert {subject for subject in SUBJECTS if before[subject] == "test"} <= {
        subject for subject in SUBJECTS if after[subject] == "test"
    }


@pytest.mark.parametrize("part", splits.PARTS)
@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_shares_of_2000_subjects_are_within_four_standard_errors(part, seed):
    found = list(splits.assign_parts(MANY, FRACTIONS, seed).values()).count(part) / 2000
    share = getattr(FRACTIONS, part)
    assert abs(found - share) <= share_bound(share, 2000)


@pytest.mark.parametrize("fold", range(5))
def test_folds_of_2000_subjects_are_within_four_standard_errors_of_a_fifth(fold):
    found = list(splits.assign_folds(MANY, 5, 0).values()).count(fold) / 2000
    assert abs(found - 0.2) <= share_bound(0.2, 2000)


def test_folds_do_not_follow_parts():  # drawn apart: of the validation part, a fifth is in each fold
    parts, folds = splits.assign_parts(MANY, FRACTIONS, 0), splits.assign_folds(MANY, 5, 0)
    of_validation = [folds[subject] for subject in MANY if parts[subject] == "validation"]
    shares = np.bincount(of_validation, minlength=5) / len(of_validation)
    assert np.abs(shares - 0.2).max() <= share_bound(0.2, len(of_validation))


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2**63), (1, 11)])
def test_another_seed_is_another_split(one, other):
    assert splits.assign_parts(SUBJECTS, FRACTIONS, one) != splits.assign_parts(SUBJECTS, FRACTIONS, other)


def test_the_position_of_a_subject_is_its_sha256():  # printf 0/part/S1 | sha256sum | cut -c1-12
    assert splits.position(0, "part", "S1") == 0xBA86C49B61F8 / 2**48


def test_a_share_of_1_takes_everybody():
    assert set(splits.assign_parts(MANY, Fractions(0, 0, 1), 0).values()) == {"test"}


def test_a_share_of_0_takes_nobody():
    assert "test" not in splits.assign_parts(MANY, Fractions(0.5, 0.5, 0), 0).values()


@pytest.mark.requirement("SRS-SPLIT-1")
def test_twins_are_in_one_part():
    parts, _ = splits.split(twins(400), PARAMS)
    assert all(parts[f"case_{number:03d}"] == parts[f"case_{number + 1:03d}"] for number in range(0, 400, 2))


def test_twins_are_in_one_fold():
    _, folds = splits.split(twins(400), PARAMS)
    assert all(folds[f"case_{number:03d}"] == folds[f"case_{number + 1:03d}"] for number in range(0, 400, 2))


# Folds


def test_all_but_the_test_part_has_a_fold():
    parts, folds = splits.split(twins(400), PARAMS)
    assert {case_id for case_id in parts if parts[case_id] == "test"} == {
        case_id for case_id in folds if folds[case_id] is None
    }


@pytest.mark.parametrize("fold", range(5))
def test_the_chosen_fold_is_the_validation_part(fold):
    parts, folds = splits.split(twins(400), replace(PARAMS, fold=fold))
    assert {case_id for case_id in parts if parts[case_id] == "validation"} == {
        case_id for case_id in folds if folds[case_id] == fold
    }


@pytest.mark.parametrize("fold", range(5))
def test_the_test_part_stays_whatever_fold_is_chosen(fold):
    without, _ = splits.split(twins(400), PARAMS)
    parts, _ = splits.split(twins(400), replace(PARAMS, fold=fold))
    assert [case_id for case_id in parts if parts[case_id] == "test"] == [
        case_id for case_id in without if without[case_id] == "test"
    ]


def test_every_case_that_is_not_test_is_validated_in_one_fold():
    validated = []
    for fold in range(5):
        parts, _ = splits.split(twins(400), replace(PARAMS, fold=fold))
        validated += [case_id for case_id in parts if parts[case_id] == "validation"]
    without, _ = splits.split(twins(400), PARAMS)
    assert sorted(validated) == [case_id for case_id in sorted(without) if without[case_id] != "test"]


# nnU-Net's folds. Expected: Project-MONAI/tutorials, modules/dynunet_pipeline/config/dataset_task04.json,
# which lists the same five.

HIPPOCAMPUS = """
    1 3-4 6-8 11 14-15 17 19-20 23-26 33-42 44-46 48-53 56-58 60 64-65 67-68 70 74-75 77 83-84 87-99
    101-102 104-109 114 123-127 130 132-133 135-136 138 141-146 148-150 152 154-158 160-166 169-178
    180-181 184-185 188-190 193-195 197 199 203-205 207 210 212 215-217 219-236 238 242-245 248-253 257
    259-261 263-265 268-269 274 276-277 279-280 282 286-290 292 294-305 308-311 314 316-322 325-338
    340-341 343 345 349-356 358-361 363 366-368 370 372-376 378 380-381 383 385-387 389-390 393-394"""


def hippocampus() -> list[str]:
    """Ids of the 260 labelled cases of Task04_Hippocampus."""
    numbers = []
    for run in HIPPOCAMPUS.split():
        first, _, last = run.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return [f"hippocampus_{number:03d}" for number in numbers]


def sides(case_ids: list[str]) -> list[AcceptedCase]:
    """Cases 2k-1 and 2k are the two sides of one head."""
    return [AcceptedCase(one, str((int(one[-3:]) + 1) // 2), f"{int(one[-3:]):064x}") for one in case_ids]


def held_out_with_a_twin_in_training(parts: dict[str, str], held_out: str) -> int:
    subjects = {case.case_id: case.subject_id for case in sides(list(parts))}
    trained = {subjects[case_id] for case_id in parts if parts[case_id] == "train"}
    return sum(parts[case_id] == held_out and subjects[case_id] in trained for case_id in parts)


def held_out_cases(fold: int) -> list[str]:
    return sorted(case_id[-3:] for case_id, of in splits.nnunet_folds(hippocampus()).items() if of == fold)


@pytest.mark.parametrize("fold", range(5))
def test_a_fold_of_nnunet_holds_out_52_of_260_cases(fold):
    assert len(held_out_cases(fold)) == 52


@pytest.mark.parametrize(
    ("fold", "first", "last"),
    [
        (0, "017 019 033 035", "374 394"),
        (1, "003 025 026 034", "355 360"),
        (2, "004 007 015 024", "383 387"),
        (3, "001 006 011 023", "380 386"),
        (4, "008 014 020 040", "390 393"),
    ],
)
def test_a_fold_of_nnunet_begins_and_ends_with_its_published_cases(fold, first, last):
    assert (held_out_cases(fold)[:4], held_out_cases(fold)[-2:]) == (first.split(), last.split())


@pytest.mark.parametrize(("fold", "count"), list(enumerate([36, 33, 31, 26, 28])))
def test_folds_of_nnunet_train_on_twins_of_held_out_cases(fold, count):
    parts, _ = splits.split(sides(hippocampus()), replace(PARAMS, scheme="nnunet", fold=fold))
    assert held_out_with_a_twin_in_training(parts, "test") == count


@pytest.mark.parametrize("held_out", ["validation", "test"])
@pytest.mark.parametrize("fold", [None, 0, 1, 2, 3, 4])
def test_our_parts_train_on_no_twin_of_a_held_out_case(fold, held_out):
    parts, _ = splits.split(sides(hippocampus()), replace(PARAMS, fold=fold))
    assert held_out_with_a_twin_in_training(parts, held_out) == 0


def test_folds_of_nnunet_do_not_depend_on_the_order_of_cases():
    assert splits.nnunet_folds(hippocampus()[::-1]) == splits.nnunet_folds(hippocampus())


def test_scheme_nnunet_without_fold_holds_out_fold_0():
    assert splits.split(sides(hippocampus()), replace(PARAMS, scheme="nnunet")) == splits.split(
        sides(hippocampus()), replace(PARAMS, scheme="nnunet", fold=0)
    )


@pytest.mark.parametrize("fold", range(5))
def test_folds_by_subject_train_on_no_twin_of_a_held_out_case(fold):
    parts, _ = splits.split(sides(hippocampus()), replace(PARAMS, scheme="subjects", fold=fold))
    assert held_out_with_a_twin_in_training(parts, "test") == 0


def test_folds_by_subject_hold_every_case_out_once():
    held_out = [
        case_id
        for fold in range(5)
        for case_id, part in splits.split(
            sides(hippocampus()), replace(PARAMS, scheme="subjects", fold=fold)
        )[0].items()
        if part == "test"
    ]
    assert sorted(held_out) == hippocampus()


# 170 subjects: 34 expected, SD 5.2; four SDs
def test_folds_by_subject_have_about_a_fifth_each():
    _, folds = splits.split(sides(hippocampus()), replace(PARAMS, scheme="subjects"))
    counts = [
        len({(int(case_id[-3:]) + 1) // 2 for case_id, of in folds.items() if of == fold})
        for fold in range(5)
    ]
    assert sum(counts) == 170
    assert all(13 <= count <= 55 for count in counts)


# Leakage

CASES = [
    AcceptedCase(one, subject, image)
    for one, subject, image in (("a", "S1", "x"), ("b", "S2", "y"), ("c", "S3", "z"), ("d", "S1", "y"))
]


def test_disjoint_parts_leak_nothing():
    found = splits.leakage(CASES[:3], {"a": "train", "b": "validation", "c": "test"})
    assert found == tuple(
        Leakage(parts, (), ())
        for parts in (("train", "validation"), ("train", "test"), ("validation", "test"))
    )


@pytest.mark.requirement("SRS-SPLIT-1")
def test_a_shared_subject_is_found():
    found = splits.leakage(CASES, {"a": "train", "b": "test", "c": "validation", "d": "test"})
    assert [row.shared_subjects for row in found] == [(), ("S1",), ()]


@pytest.mark.requirement("SRS-SPLIT-1")
def test_a_shared_image_is_found():
    found = splits.leakage(CASES, {"a": "train", "b": "validation", "c": "validation", "d": "train"})
    assert [row.shared_images for row in found] == [("y",), (), ()]


def test_what_two_cases_of_one_part_share_is_no_leak():
    found = splits.leakage(CASES, {"a": "train", "b": "train", "c": "test", "d": "train"})
    assert not any(row.shared_subjects or row.shared_images for row in found)


# The stage


@pytest.fixture
def project(tmp_path, monkeypatch):
    """accepted.json with 120 cases of 60 subjects, and params.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((projects.ROOT / "params.yaml").read_bytes())
    text = (projects.ROOT / "design/requirements.yaml").read_text("utf-8")
    (tmp_path / "requirements.yaml").write_text(re.sub(r"\.(anterior|posterior)\b", ".organ", text), "utf-8")
    accept(twins(120))
    return tmp_path


def accept(cases: list[AcceptedCase]) -> None:
    accepted = Accepted(labels={"0": "background", "1": "organ"}, excluded=(), cases=tuple(cases))
    records.write("accepted.json", accepted.record(), "accepted")


def run(**changes) -> dict:
    projects.set_params(".", split=changes)
    split.main(
        argparse.Namespace(
            accepted="accepted.json",
            params="params.yaml",
            requirements=["requirements.txt"],
            design="requirements.yaml",
            out="split",
        )
    )
    return records.read("split/split.json", "split")


def stopped(**changes) -> StageError:
    with pytest.raises(StageError) as error:
        run(**changes)
    return error.value


def test_the_record_counts_what_it_lists(project):
    record = run()
    for part in splits.PARTS:
        listed = [case for case in record["cases"].values() if case["part"] == part]
        assert record["counts"][part] == {
            "cases": len(listed),
            "subjects": len({case["subject_id"] for case in listed}),
        }


def test_the_record_proves_that_parts_share_nothing(project):
    assert not any(row["shared_subjects"] or row["shared_images"] for row in run()["leakage"])


def test_running_twice_gives_the_same_bytes(project):
    run()
    before = {path.name: path.read_bytes() for path in (project / "split").iterdir()}
    run()
    assert {path.name: path.read_bytes() for path in (project / "split").iterdir()} == before


def test_an_empty_part_stops_it_with_the_counts(project):
    accept(twins(2))
    error = stopped(fractions={"train": 0, "validation": 0, "test": 1})
    assert error.headline == "part train and validation would be empty"
    assert error.findings == ["train: 0 cases", "validation: 0 cases", "test: 2 cases"]


@pytest.mark.parametrize("fold", [5, 6])
def test_a_fold_that_there_is_not_stops_it(project, fold):
    assert stopped(fold=fold).headline == f"split.fold: found {fold}, expected 0 to 4"


def test_the_last_fold_is_a_fold(project):
    assert run(fold=4)["fold"] == 4


@pytest.mark.parametrize(
    "fractions",
    [{"train": 0.5, "validation": 0.1, "test": 0.1}, {"train": 0.8, "validation": 0.4, "test": 0.3}],
)
def test_shares_that_are_not_1_together_stop_it(project, fractions):
    assert "split.fractions" in str(stopped(fractions=fractions))


def test_shares_may_miss_1_by_rounding(project):  # 0.1 + 0.2 + 0.7 is 0.9999999999999999
    assert run(fractions={"train": 0.7, "validation": 0.2, "test": 0.1})["counts"]["train"]["cases"] > 0


@pytest.mark.requirement("SRS-SPLIT-1")
def test_an_image_in_two_parts_stops_it(project):
    cases = twins(120)
    parts, _ = splits.split(cases, PARAMS)
    train, test = (next(case for case in cases if parts[case.case_id] == part) for part in ("train", "test"))
    cases[cases.index(test)] = replace(test, voxels_sha256=train.voxels_sha256)
    accept(cases)
    error = stopped()
    assert (error.headline, error.findings) == (
        "parts are not independent",
        [f"train and test share images {train.voxels_sha256}"],
    )


def test_a_run_that_stops_leaves_the_earlier_record(project):
    run()
    before = (project / "split/split.json").read_bytes()
    stopped(fold=5)
    assert (project / "split/split.json").read_bytes() == before


def test_another_seed_is_another_record(project):
    before = run()["cases"]
    projects.set_params(".", seed=1)
    assert run()["cases"] != before


def test_the_parts_may_keep_a_seed_of_their_own(project):
    before = (run(), (project / "split/split.json").read_bytes())[1]
    projects.set_params(".", seed=1, split={"parts_seed": 0})
    run()
    assert (project / "split/split.json").read_bytes() == before


def test_scheme_nnunet_records_the_leak_and_goes_on(project, capsys):
    record = run(scheme="nnunet", fold=1)
    shared = next(row["shared_subjects"] for row in record["leakage"] if row["parts"] == ["train", "test"])
    assert shared
    assert f"train and test share subjects {', '.join(shared)}" in capsys.readouterr().err


def counts(validation: int, test: int) -> PartCounts:
    return PartCounts(*(PartCount(cases=3 * n, subjects=n) for n in (20, validation, test)))


@pytest.mark.parametrize(
    ("validation", "test", "expected"),
    [
        (5, 10, []),
        (0, 10, []),
        (5, 9, ["the test part has 9 subjects"]),
        (4, 10, ["the validation part has 4 subjects"]),
        (1, 2, ["the test part has 2 subjects", "the validation part has 1 subject"]),
    ],
)
def test_a_part_that_is_too_small_to_say_anything_is_told_before_training(validation, test, expected):
    assert [line.split(";")[0] for line in splits.too_small(counts(validation, test))] == expected


def test_a_warning_of_a_small_part_says_what_to_do(project, capsys, monkeypatch):
    monkeypatch.setattr(splits, "SUBJECTS_FOR_INTERVALS", 1 + run()["counts"]["test"]["subjects"])
    run()
    assert (
        "take more subjects, or a larger part (split.fractions, or fewer split.folds)"
        in capsys.readouterr().err
    )


def test_what_was_excluded_is_named_again(project):
    excluded = [{"case_id": "case_999", "reason": "motion"}]
    accepted = json.loads((project / "accepted.json").read_text())
    records.write("accepted.json", accepted | {"excluded": excluded}, "accepted")
    assert run()["excluded"] == excluded


def test_a_broken_input_is_named(project):
    (project / "accepted.json").write_text('{"cases": []}')
    assert stopped().headline == "accepted.json breaks schemas/accepted.schema.json"


def test_the_command_ends_with_status_1_and_without_traceback(project):
    projects.set_params(".", split={"fold": 7})
    done = projects.run(
        projects.ROOT,
        "python",
        "-m",
        "stages.split",
        "--accepted",
        project / "accepted.json",
        "--out",
        project / "split",
        "--design",
        project / "requirements.yaml",
        "--params",
        project / "params.yaml",
        "--requirements",
        "requirements.txt",
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "split: split.fold: found 7, expected 0 to 4\nCorrect params.yaml.\n",
    )


@pytest.mark.requirement("SRS-EVI-8")
def test_a_criterion_on_a_metric_that_there_is_not_stops_before_anything_is_learnt(project):
    path = project / "requirements.yaml"
    text = path.read_text("utf-8")
    assert "metric: dice.organ" in text
    text = text.replace("metric: dice.organ", "metric: dice.orgna").replace(
        "metric: volume_error_percent.", "metric: volume_eror."
    )
    path.write_text(text, "utf-8")
    error = stopped()
    assert error.headline.endswith("criteria are on metrics that there cannot be of these data")
    assert error.findings[0].startswith("SRS-SEG-1: there is no metric dice.orgna; there are dice.organ, ")
    assert any(
        "there is no metric volume_eror.mean_of_labels; there are volume_error" in line
        for line in error.findings
    )
    assert "a new criterion is post-hoc" in error.way_out
    assert not (project / "split").exists()


@pytest.mark.requirement("SRS-EVI-8")
def test_a_criterion_that_says_another_interval_than_is_made_stops_before_anything_is_learnt(project):
    path = project / "requirements.yaml"
    text = path.read_text("utf-8")
    assert text.count("method: jackknife-student-hall") > 2
    path.write_text(text.replace("method: jackknife-student-hall", "method: wilson", 2), "utf-8")
    error = stopped()
    assert error.headline == "2 criteria say that their interval is made as it is not"
    said = "ci.method of dice.organ: found wilson, expected jackknife-student-hall"
    assert error.findings == [f"SRS-SEG-1: {said}", f"SRS-SEG-2: {said}"]
    assert "stages/segmentation/workflow.yaml says how" in error.way_out
    assert not (project / "split").exists()


def test_the_ids_of_the_hippocampus_are_260_and_sorted():
    assert len(hippocampus()) == 260
    assert all(one < other for one, other in pairwise(hippocampus()))


def test_a_record_that_contradicts_itself_is_refused_with_all_that_does():
    cases = twins(40)
    accepted = Accepted(
        labels={"0": "ground", "1": "left", "2": "left"},
        excluded=(Exclusion(cases[1].case_id, "blurred"),),
        cases=(*cases, replace(cases[0], subject_id="another")),
    )
    with pytest.raises(StageError, match="contradicts itself") as caught:
        splits.of_accepted(accepted, PARAMS)
    assert caught.value.findings == [
        "case_000: stands 2 times among cases",
        "case_001: stands among cases and among excluded",
        "labels: 2 are called left",
    ]
