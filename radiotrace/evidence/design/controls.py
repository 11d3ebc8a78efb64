"""Design controls: everything that people wrote of the software and of one study, read, checked against the
schemas and across files and folders, and put together.

software/design/ has what holds of the software, whatever study uses it; the design/ of a study has what is
its own. Each is read from its own folder, and nothing here knows where a study lies. An item is where its
file is, and counts as reviewed by the ledger of that folder alone.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import (
    compliance,
    criteria,
    negative_controls,
    pccp,
    requirements,
    reviews,
    risks,
)
from radiotrace.evidence.formats import croissant
from radiotrace.pipeline import params
from radiotrace.records import merkle

SOFTWARE, STUDY = "software", "study"  # whose an item is
LEDGER = "reviews.jsonl"  # of a folder of design controls
# files of one record each, named for their schemas
OF_STUDY = ("intended_use", "statistical_plan", "risks", "pccp", "anomalies", "dataset_card")
OF_SOFTWARE = ("risk_controls", "anomalies")
# Files of the one that would mislead a reader in the folder of the other, where nothing reads them.
APART = {
    SOFTWARE: ("dataset_card.yaml", "intended_use.yaml", "pccp.yaml", "risks.yaml", "statistical_plan.yaml"),
    STUDY: ("risk_controls.yaml", "soup.yaml", "wheels.json"),
}
# a review of it says that each anomaly of the software was weighed for this study
WEIGHED = "anomalies_of_software"

# lists whose entries are reviewed one by one
APART_OF_RISKS, APART_OF_PCCP = ("hazards", "controls"), ("modifications",)
REVIEWED_APART = (APART_OF_RISKS, APART_OF_PCCP)


@dataclass(frozen=True)
class Design:
    """What people wrote of the software and of one study; where both have a list, the software's comes first.

    Attributes:
        folders: SOFTWARE and STUDY -> the folder of design controls.
        requirements, risks, anomalies: the records, of both. risks has the controls of both; an anomaly of
            the software has the hazards that the study gives it.
        negative_controls: id -> fault, of both.
        reviews: the lines that count: those on an item in the ledger of the folder where the item is.
        intended_use, statistical_plan, pccp, dataset_card: the records, of the study.
        compliance: the checklists of both.
        weighed: anomaly of the software -> hazards of the study.
        of_software: ids of the items that are the software's; all others are the study's.
        software_sha256: root of the hash tree over software_files: studies that have the same stand on one
            verification of the software.
    """

    folders: dict[str, Path]
    requirements: dict
    negative_controls: dict[str, dict]
    reviews: list[dict]
    intended_use: dict
    statistical_plan: dict
    risks: dict
    pccp: dict
    anomalies: dict
    dataset_card: dict
    compliance: list[dict]
    weighed: dict[str, list[str]]
    of_software: frozenset[str]
    software_sha256: str

    def owner(self, item_id: str) -> str:
        """Whose an item is: SOFTWARE or STUDY."""
        return SOFTWARE if item_id in self.of_software else STUDY

    def ledger(self, item_id: str) -> Path:
        """Where a review of an item is written."""
        return self.folders[self.owner(item_id)] / LEDGER


@dataclass(frozen=True)
class Written:
    """One folder of design controls, as it was read.

    Attributes:
        whose: SOFTWARE or STUDY.
        requirements: the record; faults: id -> negative control; ledger: lines of the reviews.
        compliance: the checklists; whole: name -> record, of OF_SOFTWARE or OF_STUDY.
    """

    whose: str
    folder: Path
    requirements: dict
    faults: dict[str, dict]
    ledger: list[dict]
    compliance: list[dict]
    whole: dict[str, dict]

    def controls(self) -> list[dict]:
        """The risk controls."""
        return self.whole["risk_controls" if self.whose == SOFTWARE else "risks"]["controls"]

    def anomalies(self) -> list[dict]:
        """The anomalies."""
        return self.whole["anomalies"]["anomalies"]

    def ids(self) -> list[str]:
        """Of every item that has one, and of every checklist."""
        lists = [self.requirements["user_needs"], self.requirements["requirements"], self.controls()]
        lists += [list(self.faults.values()), self.anomalies()]
        if self.whose == STUDY:
            lists += [self.whole["risks"]["hazards"], self.whole["pccp"]["modifications"]]
        named = [f"compliance_{standard['id']}" for standard in self.compliance]
        return [entry["id"] for entries in lists for entry in entries] + named


def load(study, software) -> Design:
    """What stands in the folder of a study and in that of the software, as one.

    Args:
        study: folder of the study's design controls, such as design.
        software: folder of the software, such as software, which has design/.

    Raises:
        StageError: a file breaks its schema, names what is not there, or has what belongs into the other
            folder; names every fault.
    """
    ours, theirs = _read(design_of(software), SOFTWARE), _read(Path(study), STUDY)
    found = _together(ours, theirs, software)
    twice = _twice(ours.ids(), theirs.ids())
    broken = [*_misplaced(ours, theirs), *twice.values(), *_unweighed(ours, theirs)]
    broken += [line for line in contradictions(found) if line.removesuffix(" stands twice") not in twice]
    if broken:
        raise StageError(
            f"files of {ours.folder}/ and {theirs.folder}/ do not fit together",
            broken,
            "Correct the file that names what is not there, or move what stands in the wrong folder.",
        )
    return found


def _read(folder: Path, whose: str) -> Written:
    return Written(
        whose=whose,
        folder=folder,
        requirements=requirements.load(folder / "requirements.yaml"),
        faults=negative_controls.load(folder / "negative_controls.yaml"),
        ledger=reviews.read(folder / LEDGER),
        compliance=[_checked(path, "compliance") for path in sorted((folder / "compliance").glob("*.yaml"))],
        whole={
            name: _checked(folder / f"{name}.yaml", name)
            for name in (OF_SOFTWARE if whose == SOFTWARE else OF_STUDY)
        },
    )


def _together(ours: Written, theirs: Written, software) -> Design:
    """Both as one.

    Args:
        ours, theirs: of the software and of a study.
        software: folder of the software.
    """
    retired = [row for one in (ours, theirs) for row in one.requirements.get("retired", ())]
    required = theirs.requirements | {
        key: ours.requirements[key] + theirs.requirements[key] for key in ("user_needs", "requirements")
    }
    weighed = theirs.whole["anomalies"].get("of_software", {})
    anomalies = [one | {"hazards": weighed.get(one["id"], [])} for one in ours.anomalies()]
    texts = {
        name: theirs.whole[name] for name in ("intended_use", "statistical_plan", "pccp", "dataset_card")
    }
    return Design(
        folders={one.whose: one.folder for one in (ours, theirs)},
        requirements=required | ({"retired": retired} if retired else {}),
        negative_controls=ours.faults | theirs.faults,
        reviews=_counting(ours, theirs),
        risks=theirs.whole["risks"] | {"controls": ours.controls() + theirs.controls()},
        anomalies={
            "schema": theirs.whole["anomalies"]["schema"],
            "anomalies": anomalies + theirs.anomalies(),
        },
        compliance=ours.compliance + theirs.compliance,
        weighed=weighed,
        of_software=frozenset(ours.ids()),
        software_sha256=merkle.root(
            {path: records.sha256(file) for path, file in software_files(software).items()}
        ),
        **texts,
    )


def _counting(ours: Written, theirs: Written) -> list[dict]:
    """The lines of both ledgers but those on an item that is the other folder's: a study cannot review for
    the software, nor the software for a study."""
    own, others = set(ours.ids()), set(theirs.ids())
    return [line for line in ours.ledger if line["item"] not in others] + [
        line for line in theirs.ledger if line["item"] not in own
    ]


def design_of(software) -> Path:
    """The design controls of a folder of the software."""
    return Path(software) / "design"


def verification_of(software) -> Path:
    """What came of the tests, and of the faults of code, of a folder of the software."""
    return Path(software) / "verification"


def _checked(path: Path, schema: str) -> dict:
    found = params.load_yaml(path)
    if broken := records.faults(found, schema):
        raise StageError(f"{path} breaks schemas/{schema}.schema.json", broken, f"Correct {path}.")
    return found


def _twice(own: list[str], others: list[str]) -> dict[str, str]:
    """Id that stands twice -> where: one item would be reviewed, or traced, by the name of the other."""
    times, shared = Counter(own + others), set(own) & set(others)
    return {
        name: f"{name} stands twice" + (", of the software and of the study" if name in shared else "")
        for name in sorted(times)
        if times[name] > 1
    }


def _misplaced(ours: Written, theirs: Written) -> list[str]:
    """What stands in the wrong folder: tests show what the software does, criteria what a study's model does.

    A software that had criteria would be another for each study; a study that had tests, or faults of code,
    would verify the software a second time.
    """
    broken = [
        f"{one['id']}: has a criterion, which is a study's: it belongs into the design/ of the study"
        for one in ours.requirements["requirements"]
        if "acceptance" in one
    ]
    broken += [
        f"{one['id']}: has no criterion: what tests verify is the software's and belongs into its design/"
        for one in theirs.requirements["requirements"]
        if "acceptance" not in one
    ]
    broken += [
        f"{name}: is a fault of predictions, which only a study has: it belongs into its design/"
        for name, fault in ours.faults.items()
        if "predictions" in fault
    ]
    broken += [
        f"{name}: is a fault of code: it belongs into the design/ of the software"
        for name, fault in theirs.faults.items()
        if "predictions" not in fault
    ]
    if "dataset" in ours.requirements:
        broken.append("requirements.yaml of the software names a data set, which is a study's")
    if "of_software" in ours.whole["anomalies"]:
        broken.append("anomalies.yaml of the software has of_software, which is a study's")
    broken += [
        f"{one.folder / name}: nothing reads it there, it belongs into the other design/"
        for one in (ours, theirs)
        for name in APART[one.whose]
        if (one.folder / name).exists()
    ]
    return broken + _leaning(ours, theirs)


def _leaning(ours: Written, theirs: Written) -> list[str]:
    """Where the software names what is a study's: it stands for every study, and rests on none."""
    of_study, broken = set(theirs.ids()) - set(ours.ids()), []
    for one in ours.requirements["requirements"]:
        named = (*one["parents"], *one["risk_controls"])
        broken += [
            f"{one['id']} of the software names {name} of the study" for name in named if name in of_study
        ]
    for one in ours.anomalies():
        broken += [
            f"{one['id']} of the software names {name} of the study"
            for name in one["requirements"]
            if name in of_study
        ]
        if "hazards" in one:
            broken.append(
                f"{one['id']} of the software has hazards, which the study gives it under of_software"
            )
    return broken


