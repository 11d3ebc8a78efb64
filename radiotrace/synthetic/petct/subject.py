"""One subject: anatomy, lesions, distractors and a scanner become a CT, a PET, a label map, and the truth."""

from dataclasses import dataclass

import numpy as np

from radiotrace.synthetic.petct import anatomy as anatomies
from radiotrace.synthetic.petct import distractors, lesions, scanner, survival
from radiotrace.synthetic.petct.lesions import LABELS, Grown
from radiotrace.synthetic.petct.scanner import Scanner
from radiotrace.synthetic.petct.space import PET_MM, PET_ZYX, halved, pet_box
from radiotrace.synthetic.petct.survival import Course

ML_PER_VOXEL = PET_MM**3 / lesions.MM3_PER_ML
MALE = 0.75  # assumed
AGE = (58.0, 10.0)  # mean and SD, years, assumed
AGE_RANGE = (37, 78)  # of the 91 patients of lesions.py


@dataclass(frozen=True)
class Lesion:
    """What came of a lesion. volume_ml: of the label map; suvmax: of PET without noise, within it."""

    kind: str
    volume_ml: float
    suvmax: float


@dataclass(frozen=True)
class Subject:
    """A subject as scanner and clinic see it, and what is true of it.

    Attributes:
        ct_zyx: HU, int16, on the fine grid.
        pet_zyx: SUV (g/mL), float32.
        label_map_zyx: uint8, on the grid of PET: 1 primary, 2 node.
        brain_zyx: bool, on the grid of PET; where brain is.
        distractors: names of what is hot and no lesion.
    """

    scanner: Scanner
    age: int
    sex: str
    ct_zyx: np.ndarray
    pet_zyx: np.ndarray
    label_map_zyx: np.ndarray
    brain_zyx: np.ndarray
    lesions: tuple[Lesion, ...]
    distractors: tuple[str, ...]
    course: Course

    @property
    def volume_ml(self) -> float:
        """Of all lesions."""
        return sum(lesion.volume_ml for lesion in self.lesions)

    @property
    def suvmax(self) -> float:
        """Of the hottest lesion; 0 where there is none."""
        return max((lesion.suvmax for lesion in self.lesions), default=0.0)


def drawn(seed: int, number: int) -> Subject:
    """The subject of a number; it is the same whoever else is drawn.

    Args:
        seed: of the data set, 0 or more.
        number: of the subject, 0 or more.
    """
    # a stream for each part, so that a change of one leaves the others as they are
    streams = np.random.SeedSequence([seed, number]).spawn(6)
    person, body, planned, growth, images, later = (np.random.default_rng(stream) for stream in streams)
    machine = scanner.chosen(person)
    age = int(np.clip(round(person.normal(*AGE)), *AGE_RANGE))
    sex = "M" if person.random() < MALE else "F"
    anatomy = anatomies.drawn(body)
    plans = lesions.plans(planned)
    taken = lesions.everywhere()
    grown = [lesions.grow(growth, anatomy, plan, taken) for plan in plans]
    for lesion in grown:
        anatomy.suv[lesion.box][lesion.mask] = 0
    hot = distractors.paint(growth, anatomy, taken)
    owners = _owners(grown)
    blurred = _with_lesions(machine, anatomy.suv, grown, owners)
    clean = scanner.filtered(machine, blurred)
    found = _measured(clean, grown, owners)
    values = np.array([0, *(LABELS[lesion.plan.kind] for lesion in grown)], np.uint8)
    volume = sum(lesion.volume_ml for lesion in found)
    hottest = max((lesion.suvmax for lesion in found), default=0.0)
    brain = ("grey_matter", "white_matter", "csf")
    everywhere = (slice(None), slice(None), slice(None))
    head = anatomy.among(everywhere, *brain) & (anatomy.space.z > anatomies.BRAIN_FROM_MM)
    return Subject(
        scanner=machine,
        age=age,
        sex=sex,
        ct_zyx=scanner.ct(images, machine, anatomy.hu),
        pet_zyx=scanner.pet(images, machine, blurred),
        label_map_zyx=values[owners],
        brain_zyx=halved(head.astype(np.float32)) > 0,
        lesions=found,
        distractors=tuple(hot),
        course=survival.drawn(later, volume, hottest),
    )


def _owners(grown: list[Grown]) -> np.ndarray:
    """Which lesion a voxel of PET is of, by its place in the list, from 1; 0 of none. uint8, PET_ZYX.

    It is of lesions where they fill at least half of it; of several, it is of the one that fills most.
    """
    most, total = np.zeros(PET_ZYX, np.float32), np.zeros(PET_ZYX, np.float32)
    owners = np.zeros(PET_ZYX, np.uint8)
    for place, lesion in enumerate(grown, 1):
        box = pet_box(lesion.box)
        share = halved(lesion.mask.astype(np.float32))
        is_larger = share > most[box]
        owners[box][is_larger] = place
        most[box][is_larger] = share[is_larger]
        total[box] += share
    owners[total < 0.5] = 0
    return owners


def _with_lesions(
    machine: Scanner, background: np.ndarray, grown: list[Grown], owners: np.ndarray
) -> np.ndarray:
    """PET without noise and before the post filter, each lesion as hot as it takes to be seen as planned.

    Partial volume makes a small lesion look less hot than it is: uptake is divided by what is seen of it.
    Lesions side by side add a little to each other, so that SUVmax is measured in the end and not believed.
    """
    suv = background.copy()
    clean = scanner.filtered(machine, scanner.expected(machine, background))
    for place, lesion in enumerate(grown, 1):
        box, alone = scanner.seen_alone(machine, lesion.box, lesion.uptake)
        inside = (owners[box] == place) & (alone > 0.05)
        level = 1.0
        if inside.any():
            level = max(float(((lesion.plan.suvmax - clean[box][inside]) / alone[inside]).min()), 1.0)
        suv[lesion.box] += level * lesion.uptake
    return scanner.expected(machine, suv)


def _measured(clean: np.ndarray, grown: list[Grown], owners: np.ndarray) -> tuple[Lesion, ...]:
    """What came of each lesion; one that fills no voxel is none."""
    measured = []
    for place, lesion in enumerate(grown, 1):
        suvs = clean[owners == place]
        if suvs.size:
            measured.append(Lesion(lesion.plan.kind, suvs.size * ML_PER_VOXEL, float(suvs.max())))
    return tuple(measured)
