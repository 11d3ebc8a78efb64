"""Fuzz: sound files of every format with bytes changed at random, from one seed. Each reader answers with a
value or with the error of its own, in one line; it never breaks in another way, and never hangs."""

import gzip
import io
import json
import signal
from collections.abc import Callable

import numpy as np
import pytest

from radiotrace.errors import StageError
from radiotrace.imaging import decoding, formats, headers, tables
from radiotrace.imaging.child import Refused
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts import pictures, reading
from radiotrace.inspection import kinds, volume_headers
from tests import hostile_files, phantoms

CHANGES = 2000  # of each format
SECONDS = 60  # for one file, on any machine: against hanging alone
OWN = (VolumeError, StageError, Refused)


def changed(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with one to eight changes: one set, some left out, repeated, or taken from elsewhere."""
    values = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        at = int(rng.integers(len(values) if rng.random() < 0.5 else min(len(values), 400)))
        length = int(rng.integers(1, 9))
        match rng.integers(5):
            case 0:
                values[at] = int(rng.integers(256))
            case 1:
                values[at : at + length] = rng.choice([b"\0", b"\xff", b"\x7f", b"9", b" "]) * length
            case 2:
                del values[at : at + length]
            case 3:
                values[at:at] = values[at : at + length] * int(rng.integers(1, 9))
            case _:
                del values[at:]
        if not values:
            values = bytearray(b"\0")
    return bytes(values)


def volume(ending: str) -> Callable[[bytes, object], object]:
    def read(data: bytes, _: object) -> None:
        headers.analyze_text(data)
        headers.check_unit(data)
        decoding.decode(data, f"a{ending}")

    return read


def picture(ending: str) -> Callable[[bytes, object], object]:
    return lambda data, _: pictures.decoded(data, f"a{ending}")


def arrays(data: bytes, folder) -> None:
    path = folder / "a.npz"
    path.write_bytes(data)
    for name in ("train_images", "train_masks"):
        read = reading.Array(path, name)
        _ = [read[number] for number in range(4)]


def table(data: bytes, _: object) -> None:
    tables.read(data, "cases.csv", [])


def declaration(data: bytes, folder) -> None:
    (folder / "dataset.json").write_bytes(data)
    formats.read_declaration(folder)


def first_bytes(data: bytes, _: object) -> None:
    kinds.kind_of("a.nii.gz", data)
    volume_headers.of_nifti(data, data[-4:], len(data))
    volume_headers.of_nrrd(data, len(data))
    volume_headers.of_metaimage(data, len(data))


def declared() -> bytes:
    labels = {"0": "background", "1": "anterior"}
    listed = phantoms.listed(["a", "b"])
    return json.dumps({"name": "x", "modality": {"0": "MRI"}, "labels": labels, "training": listed}).encode()


def of_colour(kind: str) -> bytes:
    values = np.random.default_rng(1).integers(0, 255, (18, 22, 3)).astype(np.uint8)
    return hostile_files.encoded(values, kind)


FORMATS: dict[str, tuple[Callable[[], bytes], Callable]] = {
    "NIfTI": (hostile_files.nifti, volume(".nii")),
    "NIfTI, gzip": (lambda: gzip.compress(hostile_files.nifti(), mtime=0), volume(".nii.gz")),
    "NRRD": (hostile_files.nrrd, volume(".nrrd")),
    "MetaImage": (hostile_files.metaimage, volume(".mha")),
    "PNG": (lambda: of_colour("png"), picture(".png")),
    "JPEG": (lambda: of_colour("jpeg"), picture(".jpg")),
    "TIFF": (lambda: of_colour("tiff"), picture(".tif")),
    "npz": (
        lambda: hostile_files.pair_of(hostile_files.described("(4, 8, 8)"), bytes(range(256))),
        arrays,
    ),
    "cases.csv": (lambda: b'case_id,subject_id,age\na,"A, B",40\nb,C,50\n', table),
    "dataset.json": (declared, declaration),
    "first bytes": (hostile_files.nifti, first_bytes),
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_file_with_changed_bytes_is_read_or_refused_in_one_line(name, tmp_path):
    make, read = FORMATS[name]
    rng = np.random.default_rng([0, sorted(FORMATS).index(name)])
    data = make()
    read(data, tmp_path) if name != "dataset.json" else None  # whose images are not there
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"{name}: hangs"))
    n_refused = 0
    for number in range(CHANGES):
        signal.alarm(SECONDS)
        try:
            read(changed(data, rng), tmp_path)
        except OWN as error:
            n_refused += 1
            lines = error.findings if isinstance(error, StageError) else [str(error)]
            assert all("\n" not in line for line in lines), (name, number)
        finally:
            signal.alarm(0)
    assert n_refused or name in ("cases.csv", "first bytes")  # which are told what is wrong in another way


def test_changes_are_those_of_the_seed():
    rngs = [np.random.default_rng(3) for _ in range(2)]
    assert changed(io.BytesIO(bytes(100)).read(), rngs[0]) == changed(bytes(100), rngs[1])
