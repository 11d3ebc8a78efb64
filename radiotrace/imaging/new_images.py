"""New images: files that a person names on the command line, grouped into cases and read within limits.

monitor and predict take images so. Nobody has checked them before: what is read here is decoded in a process
of its own.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiotrace.errors import log, shown_short
from radiotrace.imaging import content, decoding, headers, volumes
from radiotrace.imaging.channels import Channel
from radiotrace.imaging.child import Limits, Refused, lasting
from radiotrace.imaging.image import Grid, Image

FORMATS = re.compile(r"\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$", re.IGNORECASE)
# images that nobody would want to be passed over
UNREAD = re.compile(r"\.(dcm|dicom|ima|hdr|img|mgz|mgh|mnc|png|jpe?g|tiff?|bmp)$", re.IGNORECASE)
CHANNEL_NUMBER = re.compile(r"_(\d{4})$")
GRID_TOLERANCES = (0.001, 0.0001)  # between channels of a case: mm, direction cosines
LIMITS = Limits(memory_bytes=16 * 2**30, seconds=300)


PassedOver = Callable[[Path], bool]


def nobody(_: Path) -> bool:
    """Nobody else looks at a file."""
    return False


class Unfit(Exception):
    """An image that cannot be taken; `findings` has every reason."""

    def __init__(self, findings: Sequence[str]):
        self.findings = list(findings)
        super().__init__("; ".join(self.findings))


LABEL_MAPS = {"labelsTr", "labelsTs"}  # folders of data sets, as this project and nnU-Net have them
# What a modality of a data set is in DICOM; others are called the same in both.
MODALITY_IN_DICOM = {"MRI": "MR", "CT": "CT", "PET": "PT"}


def modality_of_dicom(name: str | None) -> str | None:
    """As a data set calls it."""
    return next((ours for ours, theirs in MODALITY_IN_DICOM.items() if theirs == name), name)


@dataclass(frozen=True)
class NewCase:
    """The files of an image, one for each channel, in their order.

    Attributes:
        case_id: the name without its ending, and without the number of a channel where there are several,
            with the folders below the one that was named.
    """

    case_id: str
    paths: tuple[Path, ...]


@dataclass(frozen=True)
class NewImage:
    """An image that was read.

    Attributes:
        sha256: of each file.
        warnings: of each file where its header leaves a doubt about the volume's place.
    """

    image: Image
    sha256: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class DecodedFile:
    """What the process that decodes hands over."""

    values_zyx: np.ndarray
    grid: Grid
    sha256: str
    warnings: tuple[str, ...]


def listed(
    named: Sequence[str], n_channels: int = 1, passed_over: PassedOver = nobody
) -> tuple[list[NewCase], list[str]]:
    """The cases of images and folders of images that were named.

    Args:
        n_channels: that the model takes.
        passed_over: whether somebody else looks at a file.

    Returns:
        Cases, sorted by name, and faults: what is not there, has no image, has a name twice, or lacks a
        channel.
    """
    faults: list[str] = []
    return _grouped(_files(named, faults, passed_over), n_channels, faults), faults


def _files(named: Sequence[str], faults: list[str], passed_over: PassedOver) -> dict[str, Path]:
    path_by_name: dict[str, Path] = {}
    for path in map(Path, named):
        inside = _inside(path, faults, passed_over) if path.is_dir() else _alone(path, faults)
        for name, file in inside.items():
            if file.resolve() in (taken.resolve() for taken in path_by_name.values()):
                continue  # a file of a folder that was named, too
            taken = path_by_name.setdefault(FORMATS.sub("", name.as_posix()), file)
            if taken != file:
                faults.append(f"{file}: has the name of {taken}")
    return dict(sorted(path_by_name.items()))


def _inside(folder: Path, faults: list[str], passed_over: PassedOver) -> dict[Path, Path]:
    """The images below a folder, by their path in it, but for label maps of a data set."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    label_maps = [path for path in files if LABEL_MAPS & set(path.relative_to(folder).parts[:-1])]
    if label_maps:
        log(f"{folder}: {len(label_maps)} files passed over: label maps of a data set")
        files = sorted(set(files) - set(label_maps))
    images = {file.relative_to(folder): file for file in files if FORMATS.search(file.name)}
    unread = [file for file in files if UNREAD.search(file.name) and not passed_over(file)]
    if unread:
        faults.append(f"{folder}: {len(unread)} images are of a format that is not read, such as {unread[0]}")
    elif not images and not any(map(passed_over, files)):
        faults.append(f"{folder}: 0 images")
    return images


