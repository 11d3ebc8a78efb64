"""What is hot and no lesion: why a threshold does not outline lesions.

Tonsils, soft palate, glands, eye muscles and brain are in every subject (anatomy.py). Here is what some have:
brown fat, muscles that were used, reactive nodes, teeth, vocal cords of who spoke, thyroiditis, tracer in a
vein. Uptake overlaps that of lesions: upper limits of physiological SUVmax in patients with carcinomas of the
head and neck reach from 4 (parotid) to 8 (tonsil) and 10 (eye muscles), doi:10.1097/MNM.0b013e3283299a52.
Shares of subjects and uptake of the rest are assumed.
"""

from dataclasses import dataclass

import numpy as np

from radiotrace.synthetic.petct.anatomy import SIDES, Anatomy
from radiotrace.synthetic.petct.lesions import NODE_SITES
from radiotrace.synthetic.petct.space import Box, Point

SHARES = {
    "brown_fat": 0.15,
    "muscle": 0.35,
    "reactive_nodes": 0.5,
    "tooth": 0.3,
    "spoke": 0.3,
    "tonsillitis": 0.2,
    "thyroiditis": 0.07,
    "vein": 0.05,
}


@dataclass(frozen=True)
class _Brush:
    anatomy: Anatomy
    free: np.ndarray

    def raise_to(self, suv: float, box: Box, inside: np.ndarray) -> None:
        """Uptake where no lesion is and something is there that can take up."""
        inside = inside & self.free[box] & (self.anatomy.depth_mm[box] > 2)
        inside &= ~self.anatomy.among(box, "air", "airway", "lung")
        part = self.anatomy.suv[box]
        part[inside] = np.maximum(part[inside], suv)

    def ellipsoid(self, suv: float, centre: Point, semi: Point) -> None:
        box, q = self.anatomy.space.ellipsoid(centre, semi)
        self.raise_to(suv, box, q < 1)


def paint(rng: np.random.Generator, anatomy: Anatomy, taken: np.ndarray) -> list[str]:
    """Adds what a subject has; gives its names, in the order of SHARES.

    Args:
        taken: bool, where lesions are; they keep their uptake.
    """
    brush = _Brush(anatomy, ~taken)
    names = [name for name, share in SHARES.items() if rng.random() < share]
    painters = {
        "brown_fat": _brown_fat,
        "muscle": _muscle,
        "reactive_nodes": _reactive_nodes,
        "tooth": _tooth,
        "spoke": _spoke,
        "tonsillitis": _tonsillitis,
        "thyroiditis": _thyroiditis,
        "vein": _vein,
    }
    for name in names:
        painters[name](rng, brush)
    return names


def _brown_fat(rng: np.random.Generator, brush: _Brush) -> None:
    suv = float(rng.uniform(4, 13))
    for side in SIDES:
        for x, y, z in ((62, 14, 46), (52, 22, 66), (74, 22, 40)):
            brush.ellipsoid(suv * float(rng.uniform(0.6, 1)), (side * x, y, z), (11, 8, 9))


def _muscle(rng: np.random.Generator, brush: _Brush) -> None:
    lines = (((22, -8, 45), (38, 6, 95), (52, 18, 150)), ((34, -30, 130), (30, -32, 165)))
    line = lines[int(rng.integers(len(lines)))]
    suv, both = float(rng.uniform(3, 8)), rng.random() < 0.6
    first = 1 if rng.random() < 0.5 else -1
    for side in (first, -first) if both else (first,):
        box, q = brush.anatomy.space.tube([(side * x, y, z) for x, y, z in line], 7)
        brush.raise_to(suv, box, q < 1)


def _reactive_nodes(rng: np.random.Generator, brush: _Brush) -> None:
    for _ in range(int(rng.integers(1, 4))):
        x, y, z = NODE_SITES[int(rng.integers(len(NODE_SITES)))][1]
        side = 1 if rng.random() < 0.5 else -1
        by, radius = rng.normal(0, 4, 3), float(rng.uniform(3.5, 6))
        centre = (float(side * x + by[0]), float(y + by[1]), float(z + 2 * by[2]))
        box, q = brush.anatomy.space.ellipsoid(centre, (radius, radius, 1.4 * radius))
        inside = (q < 1) & brush.free[box] & brush.anatomy.among(box, "fat", "muscle")
        brush.anatomy.hu[box][inside] = 45
        brush.raise_to(float(rng.uniform(4, 9)), box, q < 1)


def _tooth(rng: np.random.Generator, brush: _Brush) -> None:
    angle = float(rng.uniform(-0.9, 0.9))
    centre = (float(43 * np.sin(angle)), float(-34 - 56 * np.cos(angle)), float(rng.choice([133, 153])))
    brush.ellipsoid(float(rng.uniform(4, 11)), centre, (6, 6, 6))


def _spoke(rng: np.random.Generator, brush: _Brush) -> None:
    suv = float(rng.uniform(4, 9))
    for side in SIDES:
        brush.ellipsoid(suv, (side * 6, -24, 92), (5, 9, 4))


def _tonsillitis(rng: np.random.Generator, brush: _Brush) -> None:
    suv, shares = float(rng.uniform(8, 16)), rng.uniform(0.6, 1, 2)
    for side, share in zip(SIDES, shares, strict=True):
        brush.ellipsoid(suv * float(share), (side * 17, -24, 142), (7, 9, 12))


def _thyroiditis(rng: np.random.Generator, brush: _Brush) -> None:
    suv = float(rng.uniform(4, 9))
    for side in SIDES:
        brush.ellipsoid(suv, (side * 17, -16, 62), (8, 9, 20))


def _vein(rng: np.random.Generator, brush: _Brush) -> None:
    side, suv = (1 if rng.random() < 0.5 else -1), float(rng.uniform(8, 20))
    brush.ellipsoid(suv, (side * 66, 2, 24), (44, 5, 5))