def _unweighed(ours: Written, theirs: Written) -> list[str]:
    """Anomalies of which the study does not say what they mean for it."""
    known, weighed = {one["id"] for one in ours.anomalies()}, theirs.whole["anomalies"].get("of_software", {})
    broken = [
        f"{name}: an anomaly of the software; say in the study's anomalies.yaml, under of_software, which "
        f"hazards it bears on"
        for name in sorted(known - weighed.keys())
    ]
    broken += [
        f"of_software names {name}, which is no anomaly of the software"
        for name in sorted(weighed.keys() - known)
    ]
    return broken + [f"{one['id']} names no hazard" for one in theirs.anomalies() if not one.get("hazards")]


def files(folder) -> list[Path]:
    """Every file of a folder, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def software_files(software) -> dict[str, Path]:
    """What the software was designed to be and what came of its tests: path below its folder -> file, sorted.

    Two studies that stand on the same verification have the same files here, byte for byte.
    """
    found = [*files(design_of(software)), *files(verification_of(software))]
    return {path.relative_to(software).as_posix(): path for path in found}


def contradictions(design: Design) -> list[str]:
    """Every name in one file that another file does not know, and what contradicts itself; [] when all
    fit."""
    needs = {need["id"] for need in design.requirements["user_needs"]}
    broken = []
    for one in design.requirements["requirements"]:
        broken += [
            f"{one['id']}: parent {name} is no user need" for name in one["parents"] if name not in needs
        ]
        for name in one["verification"]["negative_controls"]:
            control = design.negative_controls.get(name)
            if control is None:
                broken.append(f"{one['id']}: {name} is not in negative_controls.yaml")
            elif ("predictions" in control) != ("acceptance" in one):
                broken.append(
                    f"{one['id']}: {name} is a fault of "
                    f"{'predictions' if 'predictions' in control else 'code'}, which cannot move it"
                )
    clauses = {row["id"] for standard in design.compliance for row in standard["rows"]}
    broken += [
        f"{one['id']}: clause {name} is in no checklist"
        for one in design.requirements["requirements"]
        for name in one["clauses"]
        if name not in clauses
    ]
    controls_of = {one["id"]: one["risk_controls"] for one in design.requirements["requirements"]}
    hazards, controls = ({one["id"] for one in design.risks[key]} for key in ("hazards", "controls"))
    broken += risks.faults(design.risks, controls_of)
    broken += risks.unknown(
        design.anomalies["anomalies"], {"requirements": set(controls_of), "hazards": hazards}
    )
    broken += pccp.faults(design.pccp, set(controls_of), hazards, controls)
    broken += criteria.unknown(design.requirements, design.dataset_card.get("dataset", {}).get("labels"))
    broken += croissant.card_faults(design.dataset_card)
    return broken + [
        f"{standard['id']}: {fault}"
        for standard in design.compliance
        for fault in compliance.faults(standard)
    ]


def items(design: Design) -> dict[str, dict]:
    """Everything that is reviewed, by id: entries of the lists, and the texts that are reviewed as one."""
    entries = (
        *design.requirements["user_needs"],
        *design.requirements["requirements"],
        *design.negative_controls.values(),
        *design.risks["hazards"],
        *design.risks["controls"],
        *(_as_written(design, one) for one in design.anomalies["anomalies"]),
        *design.pccp["modifications"],
    )
    texts = {name: getattr(design, name) for name in ("intended_use", "statistical_plan", "dataset_card")}
    texts |= {
        "risk_policy": _without(design.risks, *APART_OF_RISKS),
        "pccp": _without(design.pccp, *APART_OF_PCCP),
    }
    if design.weighed:
        texts[WEIGHED] = {"of_software": design.weighed}
    return (
        {one["id"]: one for one in entries}
        | texts
        | {f"compliance_{standard['id']}": standard for standard in design.compliance}
    )


def _as_written(design: Design, anomaly: dict) -> dict:
    """An anomaly without the hazards that a study gives one of the software: those are reviewed there."""
    return _without(anomaly, "hazards") if anomaly["id"] in design.weighed else anomaly


def _without(record: dict, *keys: str) -> dict:
    """What a record says beside the entries that are reviewed one by one."""
    return {key: value for key, value in record.items() if key not in keys}


def outcomes(design: Design, of_software: dict, of_study: dict) -> dict:
    """The record 'negative_control_outcomes' of both.

    Args:
        of_software, of_study: the records beside the software and beside the study.

    Raises:
        StageError: a record has an outcome that is the other's: what a study says of faults of code is not
            believed.
    """
    found = {SOFTWARE: of_software["controls"], STUDY: of_study["controls"]}
    broken = [
        f"{name}: an outcome of the {design.owner(name)}, in the record of the {whose}"
        for whose, controls in found.items()
        for name in sorted(controls)
        if name in design.negative_controls and design.owner(name) != whose
    ]
    if broken:
        raise StageError(
            "outcomes of negative controls stand where they do not belong",
            broken,
            "Run 'make negative-controls', which writes each where it belongs.",
        )
    return {"controls": found[SOFTWARE] | found[STUDY]}
