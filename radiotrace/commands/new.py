"""new: lays out a study of own data in studies/NAME/, and says what a person must still decide.

Parameters begin as those of a study of the same task, or as the task has them in stages/<task>/params.yaml;
lists of hazards and planned changes begin as those of the first study; what is of people and data is drafted
with the words TO DECIDE, or a stand-in for a date or an address, each of which blocks a release.
"""

import csv
import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from radiotrace import records
from radiotrace.commands import of_task, own_data
from radiotrace.commands.own_data import HIDDEN
from radiotrace.errors import StageError
from radiotrace.evidence.design import criteria, undecided
from radiotrace.evidence.verify import workflow
from radiotrace.pipeline import params, splits, stage, tasks
from radiotrace.pipeline.study import NAME, STUDIES, Study, every
from radiotrace.pipeline.tasks import Task
from radiotrace.records.sections.split import Fractions

if TYPE_CHECKING:
    from radiotrace.imaging.formats import Dataset

DRAFTS = Path(__file__).with_name("drafts")
DRAFTED = ("intended_use", "dataset_card", "requirements", "statistical_plan")
IGNORED = "/data\n/build/\n/.checkpoints/\n/dvc_plots/\n/execution/\n*.partial\n"
LEDGERS = ("test_openings.jsonl", "reviews.jsonl", "timings.jsonl")
KNOWN_MODALITIES = ("MRI", "CT")
EDGE_STEP = 8  # voxels, of the first study's network
PICTURE_EDGES_MAX = {"patch_voxels": 160, "window_voxels": 512}
INPUT_PIXELS_MIN, INPUT_PIXELS_MAX = 28, 128
SUBJECTS = "cases.csv"
SUBJECTS_DRAFT = "cases.draft.csv"
TO_DECIDE = undecided.TO_DECIDE
# Shares of train, validation and test that few subjects may need, so that each part has some of them.
SHARES_OF_FEW = (Fractions(0.6, 0.2, 0.2), Fractions(0.5, 0.25, 0.25), Fractions(0.4, 0.3, 0.3))


@dataclass(frozen=True)
class Draft:
    """What the texts of a study say of its data.

    Attributes:
        name: of the data set, which every file of design/ repeats.
        organs: names of the labels, without the background.
        task: that is learnt.
        picture_voxels: along x and y, of the first image where it has one slice; None for volumes.
        subjects: of its cases, sorted.
        has_parts: whether the data set itself gives each case a part.
    """

    name: str
    organs: tuple[str, ...]
    task: Task
    picture_voxels: tuple[int, int] | None = None
    subjects: tuple[str, ...] = ()
    has_parts: bool = False

    @property
    def topic(self) -> str:
        """What ids of the task have in their middle: three letters of the last word of its name, such as SEG
        of imported_segmentation."""
        return self.task.name.rpartition("_")[2][:3].upper()

    @property
    def criteria(self) -> list[str]:
        """Ids of the requirements that are drafted, one for each label."""
        return [f"SRS-{self.topic}-{number}" for number in range(1, len(self.organs) + 1)]

    @property
    def faults(self) -> dict[str, str]:
        """Id of a fault of predictions in the first study -> its id here, of each that such a criterion must
        notice: in label maps of one label none are swapped; a class is swapped with that of label 0."""
        swapped = {"NC-SEG-1": f"NC-{self.topic}-1"}
        is_swapped = len(self.organs) > 1 or self.task.target == "class"
        return {**(swapped if is_swapped else {}), "NC-SEG-2": f"NC-{self.topic}-2"}


