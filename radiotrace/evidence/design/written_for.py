"""Written for: whether the design controls were written for the data set of this run.

Called by the stage evidence; where they were not, the release is blocked: a new study would otherwise carry
the name, the licence and the limits of another one.

dataset_card.yaml repeats, under 'dataset', the name, licence, modality and labels of data/dataset.json; the
other texts name the data set.
"""

from radiotrace.evidence.design.controls import Design

CARD = "dataset_card"
# texts of people that are of one data set, by its name
NAMED = ("requirements", "intended_use", "statistical_plan", "risks", "pccp")
KEYS = ("name", "licence", "modality", "labels")
ANOTHER = "of another data set"  # begins each gap, so that pages can count them
WAY_OUT = (
    "Write design/ for these data, or correct data/dataset.json and run 'make manifest'; each file "
    "says under 'dataset' what it was written "
    "for. Then 'dvc repro' and 'python -m radiotrace review --all'."
)


def misfits(design: Design, dataset: dict) -> list[dict[str, str]]:
    """Where the design controls say something else of their data set than its own file: item and gap, as rows
    of the record 'traceability'; [] when all fit.

    Args:
        design: of controls.load.
        dataset: the part 'dataset' of the record 'dataset': what data/dataset.json says.
    """
    gaps = []
    described = design.dataset_card.get("dataset", {})
    for key in KEYS:
        if described.get(key) != dataset[key]:
            gaps.append(_gap(CARD, f"dataset.{key}", described.get(key), key, dataset[key]))
    for name in NAMED:
        if getattr(design, name).get("dataset") != dataset["name"]:
            gaps.append(_gap(name, "dataset", getattr(design, name).get("dataset"), "name", dataset["name"]))
    modality, n_channels = _image(dataset)
    for number, entry in enumerate(design.intended_use["inputs"]):
        for key, actual in (("modality", modality), ("channels", n_channels)):
            if entry[key] != actual:
                place = f"inputs[{number}].{key}"
                gaps.append(_gap("intended_use", place, entry[key], key, actual))
    return gaps


def _image(dataset: dict) -> tuple[str | None, int]:
    """Modality of an image, and the number of its channels; "other" where channels differ in modality."""
    if "channels" not in dataset:
        return dataset["modality"], 1
    modalities = {channel["modality"] for channel in dataset["channels"]}
    return modalities.pop() if len(modalities) == 1 else "other", len(dataset["channels"])


def _gap(item: str, place: str, written, key: str, actual) -> dict[str, str]:
    return {
        "item": item,
        "gap": f"{ANOTHER}: design/{item}.yaml has {place} {_as_written(written)}, "
        f"data/dataset.json has {key} {_as_written(actual)}",
    }


def _as_written(value) -> str:
    """A value as a person wrote it; labels by their values."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{number} {name}" for number, name in value.items())
    return f"'{value}'"
