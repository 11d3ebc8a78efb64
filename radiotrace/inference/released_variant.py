"""A smaller variant of a released model, checked before anything is predicted with it."""

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.inference.sliding import Network
from radiotrace.records.timing import files_sha256
from radiotrace.records.variants import Runtime, Variant, Variants

RECORD = "variants.json"
WAY_OUT = "'dvc pull build/optimize' brings those of the submitted model."


@dataclass(frozen=True)
class ReleasedVariant:
    """A variant of a model, as its folder has it.

    Attributes:
        folder: that its files are named from.
        record_sha256: of variants.json.
    """

    name: str
    folder: Path
    record: Variant
    record_sha256: str

    @property
    def files_sha256(self) -> str:
        """Over the hashes of its files, each on a line."""
        return files_sha256(self.record.files)


def opened(folder: Path, name: str, released: Path, run_id: str, sha256: str) -> ReleasedVariant:
    """A variant that is as good as the released network.

    Args:
        folder: that the stage optimize wrote.
        released: folder of the released model, with its run and the SHA-256 of its network.

    Raises:
        StageError: there is no such variant, it is of another model, it is worse, or a file was changed.
    """
    if not (folder / RECORD).is_file():
        raise StageError(f"{folder} has no variants of a model: {RECORD} is not in it", way_out=WAY_OUT)
    record = Variants.of(records.read(folder / RECORD, "released_variants"))
    if (record.run_id, record.reference.sha256) != (run_id, sha256):
        raise StageError(
            f"{folder} has variants of another model",
            [
                f"run_id found {record.run_id}, expected {run_id}",
                f"SHA-256 of {record.reference.file} found {record.reference.sha256}, expected {sha256}",
            ],
            WAY_OUT,
        )
    variants: dict[str, Variant] = {**record.variants}
    variant = variants.get(name)
    if variant is None:
        raise StageError(
            f"{folder} has no variant {name}",
            [f"expected one of {', '.join(sorted(record.variants))}"],
            WAY_OUT,
        )
    if not (variant.released or (variant.non_inferior and not variant.is_own_file)):
        raise StageError(f"{name} was not released: it is worse than the released network, or not smaller")
    place = folder if variant.is_own_file else released
    faults = [
        f"{file.file}: SHA-256 found {found or 'nothing'}, expected {file.sha256}"
        for file in variant.files
        if (found := _sha256(place / file.file)) != file.sha256
    ]
    if faults:
        raise StageError(f"files of {name} are not those that were measured", faults, WAY_OUT)
    if variant.runtime == "OpenVINO" and importlib.util.find_spec("openvino") is None:
        raise StageError(
            f"{name} is run by OpenVINO, which is not installed",
            way_out="pip install the line openvino== of requirements/optimize.txt.",
        )
    return ReleasedVariant(name, place, variant, records.sha256(folder / RECORD))


def _sha256(path: Path) -> str | None:
    return records.sha256(path) if path.is_file() else None


def network(variant: ReleasedVariant, threads: int) -> Network:
    """Its network, in the process that predicts.

    Raises:
        StageError: its runtime does not load it.
    """
    return _network(variant.folder / variant.record.files[0].file, variant.record.runtime, threads)


@lru_cache(maxsize=1)  # for all cases of a process
def _network(file: Path, runtime: Runtime, threads: int) -> Network:
    if runtime == "OpenVINO":
        from radiotrace.inference import openvino_network  # here, because it need not be installed

        return openvino_network.of(file.with_suffix(".xml") if file.suffix == ".bin" else file, threads)
    from radiotrace.inference import onnx_network

    return onnx_network.of(file, threads)
