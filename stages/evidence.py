"""evidence: gathers the records of a run, finds that they agree, traces the requirements to tests and
numbers, and hashes it all.

Reads   the records of every stage that every study has or that the task declares in
        stages/<task>/workflow.yaml, the model, members/, design/ and verification/ of the study (what faults
        of its predictions came to), software/ (what the software must do, and what its tests and faults of
        code came to), the code and the tests
Writes  evidence/, metrics/gates.json
Stops   when records contradict each other or a file beside them, or design controls themselves; not when a
        requirement is missed: that is evidence too
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from radiotrace import errors, records
from radiotrace.errors import StageError
from radiotrace.evidence.bundle import contents, dossier, selection
from radiotrace.evidence.design import (
    baseline,
    controls,
    negative_controls,
    requirements,
    undecided,
    written_for,
)
from radiotrace.evidence.design.controls import SOFTWARE, STUDY
from radiotrace.evidence.pages import release_status
from radiotrace.evidence.trace import matrix, scope, tests
from radiotrace.learning import members
from radiotrace.pipeline import dvcfile, openings, params, runs, stage, study, tasks
from radiotrace.records import jcs

STAGES = ("ingest", "validate", "split")  # of every study; those that the task declares stand behind them
# Records of these that go into the bundle as they are; each is named for its schema, and so is its option.
RECORDS = ("dataset", "findings", "accepted", "split")
# every other file is named for its schema
SCHEMA_OF = {"negative_controls": "negative_control_outcomes", "seeded_faults": "negative_controls"}

WRITE = "Run 'make deps', which writes the commands of dvc.yaml anew, then 'dvc repro'."


@dataclass(frozen=True)
class Given:
    """What the stages left: the files that the task declares, as the command line has them.

    Attributes:
        records: name -> file, of every record that is read.
        provenance: stage -> file, in the order of the stages.
        schema_of: name of a record of the task -> its schema.
        approach: what the model does, as the task says.
        measured: records beside 'metrics' on which a criterion may be.
    """

    records: dict[str, Path]
    provenance: dict[str, Path]
    schema_of: dict[str, str]
    approach: str
    measured: tuple[str, ...]

    def read(self) -> dict[str, dict]:
        """Every record, checked."""
        return {
            name: records.read(path, self.schema_of.get(name, name)) for name, path in self.records.items()
        }


def given(args) -> Given:
    """What the options of the task name; `args` has those that every study has.

    Raises:
        StageError: the task is not that of params.yaml, an option of it is missing, or one is given that it
            does not declare.
    """
    values = params.read(args.params)  # evidence has no parameter of its own; a broken file stops it too
    task = tasks.read(args.task)
    if task.name != values["task"]:
        raise StageError(
            f"--task: found the declaration of {task.name}, expected that of {values['task']}, as "
            f"{args.params} says",
            way_out=WRITE,
        )
    bundled, stages = (*RECORDS, tasks.TRAIN, *task.bundled), (*STAGES, *task.stages)
    wanted = [*task.bundled, *(f"{name}-provenance" for name in task.stages)]
    named, faults = paired(args.of_task, wanted)
    if faults:
        raise StageError(f"options of the task {task.name} do not fit", faults, WRITE)
    named |= {name: getattr(args, name) for name in (*RECORDS, tasks.TRAIN)}
    named |= {f"{name}-provenance": getattr(args, f"{name}_provenance") for name in STAGES}
    return Given(
        {name: Path(named[name]) for name in bundled},
        {name: Path(named[f"{name}-provenance"]) for name in stages},
        dict(task.records),
        task.approach,
        task.measured,
    )


def paired(words: list[str], wanted: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options of the task by their names, and what is wrong with them.

    Args:
        words: of the command line, those that are of no other option.
        wanted: names of the options that the task declares.
    """
    options, faults = {}, []
    for option, value in zip(words[::2], [*words[1::2], ""], strict=False):
        name = option.removeprefix("--")
        if not option.startswith("--") or name not in wanted:
            faults.append(f"{option}: the task declares no such option")
        elif not value or value.startswith("--"):
            faults.append(f"{option}: no file is named")
        options[name] = value
    return options, faults + [f"--{name} is missing" for name in wanted if name not in options]


