"""The healthy head and neck of a subject: tissues, what CT shows of them, and what they take up.

From the middle of the brain down to the tops of the lungs; the shoulders reach out of the field, as in the
boxes around the neck of HECKTOR. Shapes are ellipsoids and tubes: a sketch, not an atlas.

Uptake (SUV, g/mL): brain 6-10, blood pool 1.5-2, muscle 0.5-0.8 are assumed (usual at 60 minutes).
Palatine tonsils 3.48, lingual tonsils 3.11, soft palate 3.13, sublingual glands 2.93, spinal cord 2.12,
submandibular glands 2.11, parotid glands 1.90, vocal cords 1.77, tongue 1.39, thyroid 1.31: means of 78
patients, Nakamoto et al. 2005, doi:10.1148/radiol.2343030301; the spread of tonsils and sublingual glands
about as in the atlas of 2007, doi:10.1007/s11307-006-0075-y. Bone, marrow, lung and fat are assumed.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from radiotrace.synthetic.petct.space import CT_MM, CT_ZYX, Box, Point, Space, smooth_noise

SIDES = (-1, 1)  # right, left


@dataclass(frozen=True)
class Tissue:
    """HU and SUV of a tissue; spread: SD of the logarithm of its SUV between subjects.

    suv is what is there and not what PET shows: of small parts it is higher than published means, so that
    these are seen behind the blur of a scanner.
    """

    hu: float
    suv: float
    spread: float


TISSUES = {
    "air": Tissue(-1000, 0.0, 0.0),
    "airway": Tissue(-990, 0.15, 0.1),
    "lung": Tissue(-820, 0.5, 0.2),
    "fat": Tissue(-100, 0.25, 0.15),
    "muscle": Tissue(58, 0.65, 0.12),
    "bone": Tissue(850, 0.6, 0.2),
    "marrow": Tissue(220, 1.3, 0.2),
    "tooth": Tissue(1800, 0.5, 0.2),
    "cord": Tissue(32, 3.4, 0.15),
    "csf": Tissue(8, 0.8, 0.15),
    "white_matter": Tissue(29, 3.6, 0.15),
    "grey_matter": Tissue(38, 9.5, 0.15),
    "blood": Tissue(43, 1.75, 0.1),
    "parotid": Tissue(5, 2.45, 0.2),
    "submandibular": Tissue(38, 3.1, 0.25),
    "sublingual": Tissue(35, 5.0, 0.4),
    "palatine_tonsil": Tissue(50, 5.6, 0.35),
    "lingual_tonsil": Tissue(50, 6.4, 0.33),
    "soft_palate": Tissue(48, 5.7, 0.28),
    "tongue": Tissue(55, 1.4, 0.2),
    "vocal_cord": Tissue(55, 3.5, 0.35),
    "thyroid": Tissue(95, 1.8, 0.25),
    "oesophagus": Tissue(38, 1.5, 0.2),
    "eye": Tissue(12, 0.8, 0.2),
    "eye_muscle": Tissue(45, 11.0, 0.3),
}
CODES = {name: code for code, name in enumerate(TISSUES)}
FAT_PLANES = 0.3  # SDs of noise; about a quarter of what lies between muscles
BRAIN_FROM_MM = 160.0
VENTRICLE: tuple[Point, ...] = ((12, 5, 226), (-12, 5, 226))


@dataclass
class Anatomy:
    """A subject without lesions, on the fine grid (CT_ZYX).

    Attributes:
        tissues: codes of TISSUES, uint8.
        depth_mm: how deep below the skin, float32; 0 outside.
        hu, suv: of CT and of uptake, before a scanner sees them, float32; what is painted later changes them.
    """

    space: Space
    tissues: np.ndarray
    depth_mm: np.ndarray
    hu: np.ndarray
    suv: np.ndarray

    def among(self, box: Box, *names: str) -> np.ndarray:
        """Where in a box one of these tissues is, bool."""
        return np.isin(self.tissues[box], [CODES[name] for name in names])


class _Painter:
    def __init__(self, space: Space):
        self.space = space
        self.tissues = np.zeros(CT_ZYX, np.uint8)

    def paint(self, name: str, box: Box, inside: np.ndarray) -> None:
        """In the body alone: air around it stays air."""
        part = self.tissues[box]
        part[inside & (part != CODES["air"])] = CODES[name]

    def ellipsoid(self, name: str, centre: Point, semi: Point) -> None:
        box, q = self.space.ellipsoid(centre, semi)
        self.paint(name, box, q < 1)

    def pair(self, name: str, centre: Point, semi: Point) -> None:
        for side in SIDES:
            self.ellipsoid(name, (side * centre[0], centre[1], centre[2]), semi)

    def tube(self, name: str, knots: tuple[Point, ...], radius: float) -> None:
        box, q = self.space.tube(knots, radius)
        self.paint(name, box, q < 1)

    def tubes(self, name: str, knots: tuple[Point, ...], radius: float) -> None:
        for side in SIDES:
            self.tube(name, tuple((side * x, y, z) for x, y, z in knots), radius)


def drawn(rng: np.random.Generator) -> Anatomy:
    """The anatomy of a subject."""
    space = Space.drawn(rng)
    painter = _Painter(space)
    neck_mm = float(np.clip(rng.normal(60, 4), 52, 68))
    depth = _body(painter, neck_mm)
    fat_mm = float(np.clip(rng.lognormal(np.log(6), 0.4), 3, 14))
    planes = smooth_noise(rng, CT_ZYX, 18 / CT_MM)
    body = depth > 0
    painter.tissues[body] = CODES["muscle"]
    # where noise is near its mean there are sheets, as between muscles; where it is high there would be drops
    is_between = np.abs(planes) < np.float32(FAT_PLANES)
    painter.tissues[body & ((depth < fat_mm) | is_between)] = CODES["fat"]
    _muscles(painter)
    _head(painter, smooth_noise(rng, CT_ZYX, 8 / CT_MM))
    _neck(painter)
    _spine(painter)
    return _measured(rng, painter, depth)


def _body(painter: _Painter, neck_mm: float) -> np.ndarray:
    """Fills the body; gives how deep each voxel lies, mm."""
    space = painter.space
    parts = (
        ((0, 0, 208), (77, 98, 112)),
        ((0, -48, 160), (58, 54, 62)),
        ((0, 8, 90), (neck_mm, neck_mm, 150)),
        ((0, 14, -12), (215, 84, 72)),
    )
    # a smooth union: where two parts meet, there is no edge
    total = np.zeros(CT_ZYX, np.float32)
    for centre, semi in parts:
        q = sum(
            ((places - np.float32(at)) / np.float32(by)) ** 2
            for places, at, by in zip((space.x, space.y, space.z), centre, semi, strict=True)
        )
        total += np.exp(9 * (1 - np.sqrt(q)))
    body = total > 1
    painter.tissues[body] = CODES["muscle"]
    return np.asarray(ndimage.distance_transform_edt(body, sampling=CT_MM), np.float32)


def _muscles(painter: _Painter) -> None:
    painter.tubes("muscle", ((22, -8, 45), (38, 6, 95), (52, 18, 150)), 9)  # sternocleidomastoid
    painter.tubes("muscle", ((16, 62, 20), (14, 60, 100), (16, 66, 150)), 14)  # behind the neck
    painter.tubes("muscle", ((50, -38, 118), (54, -36, 160)), 9)  # masseter
    painter.tubes("muscle", ((34, -30, 130), (30, -32, 165)), 8)  # pterygoid


def _head(painter: _Painter, folds: np.ndarray) -> None:
    space = painter.space
    box, q = space.ellipsoid((0, 2, 222), (71, 90, 80))
    skull = (q < 1) & (space.z[box] > 168)
    painter.paint("bone", box, skull)
    painter.pair("bone", (32, 12, 166), (22, 20, 12))  # petrous bone
    painter.ellipsoid("bone", (0, -12, 172), (20, 14, 10))  # clivus and sphenoid
    painter.ellipsoid("bone", (0, -62, 158), (34, 30, 10))  # maxilla
    painter.pair("bone", (52, -48, 186), (10, 28, 6))  # zygoma
    _mandible(painter)
    painter.pair("fat", (30, -68, 196), (17, 20, 16))
    painter.pair("eye", (31, -78, 196), (12, 12, 12))
    painter.pair("eye_muscle", (22, -58, 196), (3.5, 12, 9))
    painter.pair("eye_muscle", (38, -58, 196), (3.5, 12, 9))
    painter.ellipsoid("airway", (0, -62, 178), (13, 32, 16))  # nose
    painter.ellipsoid("muscle", (0, -70, 178), (2.5, 30, 18))  # septum
    painter.pair("airway", (28, -62, 172), (11, 14, 12))  # maxillary sinus
    # brain: grey matter in folds near the surface and in its depth
    for centre, semi in (((0, 2, 226), (64, 82, 66)), ((0, 46, 178), (44, 28, 20))):
        box, q = space.ellipsoid(centre, semi)
        brain = (q < 1) & (space.z[box] > BRAIN_FROM_MM)
        painter.paint("white_matter", box, brain)
        painter.paint("grey_matter", box, brain & (q + 0.13 * folds[box] > 0.78))
        painter.paint("csf", box, brain & (q + 0.05 * folds[box] > 1.0))
    painter.pair("grey_matter", (20, -4, 218), (11, 20, 12))
    for centre in VENTRICLE:
        painter.ellipsoid("csf", centre, (5, 22, 9))
    painter.ellipsoid("white_matter", (0, 18, 178), (14, 13, 22))  # brain stem


def _mandible(painter: _Painter) -> None:
    space = painter.space
    box = space.box((-62, -104, 112), (62, 0, 172))
    x, y, z = space.x[box], space.y[box], space.z[box]
    ring = np.sqrt((x / 46) ** 2 + ((y + 34) / 60) ** 2)
    arch = (ring > 0.86) & (ring < 1.02) & (y < -30)
    painter.paint("bone", box, arch & (z > 116) & (z < 136))
    painter.paint("tooth", box, arch & (y < -48) & (z > 136) & (z < 152))
    painter.tubes("bone", ((46, -30, 120), (50, -18, 172)), 5)
    painter.ellipsoid("tongue", (0, -58, 142), (25, 32, 20))
    painter.pair("sublingual", (14, -66, 126), (6, 14, 5))


def _neck(painter: _Painter) -> None:
    painter.pair("lung", (52, 26, -18), (46, 48, 52))
    painter.tubes("bone", ((70, 10, 26), (72, 8, 36)), 9)  # clavicle, cut across
    painter.pair("bone", (98, -4, 36), (34, 8, 7))
    painter.pair("parotid", (55, -8, 150), (11, 17, 22))
    painter.pair("submandibular", (31, -28, 116), (9, 13, 11))
    painter.pair("palatine_tonsil", (17, -24, 142), (6, 8, 11))
    painter.ellipsoid("lingual_tonsil", (0, -30, 124), (13, 5, 7))
    painter.ellipsoid("soft_palate", (0, -32, 160), (14, 12, 4))
    painter.pair("thyroid", (17, -16, 62), (8, 9, 20))
    painter.tubes("blood", ((22, 4, 0), (24, 2, 60), (27, 0, 165)), 3.5)  # carotid
    painter.tubes("blood", ((28, 0, 0), (34, 2, 60), (36, 8, 165)), 5.5)  # jugular
    painter.ellipsoid("blood", (6, -2, 6), (26, 14, 10))  # arch of the aorta and its branches
    painter.tube("oesophagus", ((6, 14, 0), (2, 8, 90)), 6)
    painter.tube("bone", ((0, -44, 90), (0, -42, 96)), 4)
    painter.tubes("muscle", ((14, -28, 82), (14, -28, 106)), 6)  # larynx
    painter.tube("airway", ((0, -6, 0), (0, -22, 88)), 8.5)
    painter.tube("airway", ((0, -22, 88), (0, -18, 108), (0, -16, 135), (0, -20, 172)), 9)
    painter.pair("vocal_cord", (5, -24, 92), (4, 9, 4))


def _spine(painter: _Painter) -> None:
    space = painter.space
    line: tuple[Point, ...] = ((0, 40, 0), (0, 26, 70), (0, 22, 120), (0, 20, 160))
    box, q = space.tube(line, 14)
    painter.paint("bone", box, q < 1)
    painter.paint("marrow", box, q < 0.82)
    painter.paint("muscle", box, (q < 1) & (np.mod(space.z[box], 19) < 4))  # discs
    behind: tuple[Point, ...] = tuple((x, y + 22, z) for x, y, z in line)
    box, q = space.tube(behind, 14)
    painter.paint("bone", box, (q < 1) & (np.mod(space.z[box], 19) > 5))
    painter.paint("csf", box, q < 0.6)
    painter.paint("cord", box, q < 0.36)


def _measured(rng: np.random.Generator, painter: _Painter, depth: np.ndarray) -> Anatomy:
    """HU and SUV of the tissues, each with its level in this subject and a grain of its own."""
    hu = np.array([tissue.hu for tissue in TISSUES.values()], np.float32)
    levels = np.clip(rng.standard_normal(len(TISSUES)), -2, 2)
    suv = np.array(
        [
            tissue.suv * np.exp(tissue.spread * level)
            for tissue, level in zip(TISSUES.values(), levels, strict=True)
        ],
        np.float32,
    )
    tissues = painter.tissues
    grain = smooth_noise(rng, CT_ZYX, 10 / CT_MM)
    soft = (tissues != CODES["air"]) & (tissues != CODES["airway"])
    return Anatomy(
        painter.space,
        tissues,
        depth,
        hu[tissues] + np.where(soft, 8 * grain, 0),
        suv[tissues] * (1 + 0.1 * grain),
    )
