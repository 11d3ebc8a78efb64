"""Pictures with boxes in tests: phantoms, as a folder in the layout of Pascal VOC."""

from pathlib import Path

import numpy as np
from PIL import Image as Picture

from radiotrace.pipeline import randomness

WIDTH, HEIGHT = 72, 56  # of a picture, in pixels: unequal, so that swapped axes fail
PARTS = {"train": 26, "val": 12, "test": 20}
RADII = {"cell": (8, 6), "speck": (3, 3)}  # along x and y
Boxes = list[tuple[str, int, int, int, int]]


def picture(part: str, number: int) -> tuple[np.ndarray, Boxes]:
    """(HEIGHT, WIDTH, 3) uint8, and what it shows: reddish ellipses and bluish specks on a slope with noise;
    every seventh picture shows nothing."""
    rng = randomness.generator(0, "box_pictures", part, number)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    values = np.stack([170 + 0.4 * x, 165 + 0.3 * y, 160 + 0.0 * x], -1)
    values += rng.normal(0, 6, values.shape)
    boxes: Boxes = []
    taken = np.zeros((HEIGHT, WIDTH), bool)
    for name in ("cell", "cell", "cell", "speck", "speck") if number % 7 != 6 else ():
        radius_x, radius_y = RADII[name]
        for _ in range(20):
            cx = int(rng.integers(radius_x, WIDTH - radius_x))
            cy = int(rng.integers(radius_y, HEIGHT - radius_y))
            box = (slice(cy - radius_y, cy + radius_y), slice(cx - radius_x, cx + radius_x))
            if not taken[box].any():
                break
        else:
            continue
        taken[box] = True
        inside = ((x + 0.5 - cx) / radius_x) ** 2 + ((y + 0.5 - cy) / radius_y) ** 2 <= 1
        values[inside] -= np.array((20, 90, 90) if name == "cell" else (110, 100, 20))
        boxes.append((name, cx - radius_x, cy - radius_y, cx + radius_x, cy + radius_y))
    return np.clip(values, 0, 255).astype(np.uint8), boxes


def annotation(stem: str, boxes: Boxes, size: tuple[int, int] = (WIDTH, HEIGHT)) -> str:
    """The XML of a picture."""
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in boxes
    )
    return (
        f"<annotation><filename>{stem}.png</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{objects}</annotation>"
    )


def write(folder: Path, parts: dict[str, int] | None = None) -> Path:
    """The folder, with pictures, XML and lists of the parts below cells/."""
    root = folder / "cells"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for part, count in (parts or PARTS).items():
        stems = []
        for number in range(count):
            stem = f"{part}_{number:03d}"
            values, boxes = picture(part, number)
            Picture.fromarray(values).save(root / f"JPEGImages/{stem}.png")
            (root / f"Annotations/{stem}.xml").write_text(annotation(stem, boxes))
            stems.append(stem)
        (root / f"ImageSets/Main/{part}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return folder
