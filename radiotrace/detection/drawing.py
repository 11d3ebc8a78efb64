"""Drawing: boxes of the reference and of a prediction over an image, the same bytes every time."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from radiotrace.records.detection.boxes import Box
from radiotrace.records.detection.prediction import FoundBox

# told apart by colour-blind readers, and by what is drawn: thin, thick, and crossed out
FOUND, MISSED, INVENTED = "#1b9e77", "#e6ab02", "#d95f02"
QUALITY = 80


@dataclass(frozen=True)
class Marked:
    """Boxes of an image by what became of them.

    Attributes:
        found, missed: of the reference. invented: of the prediction.
    """

    found: tuple[Box, ...]
    missed: tuple[Box, ...]
    invented: tuple[FoundBox, ...]

    @property
    def all(self) -> tuple[Box | FoundBox, ...]:
        """Each box."""
        return (*self.found, *self.missed, *self.invented)


def slice_of(boxes: Sequence[Box | FoundBox], size_z: int) -> int:
    """The slice that most boxes cross, of equal ones the lowest; the middle one where there is no box."""
    crossed = np.zeros(size_z, int)
    for box in boxes:
        crossed[
            int(box.low_voxels[2]) : max(int(np.ceil(box.high_voxels[2])), int(box.low_voxels[2]) + 1)
        ] += 1
    return int(crossed.argmax()) if crossed.any() else size_z // 2


def shown(values_czyx: np.ndarray, place: int) -> np.ndarray:
    """A slice as colours, (y, x, 3) uint8: three channels are red, green and blue, of others the first is
    shown; brightness from the 0.5th to the 99.5th percentile."""
    chosen = values_czyx[:3, place] if len(values_czyx) == 3 else values_czyx[:1, place].repeat(3, 0)
    low, high = np.percentile(chosen, (0.5, 99.5))
    scaled = np.clip((chosen - low) / max(float(high - low), 1e-12), 0, 1)
    return np.rint(scaled * 255).astype(np.uint8).transpose(1, 2, 0)


def jpeg(values_czyx: np.ndarray, marked: Marked, width: int) -> bytes:
    """The slice that most boxes cross, as a JPEG so many pixels wide: what was found is thin, what was missed
    thick, what was invented crossed out."""
    place = slice_of(marked.all, values_czyx.shape[1])
    picture = Picture.fromarray(shown(values_czyx, place))
    scale = width / picture.width
    size = (width, max(1, round(picture.height * scale)))
    picture = picture.resize(size, Picture.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    rows = ((marked.found, FOUND, 1), (marked.missed, MISSED, 4), (marked.invented, INVENTED, 2))
    for boxes, colour, line in rows:
        for box in boxes:
            if not box.low_voxels[2] <= place + 0.5 <= box.high_voxels[2]:
                continue
            left, top = (value * scale for value in box.low_voxels[:2])
            right, bottom = (value * scale - 1 for value in box.high_voxels[:2])
            draw.rectangle((left, top, max(left, right), max(top, bottom)), outline=colour, width=line)
            if colour == INVENTED:
                draw.line((left, top, right, bottom), fill=colour, width=1)
                draw.line((left, bottom, right, top), fill=colour, width=1)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
