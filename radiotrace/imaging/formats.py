"""Data set layouts: Medical Segmentation Decathlon and nnU-Net v2, with cases.csv for subjects and
attributes."""

import hashlib
import itertools
import json
import re
import stat
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from radiotrace.errors import StageError
from radiotrace.imaging import columns, content, decoding, identifying, links, tables
from radiotrace.imaging.channels import Channel, named
from radiotrace.imaging.columns import Value
from radiotrace.records.dataset import Column

CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# files are named CASE.augmentation.mutual_information.nii.gz and the like; file systems end at 255, some at
# 143
CASE_ID_LENGTH_MAX = 128
LABEL_NAME = re.compile(r"[^\W_][\w .()+,-]*(?<! )")
LABEL_LENGTH_MAX = 64
LABELS_MAX = 256  # label maps are stored as bytes
CHANNELS_MAX = 16
CHANNEL_NAME = re.compile(r"[^\W_][\w .()+-]*(?<! )")  # no comma: lists of channels have it between them
CHANNEL_NUMBER = re.compile(r"_([0-9]{4})$")
CHANNEL_DIGITS = 4
RESERVED = ("mean_of_labels",)  # stands beside the labels in the records
PLAIN_PATH = re.compile(r"(?!.*\.\.)[^\\:]+")  # as the schemas of the records have it
JSON_BYTES_MAX = 2**27
WAY_OUT = "Correct the data set (README, 'Your own data'), then run 'make manifest' and 'dvc repro'."
# By ending, what is not read, and what to do about it.
UNREAD = {
    **dict.fromkeys(
        (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"),
        ("a picture, one slice each", "Make 3-D volumes of them, .nii.gz, with their spacing"),
    ),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), content.DICOM),
    **dict.fromkeys(
        (".hdr", ".img"), ("a pair .hdr and .img (Analyze or NIfTI)", "Write each as one file, .nii.gz")
    ),
    **dict.fromkeys((".mgz", ".mgh"), ("FreeSurfer's format", "Convert them with mri_convert to .nii.gz")),
    **dict.fromkeys(
        (".npy", ".npz", ".h5", ".hdf5", ".mat"),
        ("arrays without a grid", "Write them as .nii.gz with spacing and orientation"),
    ),
    **dict.fromkeys(
        (".mnc", ".gipl", ".par", ".rec", ".vtk"), ("a format that is not read", "Convert them to .nii.gz")
    ),
}


@dataclass(frozen=True)
class Case:
    """One image with its label map, where it has one; paths are relative to the data folder.

    images: of each channel, in the order in which the data set declares them.
    values: declared column of cases.csv -> what stands there.
    """

    case_id: str
    images: tuple[str, ...]
    label_map: str | None
    subject_id: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """Each file: the channels of the image, then the label map where there is one."""
        return (*self.images, *((self.label_map,) if self.label_map is not None else ()))


@dataclass(frozen=True)
class Dataset:
    """What a data folder declares: who it is, its labels by value, its cases sorted by id.

    channels: of every image. tables_sha256: of dataset.json and cases.csv, of the very bytes that were read.
    notes: what to know that stops nothing. columns: of cases.csv, that are more than attributes.
    published_cases: part -> label -> number. subjects_unknown: whether nobody says whose an image is.
    """

    identity: dict
    labels: dict[str, str]
    channels: tuple[Channel, ...]
    cases: list[Case]
    tables_sha256: dict[str, str] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)
    columns: dict[str, Column] = field(default_factory=dict)
    published_cases: dict[str, dict[str, int]] | None = None
    subjects_unknown: bool = False


