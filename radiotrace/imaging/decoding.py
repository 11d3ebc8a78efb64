"""Decoding: from the bytes of a file to a volume.

No library is given the file's own name, so that none finds another file by it.

Each format has a check that reads the header itself and takes exactly the voxels that it declares. What
passes is written to a folder of its own, under a neutral name, and ITK reads that.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.imaging import nifti, text_headers
from radiotrace.imaging.content import Checked, VolumeError

sitk.ProcessObject.GlobalWarningDisplayOff()  # ITK's own warnings name no case; the checks do

ENDINGS = re.compile(r"\.(nii\.gz|nii|nrrd|nhdr|mha|mhd)$", re.IGNORECASE)
ORIGIN_MM_MAX = 1e9  # beyond it, float64 cannot tell places apart by the tolerance of grids
READABLE = ".nii.gz, .nii, .nrrd, .mha"


@dataclass(frozen=True)
class Decoded:
    """A volume of any dimension, with what ITK does not say of its file.

    n_non_finite: stored values that are NaN or infinite, where ITK would read another value; else 0.
    free_text: by place. warnings: about where the header places the volume.
    """

    volume: sitk.Image
    n_non_finite: int
    free_text: dict[str, str]
    warnings: tuple[str, ...]


def decode(data: bytes, name: str) -> Decoded:
    """The volume that the bytes of a file hold.

    Args:
        data: all of the file.
        name: of the file; its ending says the format, in capitals or not.

    Raises:
        VolumeError: the bytes are not of the format, are cut or damaged, or more follows the voxels; the
            header points to another file, declares more than is ever read, or describes no grid with right
            angles; one line, without the name.
    """
    checked = _check(data, name)
    volume = _read(checked)
    warnings = list(checked.warnings)
    _check_grid(volume)
    if checked.ending == ".nii" and volume.GetDimension() == 3:
        warnings += nifti.placement(checked.data, _affine_ras(volume))
    return Decoded(volume, checked.n_non_finite, checked.free_text, tuple(warnings))


def _check(data: bytes, name: str) -> Checked:
    ending = ENDINGS.search(name)
    format_name = ending[1].lower() if ending else ""
    if format_name in ("nii", "nii.gz"):
        return nifti.check(data, compressed=format_name == "nii.gz")
    if format_name in ("nrrd", "nhdr"):
        return text_headers.check_nrrd(data)
    if format_name in ("mha", "mhd"):
        return text_headers.check_metaimage(data)
    raise VolumeError(f"its name does not end in one of {READABLE}")


def _read(checked: Checked) -> sitk.Image:
    with tempfile.TemporaryDirectory(prefix="radiotrace-") as folder:
        path = Path(folder) / f"volume{checked.ending}"
        path.write_bytes(checked.data)
        try:
            return sitk.ReadImage(str(path))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].replace(str(path), "").strip()
            raise VolumeError(f"ITK does not read it: {reason}") from None


def _check_grid(volume: sitk.Image) -> None:
    """Refuses a grid that is not finite, has no extent, or whose axes are not at right angles."""
    n = volume.GetDimension()
    numbers = {
        "spacing": volume.GetSpacing(),
        "origin": volume.GetOrigin(),
        "direction": volume.GetDirection(),
    }
    for key, values in numbers.items():
        if not np.isfinite(values).all():
            raise VolumeError(
                f"the header holds a number that is not finite: {key} "
                f"{' '.join(f'{value:g}' for value in values)}"
            )
    if min(volume.GetSpacing()) <= 0:
        raise VolumeError(
            f"the header declares a spacing of {' '.join(f'{value:g}' for value in volume.GetSpacing())} mm; "
            f"each must be above 0"
        )
    if np.abs(volume.GetOrigin()).max() > ORIGIN_MM_MAX:
        raise VolumeError(
            f"the header places the volume at {' '.join(f'{value:g}' for value in volume.GetOrigin())} mm"
        )
    if n >= 3:
        nifti.check_right_angles(np.reshape(volume.GetDirection(), (n, n))[:3, :3])


def _affine_ras(volume: sitk.Image) -> np.ndarray:
    """(4, 4), from voxel indices x, y, z to mm in the RAS world."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    affine[:3, 3] = volume.GetOrigin()
    return nifti.TO_RAS @ affine


def case_name(file_name: str) -> str:
    """A file's name without the ending of its format: "x.nii" for "x.nii.nii.gz"."""
    return ENDINGS.sub("", file_name)