def _alone(path: Path, faults: list[str]) -> dict[Path, Path]:
    """An image that was named itself, by its name."""
    if not path.is_file():
        faults.append(f"{path}: no such file")
    elif not FORMATS.search(path.name):
        faults.append(f"{path}: not .nii.gz, .nii, .nrrd or .mha")
    else:
        return {Path(path.name): path}
    return {}


def _grouped(files: dict[str, Path], n_channels: int, faults: list[str]) -> list[NewCase]:
    """The files of each case; with a fault for each channel that is missing or one too many."""
    if n_channels == 1:
        return [NewCase(name, (path,)) for name, path in files.items()]
    by_case: dict[str, dict[int, Path]] = {}
    for name, path in files.items():
        if match := CHANNEL_NUMBER.search(name):
            by_case.setdefault(name[: match.start()], {})[int(match[1])] = path
        else:
            faults.append(f"{path}: does not end in _0000, _0001, …, as a channel is named")
    wanted = set(range(n_channels))
    for case_id, of_case in by_case.items():
        faults += [f"{case_id}: _{number:04d} is missing" for number in sorted(wanted - of_case.keys())]
        faults += [
            f"{of_case[number]}: the model takes {n_channels} channels, _0000 to _{n_channels - 1:04d}"
            for number in sorted(of_case.keys() - wanted)
        ]
    return [
        NewCase(case_id, tuple(of_case[number] for number in sorted(of_case)))
        for case_id, of_case in by_case.items()
    ]


def read(case: NewCase, channels: Sequence[Channel], limits: Limits = LIMITS) -> NewImage:
    """The image of a case.

    Args:
        channels: what each of its files is.

    Raises:
        Unfit: a file is no volume that a network could take, or channels lie on other grids than the first.
    """
    child = lasting(limits, ready)  # which stays in the folder where it began: paths are absolute
    files: list[DecodedFile] = []
    faults: list[str] = []
    for path in case.paths:
        try:
            files.append(child.call(decoded, str(path.absolute())))
        except Refused as refused:
            faults.append(f"{path}: {refused}")
    if faults:
        raise Unfit(faults)
    first = files[0].grid
    for path, file in zip(case.paths[1:], files[1:], strict=True):
        faults += [
            f"{path}: {name}: found {found}, expected {expected}, as {case.paths[0].name} has"
            for name, found, expected in volumes.grid_faults(
                file.grid.record(), first.record(), *GRID_TOLERANCES
            )
        ]
    if faults:
        raise Unfit(faults)
    values_czyx = np.stack([file.values_zyx for file in files])
    warnings = [
        f"{path}: {warning}"
        for path, file in zip(case.paths, files, strict=True)
        for warning in file.warnings
    ]
    return NewImage(
        Image(values_czyx, tuple(channels), first), tuple(file.sha256 for file in files), tuple(warnings)
    )


def ready() -> None:
    """In the child, which imports this module, and with it all that reads, to find this."""


def decoded(path: str) -> DecodedFile:
    """A file as a 3-D volume of one finite real value a voxel; runs in the child.

    Raises:
        Refused: it is none.
    """
    try:
        file = content.read(path)
        headers.check_unit(file.data)
        found = decoding.decode(file.data, Path(path).name)
    except content.VolumeError as error:
        raise Refused(shown_short(str(error))) from None
    volume = found.volume
    if volume.GetDimension() != 3 or volume.GetNumberOfComponentsPerPixel() != 1:
        raise Refused(
            f"found {volume.GetDimension()}-D with {volume.GetNumberOfComponentsPerPixel()} channels, "
            "expected 3-D with 1"
        )
    if "complex" in volume.GetPixelIDTypeAsString():
        raise Refused(f"holds values of type {volume.GetPixelIDTypeAsString()}")
    values_zyx = volumes.array_zyx(volume)
    if n_wrong := found.n_non_finite or int((~np.isfinite(values_zyx)).sum()):
        raise Refused(f"{n_wrong} voxels are NaN or infinite")
    largest = float(np.abs(values_zyx.astype(np.float64)).max(initial=0))
    if largest > np.finfo(np.float32).max:
        raise Refused(f"holds a value of {largest:g}, which float32 has not")
    return DecodedFile(values_zyx, Grid.of(volume), file.sha256, found.warnings)
