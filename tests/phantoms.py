"""Phantoms: small volumes whose every answer is known, in awkward geometry, and data sets made of them."""

import csv
import json
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from radiotrace.imaging.channels import Channel
from radiotrace.imaging.image import Image

SIZE_XYZ = (18, 22, 14)  # unequal, so that a swapped axis fails
SPACING_XYZ = (0.9, 1.1, 1.7)
# Anterior: a box of 6 x 5 x 4 voxels; posterior: one of 5 x 6 x 4, behind it.
BOXES_XYZ = {1: ((5, 11), (4, 9), (4, 8)), 2: ((5, 10), (10, 16), (5, 9))}
VOXEL_MM3 = 0.9 * 1.1 * 1.7
VOLUMES_MM3 = {1: 6 * 5 * 4 * VOXEL_MM3, 2: 5 * 6 * 4 * VOXEL_MM3}


def rotation(degrees_about_z: float) -> tuple:
    """Direction cosines, row by row, of a grid turned about z."""
    c, s = np.cos(np.deg2rad(degrees_about_z)), np.sin(np.deg2rad(degrees_about_z))
    return (c, -s, 0, s, c, 0, 0, 0, 1)


def volume(
    array_zyx: np.ndarray, spacing=SPACING_XYZ, origin=(-31.5, 12.25, 77.0), direction=None
) -> sitk.Image:
    image = sitk.GetImageFromArray(array_zyx)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction or rotation(10))
    return image


def channels(low: float = 0.5, high: float = 99.5) -> tuple[Channel, ...]:
    """The one channel of the phantoms, as a recipe has it."""
    return (Channel("MRI", "MRI", (low, high)),)


def image(volume: sitk.Image) -> Image:
    """A volume as the image of one channel."""
    return Image.of([volume], [Channel("MRI", "MRI")])


def label_array(shift_xyz=(0, 0, 0)) -> np.ndarray:
    """The two boxes, shifted, (z, y, x), uint8."""
    array = np.zeros(SIZE_XYZ[::-1], np.uint8)
    for value, box in BOXES_XYZ.items():
        x, y, z = (slice(start + by, stop + by) for (start, stop), by in zip(box, shift_xyz, strict=True))
        array[z, y, x] = value
    return array


def image_array(labels_zyx: np.ndarray, seed: int, scale: float = 100.0) -> np.ndarray:
    """Bright boxes on a dark ground with noise, float32."""
    noise = np.random.default_rng(seed).normal(0, 0.05, labels_zyx.shape)
    return ((np.choose(labels_zyx, [0.2, 1.0, 0.7]) + noise) * scale).astype(np.float32)


def pair(seed: int, direction=None) -> tuple[sitk.Image, sitk.Image]:
    """Image and label map of one case; the seed moves the boxes and chooses the noise and the scale."""
    rng = np.random.default_rng(seed)
    labels = label_array(rng.integers(-2, 3, 3))
    image = image_array(labels, seed, scale=float(10 ** rng.uniform(1, 4)))
    return volume(image, direction=direction), volume(labels, direction=direction)


def write_dataset(folder: Path, cases: int = 16) -> list[str]:
    """A data set in the MSD layout: every fourth case has a twin of the same subject, every third is flipped
    to RAS.

    Returns:
        The case ids.
    """
    folder = Path(folder)
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    ids = [f"phantom_{number:02d}" for number in range(cases)]
    for number, case_id in enumerate(ids):
        for kind, one in zip(("imagesTr", "labelsTr"), pair(number, rotation(3 * number)), strict=True):
            sitk.WriteImage(
                sitk.DICOMOrient(one, "RAS") if number % 3 == 0 else one,
                str(folder / kind / f"{case_id}.nii.gz"),
            )
    write_tables(folder, ids)
    return ids