def main(args):
    left = given(args)
    sources = left.read()
    train, run_id = sources["train"], sources["train"]["run_id"]
    # none of them saw the test part
    runs_beside = members.read(args.members, train, sources["split"], left.schema_of[tasks.TRAIN])
    provenance = [records.read(path, "provenance") for path in left.provenance.values()]
    written = controls.load(args.design, args.software)
    opened = openings.read(f"{args.design}/test_openings.jsonl")
    sources["openings"] = contents.openings(run_id, opened)
    verified = controls.verification_of(args.software)
    tested = records.read(verified / "tests.json", "tests")
    outcomes = controls.outcomes(
        written,
        records.read(verified / "negative_controls.json", "negative_control_outcomes"),
        records.read(f"{args.verification}/negative_controls.json", "negative_control_outcomes"),
    )
    vouched = vouched_for(args, left, runs_beside)
    files = {path: records.sha256(file) for path, file in vouched.items()}
    if broken := contents.contradictions(sources, provenance, files, left.schema_of):
        raise StageError(
            "records of this run contradict each other",
            broken,
            "Something was changed by hand. Run 'dvc checkout', then 'dvc repro'.",
        )

    provenance.append(runs.provenance(__file__, {}, args.requirements, list(vouched.values())))
    acceptance = requirements.acceptance(
        requirements.load(f"{args.design}/requirements.yaml"),
        sources["metrics"] | {name: sources[name] for name in left.measured},
        written.reviews,
        opened,
        contents.test_part(run_id, opened),
    )
    texts = {
        path: Path(path).read_text("utf-8") for path in (args.readme, f"{args.design}/intended_use.yaml")
    }
    known = tests.declared(args.tests)
    repository = args.study.repository
    code = tests.tree(repository, map(study.named, (*args.code, dvcfile.WORKFLOW, args.tests)))
    traced = matrix.matrix(
        written,
        tested,
        outcomes,
        acceptance,
        known,
        scope.stale(tested, code, repository, known),
        texts,
        [
            *(misfits := written_for.misfits(written, sources["dataset"]["dataset"])),
            *undecided.gaps(written),
            *contents.elsewhere(train),
        ],
        baseline.read(written.folders[SOFTWARE], written.folders[STUDY]),
        trivial(written.negative_controls, repository),
    )
    bundle = dossier.Bundle()
    for name, record in {
        **{name: record for name, record in sources.items() if name != tasks.TRAIN},
        "requirements": written.requirements,
        "acceptance": acceptance,
        "run": contents.run_record(train, sources["dataset"], provenance),
        "hyperparameters": contents.hyperparameters(run_id, provenance),
        "epochs": {"run_id": run_id, "epochs": train.get("history", [])},
        **({"imported_run": train} if "contract" in train else {}),
        "checkpoints": selection.record(train, Path(args.weights).read_bytes()),
        "seeded_faults": negative_controls.record(written.negative_controls),
        "tests": tested,
        "negative_controls": outcomes,
        "code": {"run_id": run_id, "files": code},
        "traceability": traced,
    }.items():
        bundle.add(f"{name}.json", record, {**SCHEMA_OF, **left.schema_of}.get(name, name))
    released = Path(args.design) / "released.json"
    dossier.of_people(
        bundle, written, texts, records.read(released, "pccp_baseline") if released.exists() else None
    )
    dossier.of_software(
        bundle,
        written,
        args.requirements,
        [study.named(path) for path in args.tools],
        records.read(written.folders[SOFTWARE] / "wheels.json", "wheels"),
        left.approach,
    )
    dossier.of_standards(bundle, written)
    dossier.of_readers(bundle)
    dossier.of_the_run(bundle, written, Path(args.workflow), vouched, files, Path(args.out).name)
    with stage.output_folder(args.out) as out:
        for name, content in bundle.bytes.items():
            records.write_bytes(out / name, content)
        jcs.write(
            out / "manifest.json",
            contents.manifest(run_id, out, Path(args.out).name, bundle.schema, vouched),
            "manifest",
        )
        records.write_bytes(out / "SHA256SUMS", contents.checksums(out).encode())
        records.write(args.gates, requirements.gates(acceptance, traced), "gates")
    said(args.out, traced, sources["openings"]["n_models"], misfits)