def new(args) -> None:
    """Lays out a study of own data in studies/NAME/."""
    repository = Path.cwd()
    if args.study.up or not (repository / "stages").is_dir():
        raise StageError(
            "no study was made: this is not the root of the repository",
            way_out="Start it there, without --study.",
        )
    first, study = Study(repository), Study(repository, f"{STUDIES}/{args.name}")
    faults = refused(args, study)
    data = own_data.looked_at(args) if Path(args.data).is_dir() else None
    faults += data.faults if data is not None else ()
    if faults or data is None:
        raise StageError("no study was made", faults, "Correct this, and run it again.")
    from radiotrace.imaging import formats  # here, because the other commands need no image library

    task = tasks.declared(args.task)

    def declaration(folder: Path) -> "Dataset":
        if own_data.is_of_rows(args.task):
            return of_task.reading(task).read_declaration(folder)
        return formats.read_declaration(folder)

    if data.listing is None and not declaration(data.root).identity["name"]:
        raise StageError(
            f"no study was made: {args.data}/dataset.json has no name",
            way_out="Give the data set a name there: whatever is written for these data repeats it.",
        )
    with stage.output_folder(study.folder) as folder:
        cleaned = data.lay_out(folder / "data")
        declared = declaration(folder / "data")
        is_drafted = not (folder / "data" / SUBJECTS).is_file()
        if is_drafted and not (folder / "data" / SUBJECTS_DRAFT).is_file():
            records.write_bytes(folder / "data" / SUBJECTS_DRAFT, drafted_subjects(declared))
        lay_out(first, study, declared, folder, task)
    records.write_bytes(study.path("workflow"), workflow.written(study).encode())
    few = own_data.few(subjects_of(study.path("data"), declared))
    print("\n".join([*data.said(), *cleaned, *said(study, declared, is_drafted), *few]))


def refused(args, study: Study) -> list[str]:
    """Why no study can be made; [] where one can."""
    faults = []
    if not NAME.fullmatch(args.name):
        faults.append(f"NAME: found {args.name!a}, expected small letters, digits, '_' and '-'")
    elif study.folder.exists() or study.folder.is_symlink():
        is_whole = study.path("workflow").is_file()
        half = "" if is_whole else "; it has no dvc.yaml: take it away where nothing of it is yours"
        faults.append(f"{study.place}/ is there already{half}")
    if (study.repository / STUDIES).is_symlink():
        faults.append(f"{STUDIES} is a link, expected a folder")
    if args.task not in tasks.known():
        faults.append(f"--task: found {args.task}, expected one of {', '.join(tasks.known())}")
    elif beginning(args.task, study.repository) is None:
        faults.append(f"--task: no study here is of {args.task}, and there is no {parameters_of(args.task)}")
    if not Path(args.data).is_dir():
        faults.append(f"--data: {args.data} is no folder")
    elif study.folder.is_relative_to(Path(args.data).resolve()):
        faults.append(f"--data: {args.data} holds {STUDIES}/, where the study would be")
    else:
        faults += not_files(Path(args.data))
    return faults


def not_files(data: Path) -> list[str]:
    """What lies in a folder of data and cannot be copied into a study: links, which may lead anywhere, what
    is neither file nor folder, and what this user may not read."""
    faults = []
    for folder, folders, files in os.walk(data, onerror=lambda error: faults.append(f"--data: {error}")):
        hidden = HIDDEN(folder, [*folders, *files])
        folders[:] = sorted(set(folders) - hidden)
        for path in (Path(folder) / name for name in sorted({*folders, *files} - hidden)):
            if path.is_symlink():
                faults.append(f"--data: {path} is a link, expected a file; copy what it leads to")
            elif not (path.is_dir() or path.is_file()):
                faults.append(f"--data: {path} is neither file nor folder")
            elif not os.access(path, os.R_OK):
                faults.append(f"--data: {path} cannot be read by this user")
    return faults


def parameters_of(task: str) -> str:
    """Where a task has the parameters that its first study begins with."""
    return f"stages/{task}/params.yaml"


def beginning(task: str, repository: Path) -> Path | None:
    """The params.yaml that a study of a task begins with: of a study of that task, or of the task itself.

    None where there is neither.
    """
    own = repository / parameters_of(task)
    paths = [*(study.path("params") for study in every(repository)), own]
    return next((path for path in paths if path.is_file() and _task_of(path) == task), None)


def _task_of(path: Path) -> str | None:
    """The task that a params.yaml names; None where it is no mapping, which its own study will say."""
    values = params.load_yaml(path)
    return values.get("task") if isinstance(values, dict) else None


