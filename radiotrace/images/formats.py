"""Data set layouts: Medical Segmentation Decathlon and nnU-Net v2, with cases.csv for subjects and attributes."""
import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from radiotrace.stage import StageError

CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PLAIN_PATH = re.compile(r"(?!.*\.\.)[^\\:]+")  # as the schemas of the records have it
WAY_OUT = "Correct the data set (README, 'Your own data'), then run 'make manifest' and 'dvc repro'."


@dataclass(frozen=True)
class Case:
    """One image with its label map; paths are relative to the data folder."""
    case_id: str
    image: str
    label_map: str
    subject_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """What a data folder declares: who it is, its labels by value, its cases sorted by id."""
    identity: dict
    labels: dict[str, str]
    cases: list[Case]


def read_dataset(folder) -> Dataset:
    """Reads dataset.json and cases.csv of a data folder, and opens no image.

    MSD:     "training" lists {"image", "label"}; "labels" is value -> name.
    nnU-Net: no "training"; images are imagesTr/<case>_0000<file_ending>, label maps labelsTr/<case><file_ending>;
             "labels" is name -> value.
    cases.csv has the columns case_id and subject_id; every further column is an attribute.

    Raises:
        StageError: names every fault found in both files.
    """
    folder = Path(folder)
    faults: list[str] = []
    declared = _dataset_json(folder)
    labels = _labels(declared.get("labels"), faults)
    pairs = _pairs_msd(declared, faults) if "training" in declared else _pairs_nnunet(folder, declared, faults)
    rows = _cases_csv(folder, faults)
    if not pairs and not faults:
        raise StageError(f"0 cases in {folder}/", way_out=WAY_OUT)
    for case_id, paths in sorted(pairs.items()):
        if not CASE_ID.fullmatch(case_id):
            faults.append(f"{case_id!r}: a case id has letters, digits, '.', '_' and '-' only")
        faults += [fault for path in paths if (fault := _path_fault(folder, case_id, path))]
    if rows is not None:
        faults += [f"{case_id}: not in cases.csv, so that its subject is unknown" for case_id in sorted(pairs.keys() - rows.keys())]
        faults += [f"{case_id}: in cases.csv, but not in dataset.json" for case_id in sorted(rows.keys() - pairs.keys())]
    if faults:
        raise StageError(f"{len(faults)} faults in {folder}/dataset.json and {folder}/cases.csv", faults, WAY_OUT)
    cases = [Case(case_id, *pairs[case_id], **rows[case_id]) for case_id in sorted(pairs)]
    return Dataset(_identity(declared), labels, cases)


def _dataset_json(folder: Path) -> dict:
    path = folder / "dataset.json"
    try:
        declared = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise StageError(f"{path} is missing", way_out=WAY_OUT) from None
    except ValueError as error:
        raise StageError(f"{path} is not JSON: {error}", way_out=WAY_OUT) from None
    if not isinstance(declared, dict):
        raise StageError(f"{path}: found {type(declared).__name__}, expected an object", way_out=WAY_OUT)
    return declared


def _identity(declared: dict) -> dict:
    """Name, version, licence, citation and modality; null where the data set does not say."""
    channels = declared.get("modality") or declared.get("channel_names") or {}
    modality = channels.get("0") if isinstance(channels, dict) else channels
    text = {name: next((str(declared[key]) for key in keys if declared.get(key)), None) for name, keys in {
        "name": ("name",), "version": ("release", "version"), "licence": ("licence", "license"),
        "citation": ("reference", "citation"), "description": ("description",)}.items()}
    return text | {"modality": str(modality) if modality else None}


