"""Design controls: everything that people wrote of the software and of one study, read, checked against the
schemas and across files and folders, and put together.

software/design/ has what holds of the software, whatever study uses it; the design/ of a study has what is
its own. Each is read from its own folder, and nothing here knows where a study lies. An item is where its
file is, and counts as reviewed by the ledger of that folder alone.
"""

from collections import Counter
from collections.abc import Iterable
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
    of_software, of_study = _read(design_of(software), SOFTWARE), _read(Path(study), STUDY)
    design = _together(of_software, of_study, software)
    twice = _twice(of_software.ids(), of_study.ids())
    broken = [*_misplaced(of_software, of_study), *twice.values(), *_unweighed(of_software, of_study)]
    broken += [line for line in contradictions(design) if line.removesuffix(" stands twice") not in twice]
    if broken:
        raise StageError(
            f"files of {of_software.folder}/ and {of_study.folder}/ do not fit together",
            broken,
            "Correct the file that names what is not there, or move what stands in the wrong folder.",
        )
    return design


def _read(folder: Path, whose: str) -> Written:
    names = OF_SOFTWARE if whose == SOFTWARE else OF_STUDY
    checklists = sorted((folder / "compliance").glob("*.yaml"))
    return Written(
        whose=whose,
        folder=folder,
        requirements=requirements.load(folder / "requirements.yaml"),
        faults=negative_controls.load(folder / "negative_controls.yaml"),
        ledger=reviews.read(folder / LEDGER),
        compliance=[_checked(path, "compliance") for path in checklists],
        whole={name: _checked(folder / f"{name}.yaml", name) for name in names},
    )


def _together(of_software: Written, of_study: Written, software_folder) -> Design:
    """The software's and the study's as one."""
    required = dict(of_study.requirements)
    for key in ("user_needs", "requirements"):
        required[key] = of_software.requirements[key] + of_study.requirements[key]
    retired = [*of_software.requirements.get("retired", ()), *of_study.requirements.get("retired", ())]
    if retired:
        required["retired"] = retired
    weighed = of_study.whole["anomalies"].get("of_software", {})
    anomalies = [anomaly | {"hazards": weighed.get(anomaly["id"], [])} for anomaly in of_software.anomalies()]
    digests = {path: records.sha256(file) for path, file in software_files(software_folder).items()}
    return Design(
        folders={SOFTWARE: of_software.folder, STUDY: of_study.folder},
        requirements=required,
        negative_controls=of_software.faults | of_study.faults,
        reviews=_counting(of_software, of_study),
        intended_use=of_study.whole["intended_use"],
        statistical_plan=of_study.whole["statistical_plan"],
        risks=of_study.whole["risks"] | {"controls": of_software.controls() + of_study.controls()},
        pccp=of_study.whole["pccp"],
        anomalies={
            "schema": of_study.whole["anomalies"]["schema"],
            "anomalies": anomalies + of_study.anomalies(),
        },
        dataset_card=of_study.whole["dataset_card"],
        compliance=of_software.compliance + of_study.compliance,
        weighed=weighed,
        of_software=frozenset(of_software.ids()),
        software_sha256=merkle.root(digests),
    )


def _counting(of_software: Written, of_study: Written) -> list[dict]:
    """The lines of both ledgers but those on an item of the other folder: a study cannot review for the
    software, nor the software for a study."""
    software_ids, study_ids = set(of_software.ids()), set(of_study.ids())
    lines = [line for line in of_software.ledger if line["item"] not in study_ids]
    return lines + [line for line in of_study.ledger if line["item"] not in software_ids]


def design_of(software) -> Path:
    """The design controls of a folder of the software."""
    return Path(software) / "design"


def verification_of(software) -> Path:
    """What came of the tests, and of the faults of code, of a folder of the software."""
    return Path(software) / "verification"


def _checked(path: Path, schema: str) -> dict:
    record = params.load_yaml(path)
    if broken := records.faults(record, schema):
        raise StageError(f"{path} breaks schemas/{schema}.schema.json", broken, f"Correct {path}.")
    return record


