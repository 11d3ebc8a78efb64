"""Volumes: reading, writing and the geometry. The only module that knows axis order, orientation and resampling grids.

A volume is a SimpleITK.Image: its header is in x, y, z and mm, its world is LPS (x to the left, y to the back, z to the
head), as in DICOM. An array taken from it is z, y, x.
"""
import errno
import gzip
import os
import tempfile
import zlib
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk

from radiotrace import records
from radiotrace.stage import StageError

sitk.ProcessObject.GlobalWarningDisplayOff()  # ITK's own warnings name no case; the checks do


class VolumeError(ValueError):
    """A file that is not a readable volume."""


def read(path) -> sitk.Image:
    """A volume of any format and dimension that SimpleITK reads.

    Raises:
        VolumeError: the file is missing, damaged or of an unknown format; one line, without the path.
    """
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError:
        if not Path(path).is_file():
            raise VolumeError("no such file") from None
        raise VolumeError(f"damaged or of an unknown format ({Path(path).stat().st_size} bytes)") from None


def check_stored(path) -> int:
    """Reads a NIfTI file to its last byte, because SimpleITK does not: it fills a cut file and turns NaN into 0.

    Returns:
        How many stored values are NaN or infinite; 0 for other formats, where SimpleITK keeps them and cut files fail.

    Raises:
        VolumeError: the file is cut short, or its checksum does not hold.
    """
    if not str(path).endswith((".nii", ".nii.gz")):
        return 0
    try:
        if str(path).endswith(".gz"):
            with gzip.open(path) as file:
                while file.read(2**20):  # to the end, where the checksum stands
                    pass
        stored = np.asanyarray(nibabel.load(path).dataobj)
    except (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise VolumeError(f"damaged ({Path(path).stat().st_size} bytes): {type(error).__name__}") from None
    return int((~np.isfinite(stored)).sum()) if stored.dtype.names is None else 0  # colours are whole numbers


def read_canonical(path, sha256: str) -> sitk.Image:
    """A volume that ingest wrote, after a check that its bytes are those that ingest recorded.

    Raises:
        StageError: the file is missing, changed or damaged.
    """
    way_out = "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again."
    if not Path(path).is_file():
        raise StageError(f"{path} is missing", way_out=way_out)
    if (found := records.sha256(path)) != sha256:
        raise StageError(f"{path} was changed after ingest", [f"SHA-256 found {found}, expected {sha256}"], way_out)
    return read(path)


def write(volume: sitk.Image, path) -> None:
    """Writes a volume without the free text of its header, so that no identifying text travels on.

    A reader sees the whole file or none, also where two processes write the same one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = sitk.Image(volume)
    clean.MakeUnique()  # EraseMetaData alone would reach the volume that was handed in
    for key in clean.GetMetaDataKeys():
        clean.EraseMetaData(key)
    with tempfile.TemporaryDirectory(suffix=".partial", dir=path.parent) as folder:  # not a temporary name: its ending is the format
        unfinished = Path(folder) / path.name
        try:
            sitk.WriteImage(clean, str(unfinished), useCompression=True)
        except RuntimeError as error:
            raise OSError(_errno_of_full_disk(unfinished), "cannot write", str(path)) from error
        os.replace(unfinished, path)


def _errno_of_full_disk(path: Path) -> int:
    """SimpleITK hides errno; writing the same place again with Python tells why."""
    path.with_name(path.name + ".partial").unlink(missing_ok=True)  # it may be a link to elsewhere
    try:
        with open(path.with_name(path.name + ".partial"), "xb") as probe:
            probe.write(b"\0" * 2**20)
            probe.flush()
    except OSError as error:
        return error.errno
    finally:
        path.with_name(path.name + ".partial").unlink(missing_ok=True)
    return errno.EIO


def grid(volume: sitk.Image) -> dict:
    """Size, spacing, origin and direction of a 3-D volume, in x, y, z; direction row by row, as LPS cosines."""
    return {
        "size_voxels": list(volume.GetSize()),
        "spacing_mm": list(volume.GetSpacing()),
        "origin_mm": list(volume.GetOrigin()),
        "direction": list(volume.GetDirection()),
    }


def grid_faults(image: dict, label_map: dict, tolerance_mm: float, tolerance_direction: float) -> list[tuple[str, str, str]]:
    """Where the grids of an image and its label map differ.

    Args:
        image, label_map: as from grid().
        tolerance_mm: largest difference of spacing, and of origin, along any axis.
        tolerance_direction: largest difference of any direction cosine.

    Returns:
        (name, of the image, of the label map) for each of size, spacing, origin, direction that differs.
    """
    found = []
    for name, tolerance in (("size_voxels", 0), ("spacing_mm", tolerance_mm), ("origin_mm", tolerance_mm),
                            ("direction", tolerance_direction)):
        if np.abs(np.subtract(image[name], label_map[name])).max() > tolerance:
            found.append((name, *(" ".join(f"{value:g}" for value in one[name]) for one in (image, label_map))))
    return found


def array_zyx(volume: sitk.Image) -> np.ndarray:
    """The voxels, (z, y, x), in the volume's own pixel type; a copy."""
    return sitk.GetArrayFromImage(volume)


def from_array(array_zyx: np.ndarray, like: sitk.Image) -> sitk.Image:
    """A volume of these voxels on the grid of another.

    Raises:
        ValueError: the array's shape is not that of the grid.
    """
    if array_zyx.shape != like.GetSize()[::-1]:
        raise ValueError(f"array of {array_zyx.shape} (z y x) on a grid of {like.GetSize()} (x y z)")
    volume = sitk.GetImageFromArray(array_zyx)
    volume.CopyInformation(like)
    return volume


def to_zyx(values_xyz) -> tuple:
    """The same three values in array order."""
    return tuple(values_xyz)[::-1]


def canonical(volume: sitk.Image, orientation: str, spacing_xyz, is_label_map: bool) -> sitk.Image:
    """The volume with its axes permuted and flipped to the nearest orientation, and resampled where a spacing is asked.

    Permuting and flipping move no voxel in the world and change no value. An oblique volume stays oblique.

    Args:
        volume: 3-D, scalar.
        orientation: three letters that say where x, y, z point to, such as "LPS" or "RAS".
        spacing_xyz: mm, or None to keep the volume's own.
        is_label_map: resample so that only the labels that are there come out.
    """
    turned = sitk.DICOMOrient(volume, orientation)
    if spacing_xyz is None or np.allclose(turned.GetSpacing(), spacing_xyz, rtol=0, atol=1e-6):
        return turned
    return _resampled(turned, spacing_xyz, is_label_map)


def _resampled(volume: sitk.Image, spacing_xyz, is_label_map: bool) -> sitk.Image:
    """The volume on a grid of another spacing over the same extent: voxel corners are aligned, not voxel centres."""
    old = np.array(volume.GetSpacing())
    new = np.array(spacing_xyz, float)
    size = np.maximum(np.round(np.array(volume.GetSize()) * old / new), 1).astype(int)
    direction = np.array(volume.GetDirection()).reshape(3, 3)
    origin = np.array(volume.GetOrigin()) + direction @ ((new - old) / 2)
    interpolator = sitk.sitkLabelLinear if is_label_map else sitk.sitkLinear
    pixel_type = volume.GetPixelID() if is_label_map else sitk.sitkFloat32
    return sitk.Resample(volume, size.tolist(), sitk.Transform(), interpolator, origin.tolist(), new.tolist(),
                         volume.GetDirection(), 0, pixel_type)


def onto(volume: sitk.Image, original_grid: dict) -> sitk.Image:
    """A float32 volume interpolated linearly onto another grid; voxels outside the volume take its nearest value.

    On the grid that `canonical` turned without resampling, every value comes back unchanged to float32 precision.
    """
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(original_grid["size_voxels"])
    resampler.SetOutputSpacing(original_grid["spacing_mm"])
    resampler.SetOutputOrigin(original_grid["origin_mm"])
    resampler.SetOutputDirection(original_grid["direction"])
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(volume)
