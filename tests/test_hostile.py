"""Hostile files: each is a finding of that file, in one line, and the others go on.

tests/hostile/README.md lists the inputs with their outcomes.
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from radiotrace.imaging import identity
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import reading
from radiotrace.imaging.layouts.reading import Reader, Request
from radiotrace.pipeline import params
from tests import clones, dicoms, hostile_files, phantoms, projects
from tests.hostile_files import GOOD, plain

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED, MADE = "tests/hostile/README.md", "execution/hostile.md"
PEAK_BYTES = 2**30 + 400 * 2**20  # beside what NumPy, SimpleITK and the rest of the program take
SECONDS = 900  # for all commands of a door, on any machine: against hanging alone
HEAD = """# Hostile files: what a data set may hold, and what is said of it

Made by tests/test_hostile.py, which fails when it comes out otherwise. Each file lies beside sound ones,
which are judged as if it were not there. The command ends with exit status 1 and no traceback (`inspect` with
0, as it only looks); no process takes more than 1 GiB beside the program itself.

| door | input | what is said |
|---|---|---|
"""
READ = "is read, so far as its header declares it; nothing is wrong with that"
INSPECTED: dict[str, dict[str, str]] = {}


def through(folder: Path, commands: list[list[str]], **variables: str) -> list[dict[str, Any]]:
    """What comes of commands, in one process beside this one: status, out and err of each.

    None shows a traceback or takes too much memory or time.
    """
    file = folder.parent / f"{folder.name}.commands.json"
    file.write_text(json.dumps(commands))
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_files", str(file)],
        cwd=folder,
        env={**projects.environment(folder), "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    made = json.loads(done.stdout)
    assert made["peak_bytes"] < PEAK_BYTES
    return made["commands"]


def ids(names: Iterable[str], prefix: str) -> dict[str, str]:
    """A short name for each input, of which files are made."""
    return {f"{prefix}{number:02}": name for number, name in enumerate(names)}


def line_of(case_id: str, text: str) -> str:
    """What is said of a case, without the name of the case."""
    lines = [line.strip() for line in text.splitlines() if re.match(rf"(error)?\s*{case_id}\b", line.strip())]
    if not lines:
        return READ
    return re.sub(rf"^(error\s+)?{case_id}:?\s+", "", lines[0])


@pytest.fixture(scope="module")
def volumes(tmp_path_factory) -> dict[str, str]:
    """Through ingest and validate: one data set, with a case for each volume."""
    folder = tmp_path_factory.mktemp("hostile") / "volumes"
    data = folder / "data"
    of_input = hostile_files.volumes()
    names = ids(of_input, "v")
    (folder / "requirements").mkdir(parents=True)
    for kind in ("imagesTr", "labelsTr"):
        (data / kind).mkdir(parents=True)
    listed = phantoms.listed(list(GOOD))
    for number, case_id in enumerate((*GOOD, *names)):
        image, label_map = phantoms.pair(number)
        sitk.WriteImage(label_map, str(data / f"labelsTr/{case_id}.nii.gz"))
        if case_id in GOOD:
            sitk.WriteImage(image, str(data / f"imagesTr/{case_id}.nii.gz"))
            continue
        ending, content = of_input[names[case_id]]
        (data / f"imagesTr/{case_id}{ending}").write_bytes(content)
        listed.append({"image": f"./imagesTr/{case_id}{ending}", "label": f"./labelsTr/{case_id}.nii.gz"})
    phantoms.write_declaration(data, modality={"0": "MRI"}, training=listed)
    phantoms.write_subjects(data, {case_id: case_id for case_id in (*GOOD, *names)})
    with contextlib.chdir(folder):
        Path("data.sha256").write_text(identity.manifest("data"))
    shutil.copy(ROOT / "params.yaml", folder)
    for pins in (ROOT / "requirements").glob("*.txt"):
        shutil.copy(pins, folder / "requirements")
    described = params.load_yaml(ROOT / "dvc.yaml")["stages"]
    stages = [described[name]["cmd"].split()[2:] for name in ("ingest", "validate")]
    ingest, validate, inspect, looked = through(
        folder, [*stages, ["inspect", "data", "--all"], ["look", "data/imagesTr"]], RADIOTRACE_WORKERS="1"
    )
    assert (ingest["status"], validate["status"], inspect["status"]) == (0, 1, 0), ingest["err"]
    assert f"{len(names)} of {len(names) + len(GOOD)} cases fail" in validate["err"]
    INSPECTED["volumes"] = inspected(names, looked)
    return {name: plain(line_of(case_id, validate["err"]), folder) for case_id, name in names.items()}


def inspected(names: dict[str, str], looked: dict[str, Any]) -> dict[str, str]:
    """What `inspect` says of the file of each input; of headers alone, it may say nothing."""
    by_name = {Path(path).name.partition(".")[0]: said for path, said in json.loads(looked["out"]).items()}
    return {name: plain("; ".join(by_name[case_id])) or "nothing" for case_id, name in names.items()}


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """What `new` reads of a clone."""
    folder = tmp_path_factory.mktemp("hostile") / "clone"
    folder.mkdir()
    return clones.sources(folder)


@pytest.fixture(scope="module")
def pictures(repository) -> dict[str, str]:
    """Through new: two folders, with a case for each picture."""
    data = repository.parent / "pictures"
    of_input = hostile_files.pictures()
    names = ids(of_input, "p")
    for kind in ("images", "masks"):
        (data / kind).mkdir(parents=True)
    for case_id in (*GOOD, *names):
        mask = np.zeros((18, 22), np.uint8)
        mask[4:9, 5:11] = 1
        Image.fromarray(mask).save(data / f"masks/{case_id}.png")
        if case_id in GOOD:
            Image.fromarray(
                hostile_files.grey()[:, ::-1] if case_id == GOOD[0] else hostile_files.grey()
            ).save(data / f"images/{case_id}.png")
            continue
        ending, content = of_input[names[case_id]]
        (data / f"images/{case_id}{ending}").write_bytes(content)
    sheet = str(repository.parent / "sheet.png")
    made, inspect, looked = through(
        repository,
        [
            ["new", "x", "--data", str(data)],
            ["inspect", str(data), "--sheet", sheet],
            ["look", str(data / "images")],
        ],
    )
    assert (made["status"], inspect["status"]) == (1, 0)
    assert not any(case_id in made["err"] for case_id in GOOD)
    assert Path(sheet).is_file()
    INSPECTED["pictures"] = inspected(names, looked)
    return {name: plain(line_of(case_id, made["err"])) for case_id, name in names.items()}


def each_by_itself(repository: Path, prefix: str, written: dict[str, dict[str, bytes]]) -> dict[str, str]:
    """Through new: a data set for each input, of these files; all are refused."""
    names = ids(written, prefix)
    folders = {}
    for number, name in names.items():
        folders[name] = repository.parent / number
        for path, content in written[name].items():
            (folders[name] / path).parent.mkdir(parents=True, exist_ok=True)
            (folders[name] / path).write_bytes(content)
    commands = [["new", folder.name, "--data", str(folder)] for folder in folders.values()]
    said = {}
    for (name, folder), made in zip(folders.items(), through(repository, commands), strict=True):
        text = made["err"].replace("radiotrace: no study was made", "")
        if name.startswith("cases.csv"):  # the study is laid out, and its table is to be corrected
            text = "; ".join(re.findall(r"^ +cases.csv.*", made["out"], re.MULTILINE))
        assert made["status"] == (1 if made["err"] else 0)
        said[name] = plain((text or READ).replace("Correct this, and run it again.", ""), folder)[:300].strip(
            ": "
        )
    assert sorted(path.name for path in repository.glob("*") if path.name in ("unpickled", "computed")) == []
    return said


@pytest.fixture(scope="module")
def arrays(repository) -> dict[str, str]:
    written = {name: {"a.npz": content} for name, content in hostile_files.arrays().items()}
    return each_by_itself(repository, "a", written)


@pytest.fixture(scope="module")
def declarations(repository, tmp_path_factory) -> dict[str, str]:
    sound = tmp_path_factory.mktemp("sound")
    for kind in ("imagesTr", "labelsTr"):
        (sound / kind).mkdir()
    for number, case_id in enumerate(GOOD):
        for kind, volume in zip(("imagesTr", "labelsTr"), phantoms.pair(number), strict=True):
            sitk.WriteImage(volume, str(sound / f"{kind}/{case_id}.nii.gz"))
    phantoms.write_declaration(sound, modality={"0": "MRI"}, training=phantoms.listed(list(GOOD)))
    files = {path.relative_to(sound).as_posix(): path.read_bytes() for path in sound.rglob("*.*")}
    written = {
        name: files | {file: content} for name, (file, content) in hostile_files.declarations().items()
    }
    return each_by_itself(repository, "d", written)


@pytest.fixture(scope="module")
def dicom_files(tmp_path_factory) -> dict[str, str]:
    """Through from-dicom: a tree for each file, beside a sound series."""
    folder = tmp_path_factory.mktemp("hostile") / "dicom"
    folder.mkdir()
    of_input = hostile_files.dicom_files()
    names = ids(of_input, "d")
    tree = folder / "tree"
    dicoms.write(tree / "sound", dicoms.slices(study=2))
    for number, name in names.items():
        (tree / f"{number}.dcm").write_bytes(of_input[name])
    few = {number: name for number, name in names.items() if "empty items" not in name}  # which takes 10 s
    (folder / "few").mkdir()
    for number, name in few.items():
        (folder / f"few/{number}.dcm").write_bytes(of_input[name])
    words = ["from-dicom", "tree", "--out", "out", "--name", "x", "--unlabelled", "keep"]
    words += ["--max-seconds", "5"]
    refused, skipped, looked = through(folder, [words, [*words, "--skip-faulty"], ["look", "few"]])
    assert (refused["status"], skipped["status"]) == (1, 0), (refused["err"], skipped["err"])
    assert "1 images of 1 subjects" in skipped["out"]
    said = {}
    for number, name in names.items():
        lines = [line for line in refused["err"].splitlines() if f"{number}.dcm" in line]
        said[name] = plain("; ".join(lines)) or READ
    INSPECTED["dicom"] = inspected(few, looked)
    return said


@pytest.mark.slow
def test_every_hostile_file_is_a_finding_in_one_line_and_the_others_go_on(
    volumes, pictures, arrays, declarations, dicom_files
):
    doors = {
        "ingest, validate": volumes,
        "new": pictures | arrays | declarations,
        "from-dicom": dicom_files,
        "inspect": INSPECTED["volumes"] | INSPECTED["pictures"] | INSPECTED["dicom"],
    }
    rows = [(door, name, said) for door, of_door in doors.items() for name, said in of_door.items()]
    assert len(rows) >= 60
    text = HEAD + "".join(f"| {door} | {name} | {said} |\n" for door, name, said in rows)
    text += f"\n{len(rows)} inputs\n"
    (ROOT / MADE).parent.mkdir(exist_ok=True)
    (ROOT / MADE).write_text(text, "utf-8")
    assert (ROOT / PUBLISHED).read_text("utf-8") == text, f"if this is meant: cp {MADE} {PUBLISHED}"


# A decoder that crashes, hangs or takes all memory, while the files beside it are read


def test_a_file_that_crashes_the_process_that_reads_is_refused_and_the_others_are_read(tmp_path, monkeypatch):
    for name in ("a", "b_crash", "c"):
        Image.fromarray(hostile_files.grey()).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(reading, "_several", hostile_files.several_that_crash)
    requests = [Request(f"{name}.png") for name in ("a", "b_crash", "c")]
    reader = Reader(tmp_path, None, planned=requests)
    assert reader.read(requests[0]).first.GetSize() == (22, 18, 1)
    with pytest.raises(VolumeError, match="broke off: too much memory, or a decoder crashed"):
        reader.read(requests[1])
    assert reader.read(requests[2]).first.GetSize() == (22, 18, 1)