def _twice(software_ids: list[str], study_ids: list[str]) -> dict[str, str]:
    """Id that stands twice -> where: one item would be reviewed, or traced, by the name of the other."""
    times, shared = Counter(software_ids + study_ids), set(software_ids) & set(study_ids)
    faults = {}
    for name in sorted(name for name in times if times[name] > 1):
        folders = ", of the software and of the study" if name in shared else ""
        faults[name] = f"{name} stands twice{folders}"
    return faults


def _misplaced(of_software: Written, of_study: Written) -> list[str]:
    """What stands in the wrong folder: tests show what the software does, criteria what a study's model does.

    A software that had criteria would be another for each study; a study that had tests, or faults of code,
    would verify the software a second time.
    """
    broken = [
        f"{requirement['id']}: has a criterion, which is a study's: it belongs into the design/ of the study"
        for requirement in of_software.requirements["requirements"]
        if "acceptance" in requirement
    ]
    broken += [
        f"{requirement['id']}: has no criterion: what tests verify is the software's and belongs into its "
        "design/"
        for requirement in of_study.requirements["requirements"]
        if "acceptance" not in requirement
    ]
    broken += [
        f"{name}: is a fault of predictions, which only a study has: it belongs into its design/"
        for name, fault in of_software.faults.items()
        if "predictions" in fault
    ]
    broken += [
        f"{name}: is a fault of code: it belongs into the design/ of the software"
        for name, fault in of_study.faults.items()
        if "predictions" not in fault
    ]
    if "dataset" in of_software.requirements:
        broken.append("requirements.yaml of the software names a data set, which is a study's")
    if "of_software" in of_software.whole["anomalies"]:
        broken.append("anomalies.yaml of the software has of_software, which is a study's")
    for written in (of_software, of_study):
        misplaced = [written.folder / name for name in APART[written.whose]]
        broken += [
            f"{path}: nothing reads it there, it belongs into the other design/"
            for path in misplaced
            if path.exists()
        ]
    return broken + _leaning(of_software, of_study)


def _leaning(of_software: Written, of_study: Written) -> list[str]:
    """Where the software names what is a study's: it stands for every study, and rests on none."""
    study_ids, broken = set(of_study.ids()) - set(of_software.ids()), []
    for requirement in of_software.requirements["requirements"]:
        named = (*requirement["parents"], *requirement["risk_controls"])
        broken += _names_of_study(requirement["id"], named, study_ids)
    for anomaly in of_software.anomalies():
        name = anomaly["id"]
        broken += _names_of_study(name, anomaly["requirements"], study_ids)
        if "hazards" in anomaly:
            broken.append(f"{name} of the software has hazards, which the study gives it under of_software")
    return broken


def _names_of_study(item_id: str, named: Iterable[str], study_ids: set[str]) -> list[str]:
    return [f"{item_id} of the software names {name} of the study" for name in named if name in study_ids]


def _unweighed(of_software: Written, of_study: Written) -> list[str]:
    """Anomalies of which the study does not say what they mean for it."""
    known = {anomaly["id"] for anomaly in of_software.anomalies()}
    weighed = of_study.whole["anomalies"].get("of_software", {})
    broken = [
        f"{name}: an anomaly of the software; say in the study's anomalies.yaml, under of_software, which "
        f"hazards it bears on"
        for name in sorted(known - weighed.keys())
    ]
    broken += [
        f"of_software names {name}, which is no anomaly of the software"
        for name in sorted(weighed.keys() - known)
    ]
    without = [anomaly["id"] for anomaly in of_study.anomalies() if not anomaly.get("hazards")]
    return broken + [f"{name} names no hazard" for name in without]