def drafted_subjects(declared: "Dataset") -> bytes:
    """cases.csv in which every case is of a subject of its own, which a person must look at."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("case_id", "subject_id"))
    writer.writerows((case.case_id, case.case_id) for case in declared.cases)
    return text.getvalue().encode()


def subjects_of(data: Path, declared: "Dataset") -> tuple[str, ...]:
    """The subjects of the cases, sorted, as cases.csv has them; each case is one where that is not there, or
    is broken, which ingest will say."""
    from radiotrace.imaging import tables  # here, because the other commands need no image library

    path = data / SUBJECTS
    table = tables.read(path.read_bytes(), SUBJECTS, []) if path.is_file() else None
    subject_of = table.subject_of if table is not None else {}
    return tuple(sorted({subject_of.get(case.case_id, case.case_id) for case in declared.cases}))


def faults_of_subjects(data: Path) -> list[str]:
    """What is wrong with a cases.csv that came along; ingest refuses it."""
    from radiotrace.imaging import tables  # here, because the other commands need no image library

    faults: list[str] = []
    path = data / SUBJECTS
    if path.is_file():
        tables.read(path.read_bytes(), SUBJECTS, faults)
    return faults


def shares(subjects: tuple[str, ...], usual: Fractions, seed: int) -> Fractions:
    """The shares of the parts: the usual ones, or the first of SHARES_OF_FEW where these would leave a part
    without subjects; the usual ones again where each of them would, which split will say."""
    for fractions in (usual, *SHARES_OF_FEW):
        if len({*splits.assign_parts(list(subjects), fractions, seed).values()}) == len(splits.PARTS):
            return fractions
    return usual


def lay_out(first: Study, study: Study, declared: "Dataset", folder: Path, task: Task) -> None:
    """Writes everything but data/ and the deps of dvc.yaml.

    Args:
        first: from whose files lists, and the head of the pipeline, are taken.
        folder: to write into; it becomes that of the study.
    """
    organs = tuple(name for value, name in declared.labels.items() if value != "0")
    data = folder / "data"
    draft = Draft(
        declared.identity["name"],
        organs,
        task,
        None if task.target == "row" else picture_voxels(data, declared),
        subjects_of(data, declared),
        any(column.role == "part" for column in declared.columns.values()),
    )
    start = beginning(task.name, first.repository)
    if start is None:
        raise ValueError(f"nothing to begin a study of {task.name} with, which `refused` says")
    values = values_of(draft, study, declared, params.read(start)["validate"])
    design = folder / "design"
    design.mkdir()
    for name in LEDGERS:
        (design / name).touch()
    for name in DRAFTED:
        records.write_bytes(design / f"{name}.yaml", rendered(f"{name}.yaml", values))
    changes = {
        "anomalies": of_anomalies,
        "negative_controls": of_controls,
        "pccp": of_pccp,
        "risks": of_risks,
    }
    for name, change in changes.items():
        adapted(first.folder / f"design/{name}.yaml", design / f"{name}.yaml", change, draft)
    for path in sorted((first.repository / f"stages/{task.name}/compliance").glob("*.yaml")):
        records.write_bytes(design / "compliance" / path.name, path.read_bytes())
    unseen = {"controls": {}}
    records.write(folder / "verification/negative_controls.json", unseen, "negative_control_outcomes")
    records.write_bytes(folder / "README.md", rendered("README.md", values))
    records.write_bytes(folder / ".gitignore", IGNORED.encode())
    (folder / "members").mkdir()
    shutil.copyfile(first.path("members") / "README.md", folder / "members/README.md")
    adapted(start, folder / "params.yaml", of_params, draft)
    head = first.path("workflow").read_text("utf-8").partition("stages:\n")[0]
    records.write_bytes(folder / "dvc.yaml", f"{head}stages:\n".encode())


def picture_voxels(data: Path, declared: "Dataset") -> tuple[int, int] | None:
    """Along x and y, of the first image where it has one slice; None where it has several, or cannot be read,
    which ingest will say."""
    # here, because the other commands need no image library
    from radiotrace.imaging.content import VolumeError
    from radiotrace.imaging.layouts import reading

    try:
        size = reading.size_of_volume(data / declared.cases[0].images[0])
    except VolumeError:
        return None
    if len(size) != 3 or size[2] != 1:
        return None
    return size[0], size[1]


def values_of(draft: Draft, study: Study, declared: "Dataset", limits: dict) -> dict:
    """What the drafts take.

    Args:
        limits: the section validate of params.yaml.
    """
    modality = declared.identity["modality"]
    if len(declared.channels) > 1:
        modalities = {channel.modality for channel in declared.channels}
        modality = modalities.pop() if len(modalities) == 1 else None
    is_timed = any(one.role == "target" and one.kind == "number" for one in declared.columns.values())
    return {
        "place": study.place,
        "dataset": quoted(draft.name),
        "name": draft.name,
        "licence": quoted(declared.identity["licence"]),
        "modality": quoted(modality if modality in KNOWN_MODALITIES else "other"),
        "modality_said": quoted(declared.identity["modality"]),
        "channels": len(declared.channels),
        "labels": json.dumps(declared.labels, ensure_ascii=False),
        "names": ", ".join(declared.labels.values()),
        "criteria": list(zip(draft.criteria, draft.organs, strict=True)),
        "faults": list(draft.faults.values()),
        "criterion": draft.task.criterion,
        "method": {
            label: criteria.ways(draft.task.name, draft.task.criterion.metric(label))[-1 if is_timed else 0]
            for label in draft.organs
        },
        "texts": draft.task.texts,
        "limits": limits,
        "facts": facts(),
        "stand_ins": undecided.STAND_INS,
    }


def facts() -> list[str]:
    """What the card of a data set must say, or say that nobody knows."""
    return records.schema("dataset_card")["properties"]["facts"]["required"]


def quoted(value) -> str:
    """A value as YAML takes it on one line."""
    return json.dumps(value, ensure_ascii=False)


def rendered(name: str, values: dict) -> bytes:
    """A draft with its values."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML
    )
    environment.filters["quoted"] = quoted
    return environment.from_string((DRAFTS / name).read_text("utf-8")).render(values).encode()