def read_dataset(folder, missing_words=(), bands: dict[str, list[float]] | None = None) -> Dataset:
    """Reads dataset.json and cases.csv of a data folder, and opens no image.

    MSD:     "training" lists {"image", "label"}; "labels" is value -> name.
    nnU-Net: no "training"; images are imagesTr/<case>_0000<file_ending>, further channels _0001 and on, label
             maps labelsTr/<case><file_ending>; "labels" is name -> value, "channel_names" number -> name.
    cases.csv has the columns case_id and subject_id; every further column is an attribute, but for those that
    dataset.json declares under "columns". Where one of these is a target, no case needs a label map.

    Args:
        missing_words, bands: as tables.grouped takes them.

    Raises:
        StageError: names every fault found in both files.
    """
    folder = Path(folder)
    faults: list[str] = []
    notes: list[str] = []
    json_bytes = _dataset_json_bytes(folder)
    found, pairs = _declared(folder, json_bytes, faults)
    csv_bytes, table = _cases_csv(folder, faults)
    if not pairs and not faults:
        raise StageError(f"0 cases in {folder}/", way_out=WAY_OUT)
    faults += _case_faults(folder, pairs)
    groups_of: dict[str, dict[str, str]] = {}
    values_of: dict[str, dict[str, Value]] = {}
    if table is not None:
        faults += [
            f"{case_id}: not in cases.csv, so that its subject is unknown"
            for case_id in sorted(pairs.keys() - table.subject_of.keys())
        ]
        faults += [
            f"{case_id}: in cases.csv, but not in dataset.json"
            for case_id in sorted(table.subject_of.keys() - pairs.keys())
        ]
        values_of = columns.values_of(table, found.columns, found.labels, missing_words, faults)
        no_attributes = {name for name, column in found.columns.items() if not column.attribute}
        groups_of = tables.grouped(
            tables.without(table, no_attributes), list(missing_words), bands or {}, faults, notes
        )
    if faults or table is None:
        raise StageError(
            f"{len(faults)} faults in {folder}/dataset.json and {folder}/cases.csv", faults, WAY_OUT
        )
    cases = [
        Case(case_id, *pairs[case_id], table.subject_of[case_id], groups_of[case_id], values_of[case_id])
        for case_id in sorted(pairs)
    ]
    notes += _identities(cases)
    hashes = {
        name: hashlib.sha256(data).hexdigest()
        for name, data in (("dataset.json", json_bytes), ("cases.csv", csv_bytes))
    }
    return replace(found, cases=cases, tables_sha256=hashes, notes=tuple(notes))


def _identities(cases: list[Case]) -> list[str]:
    """Ids that look like what says who a person is: records and pages repeat them."""
    found = Counter(
        (of, kind)
        for case in cases
        for of, text in (("case_id", case.case_id), ("subject_id", case.subject_id))
        for kind in identifying.kinds(text)
    )
    return [
        f"{count} of {len(cases)} cases have a {of} that holds {kind}: records and pages repeat it; rename it"
        for (of, kind), count in sorted(found.items())
    ]


def read_declaration(folder) -> Dataset:
    """What dataset.json alone declares; no subject is known of any case.

    Raises:
        StageError: names every fault found in dataset.json, and in the names of files.
    """
    folder = Path(folder)
    faults: list[str] = []
    found, pairs = _declared(folder, _dataset_json_bytes(folder), faults)
    if not pairs and not faults:
        faults.append("0 cases")
    faults += _case_faults(folder, pairs)
    if faults:
        raise StageError(f"{len(faults)} faults in {folder}/dataset.json", faults, WAY_OUT)
    return replace(found, cases=[Case(case_id, *pairs[case_id]) for case_id in sorted(pairs)])


# case -> paths of its channels, path of its label map
Pairs = dict[str, tuple[tuple[str, ...], str | None]]


def _declared(folder: Path, json_bytes: bytes, faults: list[str]) -> tuple[Dataset, Pairs]:
    """What dataset.json says, without cases, and the image and label map of each case."""
    declared = _parsed(json_bytes, folder / "dataset.json")
    has_target = _has_target(declared)
    labels = _labels(declared.get("labels"), faults, has_background=not has_target)
    of_columns = columns.declared(declared.get("columns"), labels, faults)
    channels = _channels(declared, faults)
    published, unknown = _of_tables(declared, labels, faults)
    if "training" in declared:
        _check_one_channel(channels, faults)
        pairs = _pairs_msd(declared, faults, needs_label=not has_target)
    else:
        pairs = _pairs_nnunet(folder, declared, channels, faults, needs_label=not has_target)
    found = Dataset(
        _identity(declared, faults),
        labels,
        channels,
        [],
        columns=of_columns,
        published_cases=published,
        subjects_unknown=unknown,
    )
    return found, pairs


