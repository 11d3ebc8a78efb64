"""Lesions: how many, where, how large and how hot they are planned, and how they grow into an anatomy.

Published of 91 patients with nodal disease of oro- and hypopharynx (J Nucl Med, tables 75624 and 75628):
primary SUVmax median 10.7, MTV (SUV 2.5) median 14.5 mL; nodes SUVmax 6.5 +- 4.4, median 6.1 (1.2-28.5),
volume median 8.9 mL, mean 18.1, diameter median 2.4 cm, MTV median 3.0 mL (0.1-178), central necrosis in 51
of 91. The spread of volumes: an interquartile difference of 17 mL of MTV (La et al. 2009, PMC2752334; Tang et
al. 2012, PMC3337958). Shares of sites, of subjects without lesion and with several nodes are assumed.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from radiotrace.synthetic.petct.anatomy import Anatomy
from radiotrace.synthetic.petct.space import CT_MM, CT_ZYX, Box, Point, smooth_noise

LABELS = {"primary": 1, "node": 2}  # values in label maps
Kind = Literal["primary", "node"]
NO_LESION = 0.08  # share of subjects
NODES_ALONE = 0.05  # of those with lesions: the primary is unknown
NODES = 0.75  # of those with a primary
FURTHER_NODES = 1.1  # mean number beside the largest one
NODES_MAX = 5
NECROSIS = 51 / 91  # of nodes that are large enough; of primaries half as often
NECROSIS_FROM_ML = {"primary": 20.0, "node": 4.0}


@dataclass(frozen=True)
class Sizes:
    """Volume (mL) and SUVmax (g/mL) are log-normal and correlated: a small lesion looks less hot.

    Attributes:
        volume_ml, suvmax: medians.
        volume_spread, suvmax_spread: SDs of the logarithms.
        volume_range, suvmax_range: where both are cut.
    """

    volume_ml: float
    volume_spread: float
    volume_range: tuple[float, float]
    suvmax: float
    suvmax_spread: float
    suvmax_range: tuple[float, float]
    correlation: float


SIZES: dict[Kind, Sizes] = {
    "primary": Sizes(15.0, 0.75, (1.5, 90.0), 10.7, 0.45, (3.0, 35.0), 0.3),
    "node": Sizes(6.5, 1.0, (0.6, 75.0), 6.1, 0.55, (1.6, 28.5), 0.5),
}
# (share, x towards the side of the lesion, y, z), mm
PRIMARY_SITES: tuple[tuple[float, Point], ...] = (
    (0.4, (19, -22, 141)),  # tonsil
    (0.25, (8, -36, 124)),  # base of the tongue
    (0.25, (13, -16, 98)),  # hypopharynx and larynx
    (0.1, (8, -14, 160)),  # nasopharynx
)
NODE_SITES: tuple[tuple[float, Point], ...] = (
    (0.5, (40, -2, 126)),  # level II
    (0.25, (37, 0, 104)),  # III
    (0.13, (37, 2, 76)),  # IV
    (0.12, (48, 26, 96)),  # V
)
IPSILATERAL = 0.75
SKIN_MM = 4.0  # that a lesion leaves free
NEVER = ("air", "lung", "grey_matter", "white_matter", "csf", "cord", "marrow")
HINDRANCE = {"bone": 0.7, "tooth": 0.9, "airway": 0.45, "blood": 0.25, "oesophagus": 0.2}
MM3_PER_ML = 1000


@dataclass(frozen=True)
class Plan:
    """A lesion before it has grown.

    Attributes:
        volume_ml: that it shall have; may be less where there is no room.
        suvmax: that PET without noise shall show.
        centre: x, y, z, mm.
        is_necrotic: whether its core takes up little.
    """

    kind: Kind
    volume_ml: float
    suvmax: float
    centre: Point
    is_necrotic: bool


def plans(rng: np.random.Generator) -> list[Plan]:
    """The lesions of a subject, the primary first, then nodes from large to small; [] where there is none."""
    if rng.random() < NO_LESION:
        return []
    side = 1 if rng.random() < 0.5 else -1
    planned = []
    has_primary = rng.random() >= NODES_ALONE
    if has_primary:
        planned.append(_plan(rng, "primary", side, 1.0))
    if not has_primary or rng.random() < NODES:
        largest = _plan(rng, "node", side, 1.0)
        further = []
        for _ in range(min(int(rng.poisson(FURTHER_NODES)), NODES_MAX - 1)):
            side_of_node = side if rng.random() < IPSILATERAL else -side
            share = float(rng.uniform(0.08, 0.6))
            further.append(_plan(rng, "node", side_of_node, share, largest))
        planned += [largest, *sorted(further, key=lambda plan: -plan.volume_ml)]
    return planned


def _plan(rng: np.random.Generator, kind: Kind, side: int, share: float, largest: Plan | None = None) -> Plan:
    """A lesion of published size; or, beside the largest node, of a share of it."""
    sizes = SIZES[kind]
    of_volume, of_suvmax, of_necrosis = rng.standard_normal(), rng.standard_normal(), rng.random()
    sites = PRIMARY_SITES if kind == "primary" else NODE_SITES
    x, y, z = sites[int(rng.choice(len(sites), p=[site[0] for site in sites]))][1]
    by = rng.normal(0, 3, 3)
    volume = sizes.volume_ml * np.exp(sizes.volume_spread * of_volume)
    of_suvmax = sizes.correlation * of_volume + np.sqrt(1 - sizes.correlation**2) * of_suvmax
    suvmax = sizes.suvmax * np.exp(sizes.suvmax_spread * of_suvmax)
    if largest is not None:
        volume = largest.volume_ml * share
        suvmax = largest.suvmax * share**0.3 * np.exp(0.2 * of_suvmax)
    volume = float(np.clip(volume, *sizes.volume_range))
    often = NECROSIS if kind == "node" else NECROSIS / 2
    return Plan(
        kind,
        volume,
        float(np.clip(suvmax, *sizes.suvmax_range)),
        (float(side * x + by[0]), float(y + by[1]), float(z + 2 * by[2])),
        bool(volume >= NECROSIS_FROM_ML[kind] and of_necrosis < often),
    )


@dataclass(frozen=True)
class Grown:
    """A lesion in its place.

    Attributes:
        box: of the fine grid, on whole voxels of PET.
        mask: bool, of the box.
        uptake: float32, of the box; relative, 0 outside the mask, about 1 within.
    """

    plan: Plan
    box: Box
    mask: np.ndarray
    uptake: np.ndarray


def grow(rng: np.random.Generator, anatomy: Anatomy, plan: Plan, taken: np.ndarray) -> Grown:
    """Lets a lesion grow from its centre: uneven, around what hinders it, never into brain, marrow or skin.

    Args:
        taken: bool, CT_ZYX, where another lesion is; is added to.
    """
    radius = (plan.volume_ml * MM3_PER_ML * 3 / (4 * np.pi)) ** (1 / 3)
    stretch = np.exp(np.clip(rng.normal(0, 0.15, 3), -0.35, 0.35))
    stretch[2] *= 1.2  # along the neck
    stretch *= radius / np.prod(stretch) ** (1 / 3)
    reach = (float(2.2 * stretch[0]), float(2.2 * stretch[1]), float(2.2 * stretch[2]))
    box, _ = anatomy.space.ellipsoid(plan.centre, reach)
    space = anatomy.space
    q = np.sqrt(
        sum(
            ((places[box] - np.float32(at)) / np.float32(by)) ** 2
            for places, at, by in zip((space.x, space.y, space.z), plan.centre, stretch, strict=True)
        )
    )
    shape = mask_shape(box)
    q = q + (0.22 if plan.kind == "primary" else 0.12) * smooth_noise(rng, shape, radius / CT_MM)
    for name, by in HINDRANCE.items():
        q[anatomy.among(box, name)] += np.float32(by)
    q[anatomy.among(box, *NEVER) | taken[box] | (anatomy.depth_mm[box] < SKIN_MM)] = np.inf
    mask = _piece(q, round(plan.volume_ml * MM3_PER_ML / CT_MM**3))
    taken[box] |= mask
    uptake = np.exp(0.35 * smooth_noise(rng, shape, 14 / CT_MM))
    deep = np.asarray(ndimage.distance_transform_edt(mask, sampling=CT_MM))
    anatomy.hu[box][mask] = 48 + 6 * smooth_noise(rng, shape, 8 / CT_MM)[mask]
    if plan.is_necrotic and mask.any():
        core = deep > 0.45 * deep.max()
        uptake[core] *= 0.3
        anatomy.hu[box][core] = 24
    return Grown(plan, box, mask, np.where(mask, uptake, 0).astype(np.float32))


def mask_shape(box: Box) -> tuple[int, int, int]:
    """How many voxels a box has along z, y, x."""
    z, y, x = (side.stop - side.start for side in box)
    return z, y, x


def _piece(q: np.ndarray, n_voxels: int) -> np.ndarray:
    """The connected piece around the lowest value that has about so many voxels; all that there is where
    less.

    Islands behind what hinders are left out, and the level is raised in their place.
    """
    values = np.sort(q[np.isfinite(q)])
    piece = np.zeros(q.shape, bool)
    if not values.size:
        return piece
    seed = np.unravel_index(int(np.argmin(q)), q.shape)
    low, high = min(n_voxels, values.size - 1), values.size - 1
    for _ in range(12):
        numbered = np.zeros(q.shape, np.int32)
        ndimage.label(q <= values[low], output=numbered)
        piece = numbered == numbered[seed]
        missing = n_voxels - int(np.count_nonzero(piece))
        if missing <= 0.02 * n_voxels or low >= high:
            break
        low = min(low + missing, high)
    return piece


def everywhere() -> np.ndarray:
    """No lesion anywhere yet: what the first one finds taken."""
    return np.zeros(CT_ZYX, bool)