def adapted(source: Path, target: Path, change, draft: Draft) -> None:
    """A file of the first study with its comments, changed for another one."""
    yaml, text = YAML(), io.StringIO()
    yaml.width = 4096
    yaml.preserve_quotes = True
    content = yaml.load(source.read_text("utf-8"))
    change(content, draft)
    yaml.dump(content, text)
    records.write_bytes(target, text.getvalue().encode())


def of_params(content: dict, draft: Draft) -> None:
    """No case is left out yet, no fold is held out, no column is named, pictures go through the network a
    slice at a time, each part has subjects where there are few, and nothing is said of labels and licence,
    or leaves the house, that a person has not said."""
    if draft.picture_voxels is not None:
        for key in sorted(PICTURE_EDGES_MAX.keys() & content["train"].keys()):  # of a task that cuts patches
            edges = [_edge(edge, PICTURE_EDGES_MAX[key]) for edge in draft.picture_voxels]
            content["train"][key][:] = [*edges, 1]
        if "input_pixels" in content["train"]:  # of a task that takes pictures whole
            content["train"]["input_pixels"][:] = [
                min(max(edge, INPUT_PIXELS_MIN), INPUT_PIXELS_MAX) for edge in draft.picture_voxels
            ]
    if draft.has_parts:
        content["split"]["scheme"] = "given"
    if "golden_cases" in content.get("export", {}):  # of a task that has them
        content["export"].update(licence=None, golden_cases=0)
        _empty(content["export"], "labels")
    if "pictures_in_chart" in content.get("explain", {}):  # of a task whose chart of maps may show them
        content["explain"]["pictures_in_chart"] = True
    content["validate"]["exclude"] = []
    _empty(content["ingest"], "bands")
    if "held_out_by" in content["train"]:  # of a task of tables: columns and times are those of other data
        content["train"]["held_out_by"][:] = []
        content["train"]["horizon"] = None
    content["split"]["fold"] = None
    content["split"]["parts_seed"] = None
    usual = Fractions.of(content["split"]["fractions"])
    content["split"]["fractions"].update(shares(draft.subjects, usual, content["seed"]).record())


def _empty(section: CommentedMap, key: str) -> None:
    """Empties a mapping, and keeps the comment on what stands after it: YAML has it at the last line of the
    mapping."""
    last, name = section, key
    while isinstance(last[name], CommentedMap) and last[name]:
        last, name = last[name], list(last[name])[-1]
    section[key] = CommentedMap()
    if last is not section and name in last.ca.items:
        section.ca.items[key] = last.ca.items[name]


