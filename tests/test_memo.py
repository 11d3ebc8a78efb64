"""A memo: of a set that grew the new cases are worked on, and nothing is taken that another input, another
parameter or other code decided."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radiotrace.imaging import identity
from radiotrace.pipeline import memo
from stages import ingest, validate
from tests import phantoms, pipelines, projects


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    """A folder with 16 phantoms and no run. No test changes it."""
    folder = tmp_path_factory.mktemp("sixteen")
    phantoms.write_dataset(folder / "data", 16)
    return pipelines.lay_out(folder)


@pytest.fixture(scope="module")
def has_run(sixteen, tmp_path_factory):
    """The same after a run. No test changes it."""
    folder = tmp_path_factory.mktemp("has_run") / "study"
    with pytest.MonkeyPatch.context() as patch:
        folder.mkdir()
        at(sixteen, folder, patch)
        assert run() == 0
    return folder


@pytest.fixture
def study(sixteen, tmp_path, monkeypatch):
    """A study of 16 phantoms, which is the current folder; nothing was run."""
    return at(sixteen, tmp_path, monkeypatch)


@pytest.fixture
def after_a_run(has_run, tmp_path, monkeypatch):
    """A study of 16 phantoms, which is the current folder; ingest and validate have run."""
    return at(has_run, tmp_path, monkeypatch)


def at(original: Path, folder: Path, monkeypatch) -> Path:
    shutil.copytree(original, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def worked(monkeypatch):
    """Ids of the cases that were worked on, by stage, since they were taken away last."""
    seen = {"ingest": [], "validate": []}
    for module, name in ((ingest, "bring_in_case"), (validate, "check_case")):
        monkeypatch.setattr(module, name, noting(getattr(module, name), seen[module.__name__.split(".")[1]]))
    return seen


def noting(function, seen: list[str]):
    def noted(case, *args, **common):
        seen.append(case.case_id)
        return function(case, *args, **common)

    return noted


def run() -> int:
    """Manifest, ingest and validate in the current folder; 0 where both succeed."""
    folder = Path.cwd()
    pipelines.accept(folder)
    shutil.rmtree("build", ignore_errors=True)  # as DVC does
    return max(pipelines.run(folder, "ingest", "validate"))


def built() -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in sorted(Path("build").rglob("*")) if path.is_file()}


def without_memo() -> dict[str, bytes]:
    """What the same data come to where nothing is kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADIOTRACE_MEMO", memo.NONE)
        assert run() == 0
    return built()


def taken_anew(worked) -> dict[str, list[str]]:
    """What was worked on, of each stage; it begins anew."""
    found = {name: sorted(seen) for name, seen in worked.items()}
    for seen in worked.values():
        seen.clear()
    return found


def both(*ids: str) -> dict[str, list[str]]:
    return {"ingest": sorted(ids), "validate": sorted(ids)}


def add(case_id: str, number: int) -> None:
    """A further case, of a subject of its own."""
    for kind, volume in zip(("imagesTr", "labelsTr"), phantoms.pair(number), strict=True):
        sitk.WriteImage(volume, f"data/{kind}/{case_id}.nii.gz")
    listed(lambda ids: [*ids, case_id])


def listed(change) -> None:
    """dataset.json and cases.csv of the ids that a change of the present ones gives."""
    dataset = json.loads(Path("data/dataset.json").read_text())
    ids = [Path(entry["image"]).name.removesuffix(".nii.gz") for entry in dataset["training"]]
    phantoms.write_tables(Path("data"), change(ids))


def brighten(case_id: str) -> None:
    """One voxel of an image gets another value."""
    path = f"data/imagesTr/{case_id}.nii.gz"
    volume = sitk.ReadImage(path)
    volume[3, 3, 3] = volume[3, 3, 3] + 1
    sitk.WriteImage(volume, path)


def test_of_a_set_that_grew_the_new_cases_alone_are_read(study, worked):
    assert run() == 0
    assert taken_anew(worked) == both(*(f"phantom_{number:02d}" for number in range(16)))
    add("phantom_16", 16)
    add("phantom_17", 17)
    assert run() == 0
    assert taken_anew(worked) == both("phantom_16", "phantom_17")
    assert built() == without_memo()


def test_an_image_that_changed_is_read_anew(after_a_run, worked):
    brighten("phantom_05")
    assert run() == 0
    assert taken_anew(worked) == both("phantom_05")
    assert built() == without_memo()