def _labels(declared, faults: list[str]) -> dict[str, str]:
    """Value -> name, both as text, sorted by value, from either way round."""
    try:
        pairs = {int(key): str(value) for key, value in declared.items()}
    except (AttributeError, ValueError, TypeError):
        try:
            pairs = {int(value): str(key) for key, value in declared.items()}
        except (AttributeError, ValueError, TypeError):
            faults.append(f"dataset.json: labels: found {declared!r}, expected values with their names")
            return {}
    if len(pairs) < 2 or sorted(pairs) != list(range(len(pairs))) or not len(declared) == len(set(pairs.values()) - {""}) == len(pairs):
        faults.append(f"dataset.json: labels: found {declared}, expected 0 (background), 1, 2, … without a gap, each with a name of its own")
    return {str(value): pairs[value] for value in sorted(pairs)}


def _pairs_msd(declared: dict, faults: list[str]) -> dict[str, tuple[str, str]]:
    pairs: dict[str, tuple[str, str]] = {}
    entries = declared["training"] if isinstance(declared["training"], list) else []
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("image", "label")):
            faults.append(f"dataset.json: training[{number}]: found {entry!r}, expected an image and a label")
            continue
        image, label_map = (PurePosixPath(entry[key]).as_posix() for key in ("image", "label"))
        case_id = re.sub(r"\.(nii\.gz|nii|nrrd|mha|mhd)$", "", PurePosixPath(image).name)
        if case_id in pairs:
            faults.append(f"{case_id}: listed twice in dataset.json")
        pairs[case_id] = (image, label_map)
    return pairs


def _pairs_nnunet(folder: Path, declared: dict, faults: list[str]) -> dict[str, tuple[str, str]]:
    ending = declared.get("file_ending")
    if not isinstance(ending, str):
        faults.append("dataset.json: neither 'training' (MSD) nor 'file_ending' (nnU-Net) is there")
        return {}
    names = {kind: sorted(path.name.removesuffix(ending) for path in (folder / kind).glob(f"*{ending}"))
             for kind in ("imagesTr", "labelsTr")}
    faults += [f"imagesTr/{name}{ending}: only one channel (_0000) is supported"
               for name in names["imagesTr"] if not name.endswith("_0000")]
    images = {name.removesuffix("_0000") for name in names["imagesTr"]}
    return {case_id: (f"imagesTr/{case_id}_0000{ending}", f"labelsTr/{case_id}{ending}")
            for case_id in sorted(images | set(names["labelsTr"]))}


def _path_fault(folder: Path, case_id: str, path: str) -> str | None:
    inside = (folder / path).resolve().is_relative_to(folder.resolve())
    if PurePosixPath(path).is_absolute() or not inside:
        return f"{case_id}: {path} leaves the data folder"
    if not PLAIN_PATH.fullmatch(path):
        return f"{case_id}: {path!r} holds '..', ':' or a backslash"
    if not (folder / path).is_file():
        return f"{case_id}: {path} is missing"
    return None


def _cases_csv(folder: Path, faults: list[str]) -> dict[str, dict] | None:
    """case_id -> {subject_id, attributes}; None when the file cannot be used at all."""
    path = folder / "cases.csv"
    if not path.is_file():
        faults.append("cases.csv: missing; it says which cases are of one subject (columns case_id, subject_id)")
        return None
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            if missing := {"case_id", "subject_id"} - set(reader.fieldnames or ()):
                faults.append(f"cases.csv: column {', '.join(sorted(missing))} missing; found {', '.join(reader.fieldnames or ()) or 'none'}")
                return None
            rows: dict[str, dict] = {}
            for row in reader:
                case_id, subject_id = row.pop("case_id"), row.pop("subject_id")
                if None in row or None in (case_id, subject_id, *row.values()):
                    faults.append(f"cases.csv line {reader.line_num}: found another number of columns than in the first line")
                    continue
                if case_id in rows:
                    faults.append(f"{case_id}: stands twice in cases.csv")
                if not subject_id.strip():
                    faults.append(f"{case_id}: no subject_id in cases.csv")
                rows[case_id] = {"subject_id": subject_id, "attributes": {key: value for key, value in row.items() if value}}
        except (csv.Error, UnicodeDecodeError) as error:
            faults.append(f"cases.csv: {error}")
            return None
    return rows
