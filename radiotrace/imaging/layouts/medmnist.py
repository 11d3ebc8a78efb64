"""MedMNIST: what was published of its data sets, by the name of the file, so that a damaged copy is noticed.

Source: Yang et al. 2023, doi:10.1038/s41597-022-01721-8, and the package medmnist 3.0 (INFO).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from radiotrace.records.values import Part

CITATION = (
    "Yang J et al. MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image "
    "classification. Sci Data 2023;10:41. doi:10.1038/s41597-022-01721-8"
)


@dataclass(frozen=True)
class Published:
    """A data set.

    Attributes:
        labels: names by the number in the file.
        cases: part -> name -> how many; {} where the publication has parts without classes.
    """

    name: str
    labels: tuple[str, ...]
    modality: str
    cases: Mapping[Part, Mapping[str, int]] = field(default_factory=dict)
    licence: str = "CC BY 4.0"


KNOWN = {
    "pneumoniamnist": Published(
        "PneumoniaMNIST",
        ("normal", "pneumonia"),
        "X-ray",
        {
            "train": {"normal": 1214, "pneumonia": 3494},
            "validation": {"normal": 135, "pneumonia": 389},
            "test": {"normal": 234, "pneumonia": 390},
        },
    ),
    # 0 is what the file has as 0: who looks for cancer names malignant last, by --label
    "breastmnist": Published("BreastMNIST", ("malignant", "normal or benign"), "ultrasound"),
}


def of_file(path: str) -> Published | None:
    """What was published of a file, such as pneumoniamnist.npz or pneumoniamnist_64.npz; None where nothing
    is known."""
    name = PurePosixPath(path).name.lower().removesuffix(".npz")
    return KNOWN.get(name.partition("_")[0])