def test_two_cases_that_changed_places_are_read_anew(after_a_run, worked):
    for kind in ("imagesTr", "labelsTr"):
        one, other = (Path(f"data/{kind}/phantom_{number}.nii.gz") for number in ("01", "02"))
        content = one.read_bytes()
        one.write_bytes(other.read_bytes())
        other.write_bytes(content)
    assert run() == 0
    assert taken_anew(worked) == both("phantom_01", "phantom_02")
    assert built() == without_memo()


def test_another_subject_of_an_image_is_in_the_record(after_a_run, worked):
    table = Path("data/cases.csv")
    text = table.read_text()
    assert "phantom_05," in text
    lines = [
        line.replace(line.split(",")[1], "somebody_else") if line.startswith("phantom_05,") else line
        for line in text.splitlines()
    ]
    table.write_text("\n".join(lines) + "\n")
    assert run() == 0
    assert taken_anew(worked) == {"ingest": [], "validate": ["phantom_05"]}
    assert b"somebody_else" in built()["build/ingest/dataset.json"]
    assert built() == without_memo()


@pytest.mark.parametrize(
    ("old", "new", "stages"),
    [
        ("orientation: LPS", "orientation: RAS", ["ingest", "validate"]),
        ("size_voxels_min: 8", "size_voxels_min: 7", ["validate"]),
    ],
)
def test_another_parameter_takes_nothing(after_a_run, worked, old, new, stages):
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new))
    assert run() == 0
    assert [name for name, ids in taken_anew(worked).items() if ids] == stages
    assert built() == without_memo()


def test_other_code_takes_nothing(after_a_run, worked, monkeypatch):
    provenance = ingest.runs.provenance

    def of_other_code(*args, **named):
        record = provenance(*args, **named)
        return record | {"code": record["code"] | {"radiotrace/errors.py": 64 * "0"}}

    monkeypatch.setattr(ingest.runs, "provenance", of_other_code)
    assert run() == 0
    assert len(taken_anew(worked)["ingest"]) == 16


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()  # else the output, which is the same file, is cut as well
    path.write_bytes(content[:-7])


def change_a_number(path: Path) -> None:
    path.write_text(path.read_text().replace("1", "2", 1))


def lie(path: Path) -> None:
    """The value of an entry changes, and no letter else."""
    content = json.loads(path.read_text())
    content["entry"]["value"]["case_id"] = "phantom_99"
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("ingest/files/*", cut),
        ("ingest/files/*", lambda path: path.unlink()),
        ("ingest/results/*", cut),
        ("ingest/results/*", change_a_number),
        ("ingest/results/*", lie),
        ("ingest/results/*", lambda path: path.write_text("[]")),
        ("validate/results/*", cut),
    ],
)
def test_what_is_damaged_is_done_anew(after_a_run, worked, pattern, damage):
    damage(sorted(Path(memo.FOLDER).glob(pattern))[3])
    assert run() == 0
    again = taken_anew(worked)
    assert len(again[pattern.split("/")[0]]) == 1
    assert built() == without_memo()
    worked["ingest"].clear()
    assert run() == 0
    assert worked["ingest"] == []


def test_who_changes_an_output_changes_no_later_one(study, worked):
    assert run() == 0
    before = built()
    taken_anew(worked)
    volume = sorted(Path("build/ingest/volumes/images").glob("*"))[4]
    with open(volume, "r+b") as file:
        file.seek(30)
        file.write(b"\0\0\0")
    assert run() == 0
    assert taken_anew(worked)["ingest"] == [volume.name.removesuffix(".nii.gz")]
    assert built() == before


def test_what_a_run_that_died_did_is_not_done_again(study, worked, monkeypatch):
    described = ingest.describe_image
    calls = []

    def dies(array):
        calls.append(None)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return described(array)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "describe_image", dies)
        assert run() == 1
    first = taken_anew(worked)["ingest"]
    assert run() == 0
    assert len(taken_anew(worked)["ingest"]) == 16 - 10
    assert len(first) == 11
    assert built() == without_memo()