def _has_target(declared: dict) -> bool:
    """Whether a column of cases.csv is what a model is to tell, so that a case needs no label map."""
    found = declared.get("columns")
    entries = found.values() if isinstance(found, dict) else ()
    return any(isinstance(entry, dict) and entry.get("role") == "target" for entry in entries)


def _of_tables(
    declared: dict, labels: dict[str, str], faults: list[str]
) -> tuple[dict[str, dict[str, int]] | None, bool]:
    """How many cases the publication says that there are, and whether subjects are known."""
    published, unknown = declared.get("published_cases"), declared.get("subjects_unknown", False)
    if not isinstance(unknown, bool):
        faults.append(f"dataset.json: subjects_unknown: found {unknown!r}, expected true or false")
    is_good = published is None or (
        isinstance(published, dict)
        and set(published) <= set(columns.PARTS)
        and all(
            isinstance(of_part, dict)
            and set(of_part) <= set(labels.values())
            and all(type(count) is int and count >= 0 for count in of_part.values())
            for of_part in published.values()
        )
    )
    if not is_good:
        faults.append(
            f"dataset.json: published_cases: expected {', '.join(columns.PARTS)}, and for each the number of "
            f"cases of {', '.join(labels.values())}"
        )
    return published if is_good else None, unknown is True


def _dataset_json_bytes(folder: Path) -> bytes:
    path = folder / "dataset.json"
    if path.is_file():
        if path.stat().st_size > JSON_BYTES_MAX:
            raise StageError(
                f"{path} has {path.stat().st_size} bytes; at most {JSON_BYTES_MAX} are read", way_out=WAY_OUT
            )
        return path.read_bytes()
    if deeper := sorted([*folder.glob("*/dataset.json"), *folder.glob("*/*/dataset.json")]):
        raise StageError(
            f"{path} is missing, but {deeper[0].as_posix()} is there: the data set lies too deep",
            way_out=f"Move what is in {deeper[0].parent.as_posix()}/ to {folder}/, then run 'make manifest' "
            f"and 'dvc repro'.",
        )
    if dicom := first_dicom(folder):
        raise StageError(
            f"{path} is missing; {dicom} is {content.DICOM[0]}", way_out=f"{content.DICOM[1]}. {WAY_OUT}"
        )
    raise StageError(f"{path} is missing", way_out=WAY_OUT)