def _edge(voxels: int, edge_max: int) -> int:
    """The edge of a patch or a window for a picture: what the first study's network takes, see
    train.patch_voxels."""
    rounded = -(-voxels // EDGE_STEP) * EDGE_STEP
    return min(max(rounded, 3 * EDGE_STEP), edge_max)


def of_risks(content: dict, draft: Draft) -> None:
    """The hazards of the first study, each of which a person must estimate for these data."""
    content["dataset"] = draft.name
    for hazard in content["hazards"]:
        hazard["basis"] = f"{TO_DECIDE} for these data; in the example: {hazard['basis']}"
    content["overall_residual_risk"]["judgement"] = f"{TO_DECIDE}: whether what is left is acceptable."


def of_pccp(content: dict, draft: Draft) -> None:
    """The planned changes of the first study, without requirements that are its own."""
    content["dataset"] = draft.name
    content["scope"] = f"{TO_DECIDE}: which changes are planned; below are those of the example."
    for modification in content["modifications"]:
        limits = modification["acceptance"]
        of_software = [name for name in limits["requirements"] if name not in limits["margins"]]
        limits["requirements"] = [*draft.criteria, *of_software]
        limits["margins"] = dict.fromkeys(draft.criteria, 0)


def of_anomalies(content: dict, draft: Draft) -> None:
    """No anomaly of its own; those of the software bear on the hazards on which they bear in the example."""
    content["anomalies"] = []


def of_controls(content: dict, draft: Draft) -> None:
    """The faults of predictions that such a criterion must notice."""
    rows = [row for row in content["negative_controls"] if row["id"] in draft.faults]
    for row in rows:
        row["id"] = draft.faults[row["id"]]
    content["negative_controls"] = rows


def said(study: Study, declared: "Dataset", is_drafted: bool) -> list[str]:
    """What was made and what is next, for a terminal."""
    place = study.place
    lines = [
        f"{place}/: {len(declared.cases)} cases, labels {', '.join(declared.labels.values())}",
        "",
        "Next:",
    ]
    if is_drafted:
        lines += [
            f"  1. {place}/data/{SUBJECTS_DRAFT} takes every case for a person of its own.",
            f"     Correct it: images of one person have one subject_id. Then name it {SUBJECTS}.",
        ]
    else:
        lines.append(
            f"  1. {place}/data/{SUBJECTS} came along: look whether it says which images are of one person"
        )
    lines += [f"     {fault}" for fault in faults_of_subjects(study.path("data"))]
    return [
        *lines,
        f"  2. make manifest STUDY={place}    accepts the files as they are",
        f"  3. {place}/design/requirements.yaml: decide what a model must reach, before it is tested;",
        f"     'python -m radiotrace --study {place} review ITEM' says that you have",
        *said_of_parameters(place, declared),
        f"  5. make run STUDY={place}    every stage; {place}/params.yaml explains what may be turned",
        f"  6. grep -rn '{TO_DECIDE}' {place}/design    each blocks the release until somebody decides it",
    ]


def said_of_parameters(place: str, declared: "Dataset") -> list[str]:
    """Where they come from: of label maps 'plan' makes them."""
    if all(path.endswith(".csv") for case in declared.cases for path in case.images):
        return [
            f"  4. {place}/params.yaml: train.horizon, the time by which the risk is told, if there is one"
        ]
    has_target = any(column.role == "target" for column in declared.columns.values())
    if has_target and all(case.label_map is not None for case in declared.cases):
        return [
            f"  4. {place}/params.yaml: train.patch_voxels and train.window_voxels, which must hold the",
            "     largest image whole, hazard.time and hazard.event, and what else is to differ",
        ]
    if has_target:
        return [
            f"  4. {place}/params.yaml: the size of what the network sees, and what else differs from what "
            "it begins with"
        ]
    return [
        f"  4. (cd {place} && dvc repro split) && python -m radiotrace --study {place} plan --write",
        "     parameters for these images in place of the example's, each with its reason",
    ]


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("name", metavar="NAME", help="of the study: small letters, digits, '_' and '-'")
    parser.add_argument("--task", default="segmentation", help="what is learnt; default: %(default)s")
    parser.add_argument(
        "--data",
        required=True,
        metavar="FOLDER",
        help="with dataset.json, which is copied; or of another layout (docs/data.md), which is converted",
    )
    own_data.options(parser)