def test_bytes_that_are_not_the_listed_ones_are_not_kept(study, worked, monkeypatch):
    checked = identity.check_manifest

    def check_then_change(folder, manifest):
        checked(folder, manifest)
        shutil.copy("data/imagesTr/phantom_01.nii.gz", "data/imagesTr/phantom_03.nii.gz")

    original = Path("data/imagesTr/phantom_03.nii.gz").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(identity, "check_manifest", check_then_change)
        assert run() == 1
    Path("data/imagesTr/phantom_03.nii.gz").write_bytes(original)
    taken_anew(worked)
    assert run() == 0
    assert "phantom_03" in taken_anew(worked)["ingest"]
    assert built() == without_memo()


def test_entries_that_no_case_asked_for_go(study):
    assert run() == 0
    assert len(list(Path(memo.FOLDER, "ingest/results").iterdir())) == 16
    Path("data/imagesTr/phantom_15.nii.gz").unlink()
    Path("data/labelsTr/phantom_15.nii.gz").unlink()
    listed(lambda ids: ids[:-1])
    assert run() == 0
    assert len(list(Path(memo.FOLDER, "ingest/results").iterdir())) == 15
    assert len(list(Path(memo.FOLDER, "ingest/files").iterdir())) == 30


def test_git_does_not_see_a_memo(study):
    projects.run(study, "git", "init", "-q")
    assert run() == 0
    shown = projects.run(study, "git", "status", "--short", "--untracked-files=all").stdout
    assert "data.sha256" in shown
    assert memo.FOLDER not in shown


def test_none_keeps_nothing(study):
    without_memo()
    assert not Path(memo.FOLDER).exists()


def test_a_folder_elsewhere_may_be_shared(study, worked, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("RADIOTRACE_MEMO", str(tmp_path_factory.mktemp("shared") / "memo"))
    assert run() == 0
    taken_anew(worked)
    assert run() == 0
    assert taken_anew(worked) == both()
    assert not Path(memo.FOLDER).exists()


def test_a_look_comes_back_with_every_digit():
    rng = np.random.default_rng(0)
    label_zyx = np.zeros((9, 11, 13), np.uint8)
    label_zyx[2:5, 3:6, 4:9] = 1
    label_zyx[5:7, 3:6, 4:9] = 2
    image_zyx = rng.normal(size=label_zyx.shape)
    image_zyx[6] = image_zyx[5]
    seen = validate.suspicions.look("a", "b", {"image": image_zyx}, label_zyx, (1.1, 0.7, 0.3))
    again = validate.Look.of(json.loads(json.dumps(seen.record())))
    assert (again.case_id, again.subject_id, again.suspicions) == ("a", "b", seen.suspicions)
    assert seen.suspicions
    assert again.mirrored == seen.mirrored
    assert again.centres_mm.keys() == seen.centres_mm.keys()
    assert all((again.centres_mm[value] == seen.centres_mm[value]).all() for value in seen.centres_mm)
    for one, other in zip(again.thumbnails, seen.thumbnails, strict=True):
        assert one.dtype == other.dtype
        assert (one == other).all()


def add_any(rng: random.Random, turn: int) -> None:
    add(f"further_{turn:02d}", 20 + turn)


def brighten_any(rng: random.Random, turn: int) -> None:
    brighten(f"phantom_{rng.randrange(10):02d}")


def rename_any(rng: random.Random, turn: int) -> None:
    old, new = f"phantom_{10 + turn % 6:02d}", f"renamed_{turn:02d}"
    if Path(f"data/imagesTr/{old}.nii.gz").exists():
        for kind in ("imagesTr", "labelsTr"):
            Path(f"data/{kind}/{old}.nii.gz").rename(f"data/{kind}/{new}.nii.gz")
        listed(lambda ids: sorted(new if case_id == old else case_id for case_id in ids))


def turn_about(rng: random.Random, turn: int) -> None:
    text = Path("params.yaml").read_text()
    old, new = ("LPS", "RAS") if "orientation: LPS" in text else ("RAS", "LPS")
    Path("params.yaml").write_text(text.replace(f"orientation: {old}", f"orientation: {new}"))


@pytest.mark.slow
def test_nothing_stale_is_taken_through_any_changes(study):
    rng = random.Random(0)
    changes = [add_any, brighten_any, rename_any, turn_about]
    for turn in range(12):
        for change in rng.sample(changes, rng.randrange(1, 3)):
            change(rng, turn)
        assert run() == 0
        kept = built()
        assert kept == without_memo(), f"turn {turn}"