def first_dicom(folder: Path) -> str | None:
    """The first DICOM file among the first hundred files of a folder by name, or None."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    for path in itertools.islice(files, 100):
        with open(path, "rb") as file:
            if file.read(132)[128:] == b"DICM":
                return path.as_posix()
    return None


def _parsed(data: bytes, path: Path) -> dict:
    twice: list[str] = []

    def once(pairs):
        twice.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return dict(pairs)

    def refused(name):
        raise ValueError(f"{name} is not a finite number")

    try:
        declared = json.loads(data.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=refused)
    except ValueError as error:
        raise StageError(f"{path} is not JSON: {error}", way_out=WAY_OUT) from None
    except RecursionError:
        raise StageError(f"{path} is nested too deeply to be read", way_out=WAY_OUT) from None
    if not isinstance(declared, dict):
        raise StageError(f"{path}: found {type(declared).__name__}, expected an object", way_out=WAY_OUT)
    if twice:
        raise StageError(
            f"{path}: {len(twice)} keys stand twice, and nobody knows which is meant", twice, WAY_OUT
        )
    return declared


def _identity(declared: dict, faults: list[str]) -> dict:
    """Name, version, licence, citation and modality; null where the data set does not say."""
    texts: dict[str, str | None] = {}
    for name, keys in {
        "name": ("name",),
        "version": ("release", "version"),
        "licence": ("licence", "license"),
        "citation": ("reference", "citation"),
        "description": ("description",),
    }.items():
        value = next((declared[key] for key in keys if declared.get(key)), None)
        texts[name] = None if value is None else str(value)
        if isinstance(value, (dict, list)):
            faults.append(f"dataset.json: {name}: found {type(value).__name__}, expected text")
        elif value is not None and not str(value).replace("\n", "").replace("\t", "").isprintable():
            faults.append(
                f"dataset.json: {name} holds characters that are not seen, or that steer a terminal"
            )
    modality = ", ".join(map(str, _modalities(declared))) or None
    if modality and not modality.isprintable():
        faults.append("dataset.json: modality holds characters that are not seen, or that steer a terminal")
    return texts | {"modality": modality}


def _modalities(declared: dict) -> list:
    """The channels that are declared, the first one first; [] where the data set does not say."""
    channels = declared.get("modality") or declared.get("channel_names") or []
    if isinstance(channels, dict):
        return [channels[key] for key in sorted(channels, key=_number)]
    return channels if isinstance(channels, list) else [channels]


def _number(key: str) -> tuple[int, str]:
    """To sort channels by: "10" comes after "9", and what is no number last."""
    is_number = key.isascii() and key.isdigit() and len(key) <= CHANNEL_DIGITS
    return (int(key), key) if is_number else (CHANNELS_MAX, key)


def _channels(declared: dict, faults: list[str]) -> tuple[Channel, ...]:
    """The channels that are declared; one without a name where the data set does not say.

    Several are told apart by name, in records and by who predicts, so that their names must be good ones.
    """
    modalities = declared.get("modality") or declared.get("channel_names")
    names = [tables.plain(str(name)) for name in _modalities(declared)]
    if len(names) <= 1:
        return (named(str(_modalities(declared)[0]) if names else None),)
    if isinstance(modalities, dict) and sorted(modalities) != sorted(map(str, range(len(modalities)))):
        faults.append(
            f"dataset.json: channels: found the numbers {', '.join(modalities)}, expected 0 to "
            f"{len(modalities) - 1}"
        )
    if len(names) > CHANNELS_MAX:
        faults.append(f"dataset.json: {len(names)} channels are declared; at most {CHANNELS_MAX} are read")
    faults += [
        f"dataset.json: channel {number} is {name[:80]!r}; a name begins with a letter or digit, has "
        f"letters, digits, spaces and . _ - + ( ) only, and at most {LABEL_LENGTH_MAX} characters"
        for number, name in enumerate(names)
        if not CHANNEL_NAME.fullmatch(name) or len(name) > LABEL_LENGTH_MAX
    ]
    numbers_of = defaultdict(list)
    for number, name in enumerate(names):
        numbers_of[unicodedata.normalize("NFKC", name).casefold()].append(number)
    faults += [
        f"dataset.json: channels {' and '.join(map(str, numbers))} have one name, but for its spelling: "
        f"{names[numbers[0]]!r}"
        for numbers in numbers_of.values()
        if len(numbers) > 1
    ]
    return tuple(map(named, names))


def _check_one_channel(channels: tuple[Channel, ...], faults: list[str]) -> None:
    """MSD has several channels in one 4-D file, which is not read."""
    if len(channels) > 1:
        names = ", ".join(str(channel.name) for channel in channels)
        faults.append(
            f"dataset.json: {len(channels)} modalities are declared ({names}), which MSD has in one 4-D file "
            "a case; it is not read. Write each channel as a file of its own in nnU-Net's layout: "
            "imagesTr/CASE_0000.nii.gz, CASE_0001.nii.gz and on, 'channel_names' and 'file_ending' instead "
            "of 'training'; or keep a 3-D file of one channel, and declare only that one"
        )


def _labels(declared, faults: list[str], has_background: bool = True) -> dict[str, str]:
    """Value -> name, both as text, sorted by value, from either way round.

    Args:
        has_background: whether 0 is what no structure is; else it is a class as others.
    """
    reason = "expected values with their names"
    if isinstance(declared, dict) and any(isinstance(value, list) for value in declared.values()):
        reason = "regions of several values (nnU-Net) are not supported; give each structure one value"
    try:
        pairs = {_label_value(key): _label_name(value) for key, value in declared.items()}
    except (AttributeError, ValueError, TypeError):
        try:
            pairs = {_label_value(value): _label_name(key) for key, value in declared.items()}
        except (AttributeError, ValueError, TypeError):
            faults.append(f"dataset.json: labels: found {declared!r}, {reason}")
            return {}
    if ignored := [value for value, name in sorted(pairs.items()) if name.casefold() == "ignore"]:
        faults.append(
            f"dataset.json: labels: {ignored[0]} is 'ignore', which marks voxels that nobody labelled "
            f"(nnU-Net). It is not supported: they "
            "would be learnt as a structure. Leave these cases out, or label them"
        )
        return {}
    if (
        len(pairs) < 2
        or sorted(pairs) != list(range(len(pairs)))
        or not len(declared) == len(set(pairs.values()) - {""}) == len(pairs)
    ):
        faults.append(
            f"dataset.json: labels: found {declared}, expected 0{' (background)' * has_background}, 1, 2, … "
            f"without a gap, each "
            f"with a name of its own"
        )
        return {}
    if len(pairs) > LABELS_MAX:
        faults.append(
            f"dataset.json: labels: found {len(pairs)}, expected at most {LABELS_MAX}, background included"
        )
        return {}
    if has_background and pairs[0].casefold() != "background":
        faults.append(
            f"dataset.json: labels: 0 is {pairs[0]!r}, expected background. Its voxels are never a "
            f"structure: are the values mixed up?"
        )
    faults += _label_name_faults(pairs)
    return {str(value): pairs[value] for value in sorted(pairs)}


def _label_value(value) -> int:
    """A label's value from a number or a text.

    Raises:
        ValueError: it is no whole number, and to round it would give a structure the value of another one.
    """
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value} is no whole number")
    return int(value)


def _label_name(name) -> str:
    """A label's name, which may be written as a number.

    Raises:
        ValueError: it is nothing, or true or false.
    """
    if name is None or isinstance(name, bool):
        raise ValueError(f"{name} is no name")
    return tables.plain(str(name))


def _label_name_faults(pairs: dict[int, str]) -> list[str]:
    faults = [
        f"dataset.json: labels: {value} is {name[:80]!r}; a name begins with a letter or digit, has letters, "
        f"digits, spaces and . _ - + , ( ) "
        f"only, and at most {LABEL_LENGTH_MAX} characters"
        for value, name in sorted(pairs.items())
        if not LABEL_NAME.fullmatch(name) or len(name) > LABEL_LENGTH_MAX
    ]
    faults += [
        f"dataset.json: labels: {value} is {name!r}, which is a word of the records; give it another name"
        for value, name in sorted(pairs.items())
        if name.casefold() in RESERVED
    ]
    spellings = defaultdict(list)
    for value, name in sorted(pairs.items()):
        spellings[unicodedata.normalize("NFKC", name).casefold()].append(value)
    return faults + [
        f"dataset.json: labels: {' and '.join(map(str, values))} have one name, but for its spelling: "
        f"{pairs[values[0]]!r}"
        for values in spellings.values()
        if len(values) > 1
    ]


def _pairs_msd(declared: dict, faults: list[str], needs_label: bool) -> Pairs:
    pairs: Pairs = {}
    entries = declared["training"] if isinstance(declared["training"], list) else []
    for number, entry in enumerate(entries):
        keys = ("image", "label") if needs_label else ("image",)
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in keys):
            expected = "an image and a label" if needs_label else "an image"
            faults.append(f"dataset.json: training[{number}]: found {entry!r}, expected {expected}")
            continue
        image = PurePosixPath(entry["image"]).as_posix()
        has_label = isinstance(entry.get("label"), str)
        label_map = PurePosixPath(entry["label"]).as_posix() if has_label else None
        case_id = decoding.case_name(PurePosixPath(image).name)
        if case_id in pairs:
            faults.append(f"{case_id}: listed twice in dataset.json")
        pairs[case_id] = ((image,), label_map)
    return pairs


def _pairs_nnunet(
    folder: Path, declared: dict, channels: tuple[Channel, ...], faults: list[str], needs_label: bool
) -> Pairs:
    ending = declared.get("file_ending")
    if not isinstance(ending, str):
        faults.append("dataset.json: neither 'training' (MSD) nor 'file_ending' (nnU-Net) is there")
        return {}
    if not decoding.ENDINGS.fullmatch(ending):
        file_kind, way_out = UNREAD.get(
            ending.lower(), ("a format that is not read", "Convert the files to .nii.gz")
        )
        faults.append(f"dataset.json: file_ending {ending!r}: {file_kind}. {way_out}")
        return {}
    names_in: dict[str, list[str]] = {}
    for kind in ("imagesTr", "labelsTr"):
        listed = sorted(path.name for path in (folder / kind).iterdir()) if (folder / kind).is_dir() else []
        files = [name for name in listed if not name.startswith(".")]
        if hidden := [name for name in listed if name.startswith(".") and name.endswith(ending)]:
            faults.append(
                f"{kind}/ has {len(hidden)} hidden files, such as {hidden[0]}, as macOS leaves them behind. "
                f"Remove them"
            )
        names_in[kind] = [name.removesuffix(ending) for name in files if name.endswith(ending)]
        if not names_in[kind] and files:
            faults.append(
                f"{kind}/ has {len(files)} files, such as {files[0]}, none of which ends in {ending} "
                f"(file_ending)"
            )
    cases: set[str] = set()
    strange, undeclared = [], []
    for name in names_in["imagesTr"]:
        channel = CHANNEL_NUMBER.search(name)
        if channel is None:
            strange.append(name)
            continue
        cases.add(name[: channel.start()])
        if int(channel[1]) >= len(channels):
            undeclared.append(name)
    if undeclared:
        faults.append(
            f"imagesTr/: {len(undeclared)} files, such as {undeclared[0]}{ending}, are of a channel that is "
            f"not declared: dataset.json has {len(channels)}. Name each in channel_names "
            '({"0": "T2", "1": "ADC"}), or take the files away'
        )
    if strange:
        faults.append(
            f"imagesTr/: {len(strange)} files, such as {strange[0]}{ending}, do not end in _0000{ending}, "
            "as nnU-Net names the first channel"
        )
        return {}
    return {
        case_id: (
            tuple(f"imagesTr/{case_id}_{number:04d}{ending}" for number in range(len(channels))),
            f"labelsTr/{case_id}{ending}" if needs_label or case_id in names_in["labelsTr"] else None,
        )
        for case_id in sorted(cases | set(names_in["labelsTr"]))
    }


def _case_faults(folder: Path, pairs: Pairs) -> list[str]:
    """What is wrong with case ids and with the files that are named."""
    faults = []
    for case_id in sorted(pairs):
        if not CASE_ID.fullmatch(case_id):
            faults.append(f"{case_id!r}: a case id has letters, digits, '.', '_' and '-' only")
        elif len(case_id) > CASE_ID_LENGTH_MAX:
            faults.append(
                f"{case_id}: a case id of {len(case_id)} characters; at most {CASE_ID_LENGTH_MAX}, because "
                f"files are named after it"
            )
    return [*faults, *_same_when_folded(pairs), *_file_faults(folder, pairs)]


def _same_when_folded(pairs: dict) -> list[str]:
    """Case ids that other file systems would take for one, and files that have two roles."""
    spellings = defaultdict(list)
    for case_id in sorted(pairs):
        spellings[case_id.casefold()].append(case_id)
    faults = [
        f"{' and '.join(several)}: case ids that differ in capitals only"
        for several in spellings.values()
        if len(several) > 1
    ]
    images = {path: case_id for case_id, (of_image, _) in sorted(pairs.items()) for path in of_image}
    label_maps = {
        of_label_map: case_id for case_id, (_, of_label_map) in sorted(pairs.items()) if of_label_map
    }
    both = sorted(images.keys() & label_maps.keys())
    if both:
        more = f" (and {len(both) - 1} more files)" if len(both) > 1 else ""
        faults.append(
            f"dataset.json: {both[0]} is the image of {images[both[0]]} and the label map of "
            f"{label_maps[both[0]]}{more}; "
            "a file has one role"
        )
    return faults


def _file_faults(folder: Path, pairs: dict) -> list[str]:
    """What is wrong with the files that are named; a fault that many share is said once."""
    faults: list[str] = []
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    missing: list[tuple[str, str]] = []
    for case_id, (images, label_map) in sorted(pairs.items()):
        for path in dict.fromkeys((*images, *((label_map,) if label_map else ()))):
            ending = PurePosixPath(path).suffix.lower()
            if not path.isprintable() or (
                not PurePosixPath(path).is_absolute() and ".." not in path and not PLAIN_PATH.fullmatch(path)
            ):
                faults.append(f"{case_id}: {path!r} holds ':', a backslash, or characters that are not seen")
            elif PurePosixPath(path).is_absolute() or (".." in path and links.leaves(folder, path)):
                faults.append(f"{case_id}: {path} leaves the data folder")
            elif not PLAIN_PATH.fullmatch(path):
                faults.append(f"{case_id}: {path!r} holds '..'")
            elif (mode := _mode(folder / path)) is None:
                missing.append((case_id, path))
            elif links.leaves(folder, path):
                faults.append(f"{case_id}: {path} leaves the data folder")
            elif stat.S_ISDIR(mode):
                shared[
                    "folders, not files",
                    "A folder of DICOM files becomes one file with 'python -m radiotrace from-dicom'",
                ].append(path)
            elif not decoding.ENDINGS.search(path):
                unread = UNREAD.get(
                    ending,
                    (
                        f"files that end in {ending or 'nothing'}, which is not read",
                        f"Convert them to {decoding.READABLE}",
                    ),
                )
                shared[unread].append(path)
    for (file_kind, way_out), paths in shared.items():
        faults.append(
            f"{paths[0]} and {len(paths) - 1} more: {file_kind}. {way_out}"
            if len(paths) > 1
            else f"{paths[0]}: {file_kind}. {way_out}"
        )
    n_files = sum(len(images) + (label_map is not None) for images, label_map in pairs.values())
    return faults + _missing_faults(folder, missing, n_files)


def _mode(path: Path) -> int | None:
    """What a path leads to, as os.stat says; None where there is nothing, or no such name can be."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _missing_faults(folder: Path, missing: list[tuple[str, str]], n_files: int) -> list[str]:
    if missing and len(missing) == n_files:
        below = next((path for path in sorted(folder.glob("*/")) if (path / missing[0][1]).is_file()), None)
        if below is not None:
            return [
                f"all {n_files} files are missing, but {below.as_posix()}/{missing[0][1]} is there: "
                f"move what is in {below.as_posix()}/ to {folder}/"
            ]
    return [f"{case_id}: {path} is missing" for case_id, path in missing]


def _cases_csv(folder: Path, faults: list[str]) -> tuple[bytes, tables.Table | None]:
    """The bytes of cases.csv, and what they say; None when the file cannot be used at all."""
    path = folder / "cases.csv"
    if not path.is_file():
        faults.append(
            "cases.csv: missing; it says which cases are of one subject (columns case_id, subject_id)"
        )
        return b"", None
    data = path.read_bytes()
    return data, tables.read(data, "cases.csv", faults)
