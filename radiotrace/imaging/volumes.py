"""Volumes: reading, writing and the geometry.

The only module that knows axis order, orientation and resampling grids.

A volume is a SimpleITK.Image: its header is in x, y, z and mm, its world is LPS (x to the left, y to the
back, z to the head), as in DICOM. An array taken from it is z, y, x.
"""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radiotrace.errors import StageError
from radiotrace.imaging import content, decoding
from radiotrace.imaging.content import VolumeError

__all__ = ["VolumeError"]  # of content; those who read volumes need not know it


class ChangedError(VolumeError):
    """A file whose bytes are not those that were recorded."""


def open_file(path, sha256: str | None = None) -> tuple[decoding.Decoded, str]:
    """A volume from outside, decoded from the very bytes that were hashed, and their SHA-256.

    Args:
        path: of a file in one of the formats that decoding knows.
        sha256: that the bytes must have; None takes any.

    Raises:
        VolumeError: the file is missing, is not the one that was recorded, or holds no volume; one line,
            without the path.
    """
    read = content.read(path)
    if sha256 is not None and read.sha256 != sha256:
        raise ChangedError(f"SHA-256 found {read.sha256}, expected {sha256}")
    return decoding.decode(read.data, Path(path).name), read.sha256


def read(path) -> sitk.Image:
    """A volume of any dimension, as open_file takes it.

    Raises:
        VolumeError: as open_file.
    """
    return open_file(path)[0].volume


def read_canonical(path, sha256: str) -> sitk.Image:
    """A volume that was recorded with its hash: ingest's own, or a raw file.

    It is decoded from the bytes that have this hash.

    Raises:
        StageError: the file is missing, changed or damaged.
    """
    way_out = "Run 'dvc checkout' to restore it, or 'dvc repro' to make it again."
    if not Path(path).is_file():
        raise StageError(f"{path} is missing", way_out=way_out)
    try:
        return open_file(path, sha256)[0].volume
    except ChangedError as error:
        raise StageError(f"{path} was changed after ingest", [str(error)], way_out) from None
    except VolumeError as error:
        raise StageError(f"{path} cannot be read", [str(error)], way_out) from None


def write(volume: sitk.Image, path) -> None:
    """Writes a volume without the free text of its header, so that no identifying text travels on.

    A reader sees the whole file or none, also where two processes write the same one.
    """
    path = Path(path)
    ending = decoding.ENDINGS.search(path.name)
    if ending is None:
        raise ValueError(f"{path} has no ending of a format")
    path.parent.mkdir(parents=True, exist_ok=True)
    clean = sitk.Image(volume)
    clean.MakeUnique()  # EraseMetaData alone would reach the volume that was handed in
    for key in clean.GetMetaDataKeys():
        clean.EraseMetaData(key)
    # not a temporary name: its ending is the format
    with tempfile.TemporaryDirectory(suffix=".partial", dir=path.parent) as folder:
        # neutral: ITK takes "a.img.nii.gz" for a pair
        unfinished = Path(folder) / f"volume{ending[0]}"
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
        return error.errno or errno.EIO
    finally:
        path.with_name(path.name + ".partial").unlink(missing_ok=True)
    return errno.EIO


def grid(volume: sitk.Image) -> dict:
    """Size, spacing, origin and direction of a 3-D volume, in x, y, z; direction row by row, as LPS
    cosines."""
    return {
        "size_voxels": list(volume.GetSize()),
        "spacing_mm": list(volume.GetSpacing()),
        "origin_mm": list(volume.GetOrigin()),
        "direction": list(volume.GetDirection()),
    }


def grid_faults(
    image: dict, label_map: dict, tolerance_mm: float, tolerance_direction: float
) -> list[tuple[str, str, str]]:
    """Where the grids of an image and its label map differ.

    Args:
        image, label_map: as from grid().
        tolerance_mm: largest difference of spacing, and of origin, along any axis.
        tolerance_direction: largest difference of any direction cosine.

    Returns:
        (name, of the image, of the label map) for each of size, spacing, origin, direction that differs.
    """
    differing = []
    for name, tolerance in (
        ("size_voxels", 0),
        ("spacing_mm", tolerance_mm),
        ("origin_mm", tolerance_mm),
        ("direction", tolerance_direction),
    ):
        if np.abs(np.subtract(image[name], label_map[name])).max() > tolerance:
            differing.append(
                (
                    name,
                    *(
                        " ".join(f"{value:g}" for value in header_grid[name])
                        for header_grid in (image, label_map)
                    ),
                )
            )
    return differing


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
    """The volume with its axes permuted and flipped to the nearest orientation, and resampled where a spacing
    is asked.

    Permuting and flipping move no voxel in the world and change no value. An oblique volume stays oblique. An
    axis of one voxel keeps its spacing: a picture stays one slice.

    Args:
        volume: 3-D, scalar.
        orientation: three letters that say where x, y, z point to, such as "LPS" or "RAS".
        spacing_xyz: mm, or None to keep the volume's own.
        is_label_map: resample so that only the labels that are there come out.

    Raises:
        VolumeError: resampled, it would be larger than any volume that is read.
    """
    turned = sitk.DICOMOrient(volume, orientation)
    if spacing_xyz is None or np.allclose(turned.GetSpacing(), spacing_xyz, rtol=0, atol=1e-6):
        return turned
    return _resampled(turned, spacing_xyz, is_label_map)


def _resampled(volume: sitk.Image, spacing_xyz, is_label_map: bool) -> sitk.Image:
    """The volume on a grid of another spacing over the same extent: voxel corners are aligned, not voxel
    centres."""
    old = np.array(volume.GetSpacing())
    new = np.where(np.array(volume.GetSize()) == 1, old, np.array(spacing_xyz, float))
    wanted = np.maximum(np.round(np.array(volume.GetSize()) * old / new), 1)
    if wanted.prod() * 4 > content.DECODED_BYTES_MAX:
        was, becomes, spacing = (" ".join(f"{value:g}" for value in values) for values in (old, wanted, new))
        raise VolumeError(
            f"voxels of {was} mm would become {becomes} voxels of {spacing} mm, more than is ever read"
        )
    size = wanted.astype(int)
    direction = np.array(volume.GetDirection()).reshape(3, 3)
    origin = np.array(volume.GetOrigin()) + direction @ ((new - old) / 2)
    interpolator = sitk.sitkLabelLinear if is_label_map else sitk.sitkLinear
    pixel_type = volume.GetPixelID() if is_label_map else sitk.sitkFloat32
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size.tolist())
    resampler.SetOutputSpacing(new.tolist())
    resampler.SetOutputOrigin(origin.tolist())
    resampler.SetOutputDirection(volume.GetDirection())
    resampler.SetInterpolator(interpolator)
    resampler.SetOutputPixelType(pixel_type)
    # a size that was rounded up ends beyond the last centre, where there would be 0
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(volume)


def onto(volume: sitk.Image, original_grid: dict) -> sitk.Image:
    """A float32 volume interpolated linearly onto another grid; voxels outside the volume take its nearest
    value.

    On the grid that `canonical` turned without resampling, every value comes back unchanged to float32
    precision.
    """
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(original_grid["size_voxels"])
    resampler.SetOutputSpacing(original_grid["spacing_mm"])
    resampler.SetOutputOrigin(original_grid["origin_mm"])
    resampler.SetOutputDirection(original_grid["direction"])
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(volume)