def files(folder) -> list[Path]:
    """Every file of a folder, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def software_files(software) -> dict[str, Path]:
    """What the software was designed to be and what came of its tests: path below its folder -> file, sorted.

    Two studies that stand on the same verification have the same files here, byte for byte.
    """
    paths = [*files(design_of(software)), *files(verification_of(software))]
    return {path.relative_to(software).as_posix(): path for path in paths}


def contradictions(design: Design) -> list[str]:
    """Every name in one file that another file does not know, and what contradicts itself; [] when all
    fit."""
    required = design.requirements["requirements"]
    needs = {need["id"] for need in design.requirements["user_needs"]}
    clauses = {row["id"] for standard in design.compliance for row in standard["rows"]}
    hazards = {hazard["id"] for hazard in design.risks["hazards"]}
    controls = {control["id"] for control in design.risks["controls"]}
    controls_of = {requirement["id"]: requirement["risk_controls"] for requirement in required}
    broken = []
    for requirement in required:
        parents = [name for name in requirement["parents"] if name not in needs]
        broken += [f"{requirement['id']}: parent {name} is no user need" for name in parents]
        broken += _misfits_of_controls(requirement, design.negative_controls)
    for requirement in required:
        unknown = [name for name in requirement["clauses"] if name not in clauses]
        broken += [f"{requirement['id']}: clause {name} is in no checklist" for name in unknown]
    known = {"requirements": set(controls_of), "hazards": hazards}
    broken += risks.faults(design.risks, controls_of)
    broken += risks.unknown(design.anomalies["anomalies"], known)
    broken += pccp.faults(design.pccp, set(controls_of), hazards, controls)
    labels = design.dataset_card.get("dataset", {}).get("labels")
    broken += criteria.unknown(design.requirements, labels, None)
    broken += croissant.card_faults(design.dataset_card)
    for standard in design.compliance:
        broken += [f"{standard['id']}: {fault}" for fault in compliance.faults(standard)]
    return broken


def _misfits_of_controls(requirement: dict, negative_controls: dict[str, dict]) -> list[str]:
    """Negative controls of a requirement that there are not, or that cannot move what verifies it."""
    broken = []
    for name in requirement["verification"]["negative_controls"]:
        control = negative_controls.get(name)
        if control is None:
            broken.append(f"{requirement['id']}: {name} is not in negative_controls.yaml")
        elif ("predictions" in control) != ("acceptance" in requirement):
            kind = "predictions" if "predictions" in control else "code"
            broken.append(f"{requirement['id']}: {name} is a fault of {kind}, which cannot move it")
    return broken


def items(design: Design) -> dict[str, dict]:
    """Everything that is reviewed, by id: entries of the lists, and texts that are reviewed as a whole."""
    entries = (
        *design.requirements["user_needs"],
        *design.requirements["requirements"],
        *design.negative_controls.values(),
        *design.risks["hazards"],
        *design.risks["controls"],
        *(_as_written(design, anomaly) for anomaly in design.anomalies["anomalies"]),
        *design.pccp["modifications"],
    )
    by_id = {entry["id"]: entry for entry in entries}
    by_id |= {name: getattr(design, name) for name in ("intended_use", "statistical_plan", "dataset_card")}
    by_id["risk_policy"] = _without(design.risks, *APART_OF_RISKS)
    by_id["pccp"] = _without(design.pccp, *APART_OF_PCCP)
    if design.weighed:
        by_id[WEIGHED] = {"of_software": design.weighed}
    return by_id | {f"compliance_{standard['id']}": standard for standard in design.compliance}


def _as_written(design: Design, anomaly: dict) -> dict:
    """An anomaly without the hazards that a study gives one of the software: those are reviewed there."""
    return _without(anomaly, "hazards") if anomaly["id"] in design.weighed else anomaly


def _without(record: dict, *keys: str) -> dict:
    """A record without these keys, whose entries are reviewed one by one."""
    return {key: value for key, value in record.items() if key not in keys}


def outcomes(design: Design, of_software: dict, of_study: dict) -> dict:
    """The record 'negative_control_outcomes' of both.

    Args:
        of_software, of_study: the records beside the software and beside the study.

    Raises:
        StageError: a record has an outcome that is the other's: what a study says of faults of code is not
            believed.
    """
    broken = []
    for whose, outcomes_of_one in ((SOFTWARE, of_software["controls"]), (STUDY, of_study["controls"])):
        broken += [
            f"{name}: an outcome of the {design.owner(name)}, in the record of the {whose}"
            for name in sorted(outcomes_of_one)
            if name in design.negative_controls and design.owner(name) != whose
        ]
    if broken:
        raise StageError(
            "outcomes of negative controls stand where they do not belong",
            broken,
            "Run 'make negative-controls', which writes each where it belongs.",
        )
    return {"controls": of_software["controls"] | of_study["controls"]}