def channel_arrays(labels_zyx: np.ndarray, seed: int) -> list[np.ndarray]:
    """Two channels, int16, whose difference alone shows the labels: the same smooth ground in both, as strong
    as they are, and the boxes in the second."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=labels_zyx.shape), (1.5, 2.5, 2.5), mode="wrap")
    ground = smooth / smooth.std() + rng.normal(0, 0.02, labels_zyx.shape)
    boxes = np.choose(labels_zyx, [0.0, 1.0, -1.0])
    return [np.rint(1000 * one).astype(np.int16) for one in (ground, ground + boxes)]


def write_channels(folder: Path, cases: int = 12, names=("T2", "ADC")) -> list[str]:
    """A data set of two channels in nnU-Net's layout, each case a subject, every third flipped to RAS."""
    folder = Path(folder)
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    ids = [f"phantom_{number:02d}" for number in range(cases)]
    for number, case_id in enumerate(ids):
        labels = label_array(np.random.default_rng(number).integers(-2, 3, 3))
        arrays = {
            f"imagesTr/{case_id}_{channel:04d}": array
            for channel, array in enumerate(channel_arrays(labels, number))
        }
        for name, array in (arrays | {f"labelsTr/{case_id}": labels}).items():
            one = volume(array, direction=rotation(3 * number))
            one = sitk.DICOMOrient(one, "RAS") if number % 3 == 0 else one
            sitk.WriteImage(one, str(folder / f"{name}.nii.gz"))
    write_declaration(
        folder,
        channel_names={str(number): name for number, name in enumerate(names)},
        file_ending=".nii.gz",
    )
    write_subjects(folder, {case_id: case_id for case_id in ids})
    return ids


def write_pictures(folder: Path, cases: int = 12) -> list[str]:
    """A data set of one slice a case, in the MSD layout, each case a subject, every third flipped to RAS."""
    folder = Path(folder)
    for kind in ("imagesTr", "labelsTr"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    ids = [f"phantom_{number:02d}" for number in range(cases)]
    for number, case_id in enumerate(ids):
        shift_xy = np.random.default_rng(number).integers(-2, 3, 2)
        labels = label_array((*shift_xy, 0))[6:7]  # both boxes are there
        for kind, array in (("imagesTr", image_array(labels, number)), ("labelsTr", labels)):
            one = volume(array, direction=rotation(3 * number))
            one = sitk.DICOMOrient(one, "RAS") if number % 3 == 0 else one
            sitk.WriteImage(one, str(folder / kind / f"{case_id}.nii.gz"))
    write_declaration(folder, modality={"0": "MRI"}, training=listed(ids))
    write_subjects(folder, {case_id: case_id for case_id in ids})
    return ids


def listed(ids: list[str]) -> list[dict[str, str]]:
    """The cases as MSD's dataset.json lists them."""
    return [{"image": f"./imagesTr/{one}.nii.gz", "label": f"./labelsTr/{one}.nii.gz"} for one in ids]


def write_declaration(folder: Path, **layout) -> None:
    """dataset.json, with what its layout has."""
    declared = {
        "name": "phantoms",
        "release": "1.0",
        "licence": "CC0",
        "reference": "made by code",
        "labels": {"0": "background", "1": "anterior", "2": "posterior"},
    }
    (folder / "dataset.json").write_text(json.dumps(declared | layout))


def write_subjects(folder: Path, subject_of: dict[str, str]) -> None:
    """cases.csv without further columns."""
    rows = "".join(f"{case_id},{subject_id}\n" for case_id, subject_id in subject_of.items())
    (folder / "cases.csv").write_text(f"case_id,subject_id\n{rows}")


def write_tables(folder: Path, ids: list[str]) -> None:
    """dataset.json and cases.csv of the cases."""
    write_declaration(folder, modality={"0": "MRI"}, training=listed(ids))
    with open(folder / "cases.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case_id", "subject_id", "site"])
        for number, one in enumerate(ids):
            writer.writerow(
                [one, f"subject_{number - (number % 4 == 1):02d}", "north" if number % 2 else "south"]
            )


class Cases:
    """Phantom samples in memory, as training takes them."""

    def __init__(self, names, changed=None):
        self.case_ids = list(names)
        self.samples = [(changed or {}).get(name) or self.sample(name) for name in names]

    @staticmethod
    def sample(name: str):
        import torch

        from radiotrace.segmentation import dataset  # here, because most files need no torch

        label = label_array()
        image = (image_array(label, seed=ord(name[0]), scale=1.0) - 0.23) / 0.15
        label = torch.from_numpy(label)
        return dataset.Sample(
            name, torch.from_numpy(image)[None], label, dataset.foreground(label, name), SPACING_XYZ[::-1]
        )

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]
