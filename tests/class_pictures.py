"""Pictures with classes in tests: phantoms, as a file of arrays in MedMNIST's layout."""

from pathlib import Path

import numpy as np

from radiotrace.pipeline import randomness

EDGE = 16  # of a picture, in pixels
PARTS = {"train": 40, "val": 24, "test": 30}
NAMES = ("clear", "shadow")


def picture(part: str, number: int, classes: tuple[int, ...]) -> np.ndarray:
    """(EDGE, EDGE) uint8: noise on a slope, with a bright disc in a place of its own for each class after
    the first."""
    rng = randomness.generator(0, "class_pictures", part, number)
    y, x = np.mgrid[:EDGE, :EDGE] / EDGE
    values = 60 + 40 * x + rng.normal(0, 12, (EDGE, EDGE))
    for one in classes:
        if one:
            centre = np.array([0.3 + 0.4 * (one % 2), 0.35]) + rng.uniform(-0.06, 0.06, 2)
            values += 90 * (np.hypot(y - centre[0], x - centre[1]) < 0.17)
    return np.clip(values, 0, 255).astype(np.uint8)


def arrays(kinds: int = 2, several: bool = False, counts: dict[str, int] | None = None) -> dict:
    """Arrays by their names.

    Args:
        kinds: classes, the first one included.
        several: whether a picture may have several; labels then are a row of 0 and 1, one a class after the
            first.
    """
    found = {}
    for part, count in (counts or PARTS).items():
        if several:
            has = [tuple(1 + bit for bit in range(kinds - 1) if number >> bit & 1) for number in range(count)]
            labels = [[int(1 + bit in one) for bit in range(kinds - 1)] for one in has]
        else:
            # the first class is rarer than the second, as in data that somebody cut
            has = [(0,) if number % 3 == 0 else (1 + number % (kinds - 1),) for number in range(count)]
            labels = [list(one) for one in has]
        found[f"{part}_images"] = np.stack([picture(part, number, one) for number, one in enumerate(has)])
        found[f"{part}_labels"] = np.array(labels, np.uint8)
    return found


def write(folder: Path, name: str = "shadows.npz", **options) -> Path:
    """The folder, with the file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / name, **arrays(**options))
    return folder