def trivial(controls: dict[str, dict], repository: Path) -> frozenset[str]:
    """The faults under which a file cannot even be read: any test of it fails, whatever it tests."""
    named = {control["file"] for control in controls.values() if "file" in control}
    texts = {file: (repository / file).read_text("utf-8") for file in named if (repository / file).is_file()}
    return frozenset(
        name
        for name, control in controls.items()
        if control.get("file") in texts and negative_controls.breaks(control, texts[control["file"]])
    )


def vouched_for(args, left: Given, runs_beside) -> dict[str, Path]:
    """Every file outside of the bundle whose hash it states: its name in records -> file."""
    return {
        study.named(Path(path).as_posix()): Path(path)
        for path in (
            args.weights,
            args.onnx,
            args.manifest,
            *map(args.study.seen, args.requirements),
            *args.tools,
            args.workflow,
            args.readme,
            *controls.files(args.design),
            *controls.files(args.software),
            f"{args.verification}/negative_controls.json",
            *left.records.values(),
            *left.provenance.values(),
            *args.further,
            *(
                f"{args.members}/{name}/{file}"
                for name in runs_beside
                for file in (members.RECORD, members.WEIGHTS)
            ),
        )
    }


def said(out, traced: dict, n_models: int, misfits: list[dict]) -> None:
    """What a person waiting should know: what is not verified, each with its first reason."""
    rows = traced["requirements"]
    for name, row in rows.items():
        if row["reasons"]:
            more = f" (and {len(row['reasons']) - 1} more)" if len(row["reasons"]) > 1 else ""
            errors.log(f"evidence: {name} is not verified: {row['reasons'][0]}{more}")
    for name, state in list(traced["unreviewed"].items())[:3]:
        errors.log(f"evidence: {name} is {state}: 'python -m radiotrace review' lists all that wait")
    if misfits:
        lines = "".join(f"  {row['item']}  {row['gap']}\n" for row in misfits)
        errors.log(
            f"evidence: design/ was written for another data set, so that the release is blocked: "
            f"{len(misfits)} contradictions\n"
            f"{lines}{written_for.WAY_OUT}"
        )
    errors.log(
        f"evidence: {n_models} model{'s were' if n_models != 1 else ' was'} shown this test part so far"
    )
    errors.log(f"evidence: {release_status.sentence(traced)}")
    errors.log(f"evidence: wrote {out}/")


class Parser(argparse.ArgumentParser):
    """Leaves the options of the task, which its declaration names, to `given`."""

    def parse_args(self, args=None, namespace=None):
        """As ArgumentParser has it; `of_task` has the words that are of no option of every study."""
        known, rest = self.parse_known_args(args, namespace)
        known.of_task = rest
        return known


parser = Parser(
    prog="evidence",
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
    epilog="Beside these: an option for each record that the task declares, and for the provenance of each "
    "of its stages, as dvc.yaml has them.",
)
for option, description in {
    "task": "what the task of the study declares",
    "manifest": "SHA-256 of every raw file",
    "dataset": "record of the data set",
    "findings": "record of findings",
    "accepted": "record of accepted cases",
    "split": "record of the split",
    "train": "record of the training run",
    "weights": "trained weights",
    "members": "folder of other runs, which form an ensemble with this one",
    "onnx": "the model",
    "design": "folder of the study's design controls",
    "verification": "folder of what came of faults of the study's predictions",
    "software": "folder of the software: its design controls, and what came of its tests and faults",
    "tests": "folder of the tests",
    "workflow": "dvc.yaml",
    "readme": "what users are told first",
    "gates": "record of verdicts to write",
}.items():
    parser.add_argument(f"--{option}", required=True, help=description)
for name in STAGES:
    parser.add_argument(f"--{name}-provenance", required=True, help=f"what decided the outputs of {name}")
parser.add_argument("--tools", nargs="+", required=True, help="pins of what tests and clusters need")
parser.add_argument("--code", nargs="+", required=True, help="code that the tests ran on")
parser.add_argument(
    "--further", nargs="+", required=True, help="what else the bundle vouches for: report, pictures"
)
parser.add_argument("--out", required=True, help="folder to write")

if __name__ == "__main__":
    sys.exit(stage.run(main, parser))
