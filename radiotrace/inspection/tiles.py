"""Tiles: the middle slice of a case as a small picture. Runs in a process of its own: pixels are decoded.

Nothing of a header but the spacing reaches a tile; what is burnt into pixels stays.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image

from radiotrace.drawing import slices
from radiotrace.imaging import volumes
from radiotrace.imaging.child import Limits, Refused
from radiotrace.imaging.content import VolumeError
from radiotrace.imaging.layouts.pictures import PIXELS_MAX
from radiotrace.inspection.kinds import PICTURES

EDGE = 160  # pixels
FLAT = 4  # times fewer slices than along the next axis
DARKEST, BRIGHTEST = 1, 99.5  # percentiles that are black and white


@dataclass(frozen=True)
class Tile:
    """A picture no larger than EDGE along either side: grey (rows, columns), or with three colours."""

    array: np.ndarray


def of_volume(root: str, path: str) -> Tile:
    """The middle slice across the axis along which a volume was scanned; of the first one where there are
    several in the file.

    Raises:
        Refused: the file holds no volume.
    """
    try:
        volume = volumes.read(Path(root, path))
    except VolumeError as error:
        raise Refused(str(error)) from None
    while volume.GetDimension() > 3:
        volume = _first_of_last_axis(volume)
    if volume.GetNumberOfComponentsPerPixel() > 1:
        volume = sitk.VectorIndexSelectionCast(volume, 0)
    if volume.GetDimension() == 2:
        columns_mm, rows_mm = volume.GetSpacing()
        return Tile(_fitted(_grey(volumes.array_zyx(volume)), rows_mm, columns_mm))
    volume = volumes.canonical(volume, "LPS", None, is_label_map=False)
    array, spacing = volumes.array_zyx(volume), volumes.to_zyx(volume.GetSpacing())
    axis = _across(array.shape, spacing)
    middle = np.take(array, array.shape[axis] // 2, axis)
    if slices.PLANES[axis].head_up:
        middle = middle[::-1]
    rows_mm, columns_mm = (spacing[dimension] for dimension in range(3) if dimension != axis)
    return Tile(_fitted(_grey(middle), rows_mm, columns_mm))


def _across(shape_zyx: tuple[int, ...], spacing_zyx: tuple[float, ...]) -> int:
    """The axis across which a volume is cut: of the fewest slices where it is flat, else as in reports."""
    fewest = int(np.argmin(shape_zyx))
    if shape_zyx[fewest] * FLAT < sorted(shape_zyx)[1]:
        return fewest
    return slices.scanned_along(shape_zyx, spacing_zyx)


def _first_of_last_axis(volume: sitk.Image) -> sitk.Image:
    size = [*volume.GetSize()[:-1], 0]
    return sitk.Extract(volume, size, [0] * volume.GetDimension())


def of_dicom(root: str, instance, frame: int, limits: Limits) -> Tile:
    """A frame of a DICOM file, as it lies there.

    Raises:
        Refused: its pixels cannot be decoded.
    """
    from radiotrace.imaging.dicom import pixels  # here, because it needs pydicom

    values = pixels.stored(root, instance, limits)[0][frame].astype(float)
    if instance.photometric == "MONOCHROME1":
        values = -values
    rows_mm, columns_mm = instance.planes[frame].spacing_mm or (1.0, 1.0)
    return Tile(_fitted(_grey(values), rows_mm, columns_mm))


def of_picture(root: str, path: str) -> Tile:
    """A picture, smaller.

    Raises:
        Refused: it cannot be decoded.
    """
    try:
        with Image.open(Path(root, path), formats=PICTURES) as picture:
            if picture.width * picture.height > PIXELS_MAX:
                raise Refused("the picture is too large")
            picture.draft("RGB", (2 * EDGE, 2 * EDGE))
            if picture.mode in ("RGB", "RGBA", "P", "CMYK", "YCbCr", "LA", "1"):
                array = np.asarray(picture.convert("RGB"))
            else:
                array = _grey(np.asarray(picture))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Refused("the picture cannot be decoded") from None
    return Tile(_fitted(array, 1.0, 1.0))


def _grey(values: np.ndarray) -> np.ndarray:
    """Bytes from black to white; what is not finite is black."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(finite, (DARKEST, BRIGHTEST))
    if low == high:  # a mask of few voxels
        low, high = float(finite.min()), float(finite.max())
    share = (np.nan_to_num(values.astype(float)) - low) / max(high - low, 1e-12)
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)


def _fitted(array: np.ndarray, rows_mm: float, columns_mm: float) -> np.ndarray:
    """A picture with square pixels that fits into a tile."""
    height, width = array.shape[0] * abs(rows_mm), array.shape[1] * abs(columns_mm)
    scale = EDGE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BOX))
