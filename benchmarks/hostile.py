"""What limits of memory and time cost on good files: `new` with them, and with the same code in one process.

    python -m benchmarks.hostile

Makes pictures and arrays in a temporary folder, and reads, checks and writes them as `new` does. Each way
takes its turn, so that what else the machine does meets both alike; a process that reads has started before,
as it starts once, which is a row of its own.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image
from scipy import ndimage

from radiotrace.commands.own_data import HIDDEN
from radiotrace.imaging.layouts import checking, listing, reading, which, writing
from radiotrace.imaging.layouts.listing import Asked

PICTURES, ARRAYS = 24, 256
LABELS = (("nucleus", 1),)


def picture(number: int, edge: int) -> np.ndarray:
    """Smooth colours with noise, as a microscope makes them, uint8, (edge, edge, 3)."""
    rng = np.random.default_rng(number)
    smooth = ndimage.gaussian_filter(rng.normal(size=(edge, edge, 3)), (6, 6, 0))
    return np.clip(128 + 400 * smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def mask(values: np.ndarray) -> np.ndarray:
    return (values[..., 0] > 150).astype(np.uint8)


def write_pictures(root: Path) -> None:
    """As PNG, 512 x 512, in two folders."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    for number in range(PICTURES):
        values = picture(number, 512)
        Image.fromarray(values).save(root / f"images/{number:02}.png")
        Image.fromarray(mask(values)).save(root / f"masks/{number:02}.png")


def write_arrays(root: Path) -> None:
    """In one file, 64 x 64, as MedMNIST has them."""
    root.mkdir()
    images = np.stack([picture(number, 64) for number in range(ARRAYS)])
    np.savez_compressed(root / "a.npz", train_images=images, train_masks=np.stack([*map(mask, images)]))


def seconds_of(root: Path) -> float:
    """To look at a folder and to lay it out, as `new` does."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        asked = Asked("benchmark", labels=LABELS)
        paths = which.below(root, HIDDEN)
        listed = listing.of(root, paths, which.of(root, paths), asked)
        checked = checking.of(root, listed, asked)
        if checked.faults:
            raise ValueError("; ".join(checked.faults))
        writing.write(root, Path(folder), listed, checked, asked)
        return time.perf_counter() - begin


def started() -> float:
    """Seconds until the process that reads has started; it lasts."""
    begin = time.perf_counter()
    reading.started(reading.OF_PICTURES).call(len, "")
    return time.perf_counter() - begin


class Here:
    """A process that reads, which is this one, without limits."""

    def call(self, function: Callable, *args: Any) -> Any:
        return function(*args)

    def ask(self, function: Callable, *args: Any) -> None:
        self._asked = function, args

    def answer(self) -> Any:
        function, args = self._asked
        return function(*args)


HERE = Here()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="benchmarks.hostile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=7, help="of each way, of which the median counts")
    times = parser.parse_args().times
    print("| files | in one process, s | under limits, s | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        starting = started()
        for name, write in (
            (f"{PICTURES} pictures, 512 x 512, RGB, and masks", write_pictures),
            (f"{ARRAYS} images of arrays, 64 x 64, RGB, and masks", write_arrays),
        ):
            root = Path(folder, write.__name__)
            write(root)
            alone, limited = [], []
            for _ in range(times):
                with mock.patch.object(reading, "started", return_value=HERE):
                    alone.append(seconds_of(root))
                limited.append(seconds_of(root))
            one, other = statistics.median(alone), statistics.median(limited)
            print(f"| {name} | {one:.2f} | {other:.2f} | {other / one:.3f} |")
    print(f"\nTo start the process takes {starting:.2f} s.")


if __name__ == "__main__":
    main()
