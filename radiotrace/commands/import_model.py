"""import-model: brings a model that was trained elsewhere into a study, in the place of one that is trained.

Writes  imported/: model.onnx, contract.yaml, source.json; task and train of params.yaml; dvc.yaml
Exit status: 0 it is there and 'dvc repro' admits it; 1 it is refused, and why was said; 2 the command line.
"""

import hashlib
import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from radiotrace import records
from radiotrace.errors import StageError, log
from radiotrace.pipeline import params
from radiotrace.pipeline.study import Study
from radiotrace.records.contract import ModelContract
from radiotrace.records.imported_run import Kind, Source

TASKS = ("segmentation", "imported_segmentation")
FOLDER, MODEL, CONTRACT, SOURCE = "imported", "model.onnx", "contract.yaml", "source.json"
OPSET = 20  # that torch is written in
# What is a pickle, or may be one, or is other code.
PICKLES = {
    ".pt": "torch.save writes a pickle",
    ".pth": "torch.save writes a pickle",
    ".ckpt": "a checkpoint is a pickle",
    ".pkl": "it is a pickle",
    ".pickle": "it is a pickle",
    ".joblib": "it is a pickle",
    ".ts": "TorchScript is code",
}
OTHERS = {
    ".h5": "tf2onnx makes ONNX of it in an environment of its own",
    ".keras": "tf2onnx makes ONNX of it in an environment of its own",
    ".pb": "tf2onnx makes ONNX of it in an environment of its own",
    ".tflite": "tf2onnx makes ONNX of it in an environment of its own",
    ".safetensors": "it has weights and no network; export the network with torch.export or torch.onnx",
}
WAY_OUT = "docs/import-model.md says what is taken, and how each framework writes it."


@dataclass(frozen=True)
class Brought:
    """A model as ONNX, and what it came as.

    Attributes:
        content: of the ONNX file.
        sha256: of what was brought.
        files: path -> SHA-256, of a bundle.
        converter: None where it was ONNX.
    """

    kind: Kind
    content: bytes
    sha256: str
    files: dict[str, str]
    converter: str | None


def import_model(args) -> None:
    """Brings a model that was trained elsewhere into the study: checks it against its contract, tries it
    under limits, and lays out what 'dvc repro' then evaluates, exports and reports."""
    study: Study = args.study
    values = params.read("params.yaml")
    if values["task"] not in TASKS:
        raise StageError(
            f"import-model knows no study of task {values['task']}",
            [
                f"found {values['task']}, expected segmentation: "
                "a model of tables or of whole images has no study yet"
            ],
            WAY_OUT,
        )
    contract_path, source_path = Path(args.contract), Path(args.model)
    contract, told = read_contract(contract_path)
    from radiotrace.inference import foreign_onnx  # here, because the other commands need no ONNX

    if wrong := foreign_onnx.contradictions(contract):
        raise StageError(f"{contract_path} contradicts itself", wrong, f"Correct {contract_path}.")
    brought = as_onnx(source_path, contract)
    looked = foreign_onnx.admitted(brought.content, contract)
    source = Source(
        kind=brought.kind,
        sha256=brought.sha256,
        files=brought.files,
        onnx_sha256=hashlib.sha256(brought.content).hexdigest(),
        contract_sha256=hashlib.sha256(told).hexdigest(),
        converter=brought.converter,
    )
    folder = Path(FOLDER)
    folder.mkdir(exist_ok=True)
    records.write_bytes(folder / MODEL, brought.content)
    records.write_bytes(folder / CONTRACT, told)
    records.write(folder / SOURCE, source.record(), "import_source")
    for line in set_params(Path("params.yaml"), looked.operators, n_levels(brought.content, contract)):
        log(line)
    from radiotrace.evidence.verify import workflow

    records.write_bytes(study.path("workflow"), workflow.written(study).encode())
    print(
        f"{folder}/: {contract.name}, {looked.nodes} nodes, {looked.weights:,} weights, "
        f"opset {looked.opset}; "
        "task and train of params.yaml and dvc.yaml now say that it takes the place of a trained one"
    )
    for line in unknown(contract):
        log(line)
    where = "" if study.place == "." else f" --cd {study.place}"
    print(f"Next: 'dvc{where} add imported', commit, then 'dvc{where} repro'")


def read_contract(path: Path) -> tuple[ModelContract, bytes]:
    """A contract, and the bytes of its file.

    Raises:
        StageError: it is missing, or breaks its schema; names every fault.
    """
    if not path.is_file():
        raise StageError(
            f"{path} is missing: a file of a model does not say what goes in and what comes out",
            way_out="docs/import-model.md has a contract to start from.",
        )
    values = params.load_yaml(path)
    if broken := records.faults(values, "model_contract"):
        raise StageError(f"{path} breaks schemas/model_contract.schema.json", broken, f"Correct {path}.")
    return ModelContract.of(values), path.read_bytes()


def unknown(contract: ModelContract) -> list[str]:
    """What nobody will know of the model, for who brings it."""
    from radiotrace.inference import contracted

    return contracted.unknown(contract)


def as_onnx(path: Path, contract: ModelContract) -> Brought:
    """What was brought, as ONNX.

    Raises:
        StageError: it is of a kind that is not taken, or what it holds is refused.
    """
    from radiotrace.imaging.child import Refused

    if path.is_dir():
        try:
            return of_bundle(path, contract)
        except Refused as refused:
            raise StageError(f"{path}: the bundle is refused", str(refused).split("; "), WAY_OUT) from None
    if not path.is_file():
        raise StageError(
            f"{path} is missing", way_out="Name a .onnx, a .pt2, or the folder of a MONAI bundle."
        )
    ending = path.suffix.lower()
    if ending in PICKLES:
        raise StageError(
            f"{path} is refused: {PICKLES[ending]}, which runs whatever it says when it is read",
            way_out="Export the network with torch.export.save (.pt2) or torch.onnx where it was trained; "
            "or give the folder of a MONAI bundle, whose models/model.pt is read with weights_only=True.",
        )
    if ending in OTHERS:
        raise StageError(f"{path} is not taken as it is: {OTHERS[ending]}", way_out=WAY_OUT)
    if ending not in (".onnx", ".pt2"):
        raise StageError(
            f"{path}: found {ending or 'no ending'}, expected .onnx, .pt2 or a folder", way_out=WAY_OUT
        )
    from radiotrace.inference import foreign_onnx

    if path.stat().st_size > foreign_onnx.FILE_BYTES_MAX:
        raise StageError(
            f"{path}: found {path.stat().st_size} bytes, at most {foreign_onnx.FILE_BYTES_MAX}",
            way_out=WAY_OUT,
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if ending == ".onnx":
        return Brought("onnx", content, digest, {}, None)
    from radiotrace.learning import foreign_torch

    made = _converted(path, foreign_torch.of_pt2, content, foreign_torch.Shape.of(contract), OPSET)
    return Brought("pt2", made, digest, {}, versions())


def of_bundle(folder: Path, contract: ModelContract) -> Brought:
    """The network of a MONAI bundle as ONNX.

    Raises:
        Refused, StageError: as as_onnx.
    """
    from radiotrace.learning import foreign_torch

    found = foreign_torch.bundle(folder)
    said = contract.output
    faults = []
    if found.labels is not None and found.labels != len(said.labels):
        faults.append(
            f"output.labels: found {len(said.labels)}, expected {found.labels}, as "
            "configs/metadata.json has them"
        )
    if found.offsets != (said.logit_offsets and tuple(map(float, said.logit_offsets))):
        faults.append(
            f"output.logit_offsets: found {said.logit_offsets}, expected {found.offsets}, as its "
            "config has them"
        )
    if faults:
        raise StageError(f"{folder} and the contract contradict each other", faults, "Correct the contract.")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(found.files.items())}
    digest = hashlib.sha256(found.weights).hexdigest()
    if found.definition is None:
        return Brought("monai_bundle", found.weights, digest, hashes, None)
    made = _converted(
        folder,
        foreign_torch.of_bundle,
        found.definition,
        found.weights,
        foreign_torch.Shape.of(contract),
        OPSET,
    )
    return Brought("monai_bundle", made, digest, hashes, versions())


def _converted(path: Path, function, *given) -> bytes:
    """ONNX of what a framework wrote, made in a process of its own, under limits."""
    from radiotrace.imaging.child import Child, Limits, Refused
    from radiotrace.learning import foreign_torch

    try:
        with Child(Limits(memory_bytes=16 * 2**30, seconds=600), foreign_torch.ready) as child:
            return child.call(function, *given)
    except Refused as refused:
        raise StageError(f"{path} cannot be made into ONNX", [str(refused)], WAY_OUT) from None


def versions() -> str:
    """What made ONNX of it."""
    return ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("torch", "onnxscript", "monai")
    )


TRAIN = """train:
  # The model was made elsewhere: 'python -m radiotrace import-model' brought it, and the stage admits it.
  network: imported
  # native: every instruction of the processor. portable: capped at AVX2, slower.
  numerics: {numerics}
  # It computes in what its file has.
  precision: fp32
  # Processor threads.
  threads: {threads}

"""


def n_levels(content: bytes, contract: ModelContract) -> int:
    """How many levels the network has that Grad-CAM may ask for; 0 where no map can be made of it."""
    from radiotrace.inference import adapted, contracted
    from radiotrace.learning import admission

    names = [name for name in contract.output.labels if name != "background"]
    labels = {str(number): name for number, name in enumerate(["background", *names])}
    if contract.output.activation != "sigmoid":
        labels = {str(number): name for number, name in enumerate(contract.output.labels)}
    own = adapted.adapted(content, contract, labels)
    found, _ = admission.levels(admission.with_graph(own), contracted.recipe(contract), contract)
    return 0 if "explain" in admission.not_possible(own, contract, found) else len(found)


def with_imported(text: str, operators: Iterable[str], levels: int) -> tuple[str, list[str]]:
    """params.yaml, where its model is an imported one; all else stays as it stands.

    Args:
        text: of a params.yaml that holds.
        operators: of the file.
        levels: of `n_levels`.

    Returns:
        The text, and what was changed beside task and train, a line each.
    """
    values = YAML(typ="safe", pure=True).load(text)
    old = values["train"]
    section = TRAIN.format(numerics=old["numerics"], threads=old["threads"])
    text = re.sub(r"(?ms)^train:.*?(?=^\S|\Z)", lambda match: section, text, count=1)
    text = re.sub(r"(?m)^task:.*$", "task: imported_segmentation", text, count=1)
    told = []
    if values["evaluate"]["dropout_passes"]:
        text = _set(text, "evaluate", "dropout_passes", "0")
        told.append("evaluate.dropout_passes is 0 now: the file has no dropout that could be switched on")
    if values["report"]["uncertainty"] == "dropout":
        text = _set(text, "report", "uncertainty", "prediction")
        told.append("report.uncertainty is prediction now, which was dropout")
    if levels and values["explain"]["level"] >= levels:
        text = _set(text, "explain", "level", str(levels - 1))
        told.append(f"explain.level is {levels - 1} now, the lowest of its {levels} levels")
    variants = values["optimize"]["variants"]
    if any(name.startswith("ai.onnx.ml") for name in operators):
        kept = [name for name in variants if name == "onnx_fp16"]
        if kept != variants:
            text = _set(text, "optimize", "variants", f"[{', '.join(kept or ['onnx_fp16'])}]")
            told.append(
                "optimize.variants is onnx_fp16 now: OpenVINO and NNCF have no operators of ai.onnx.ml"
            )
    return text, told


def _set(text: str, section: str, key: str, value: str) -> str:
    """A value of a section, put in its place."""
    pattern = rf"(?ms)^({section}:.*?\n +{key}:) *[^\n]*(\n +- [^\n]*)*"
    return re.sub(pattern, lambda match: f"{match[1]} {value}", text, count=1)


def set_params(path: Path, operators: Iterable[str], levels: int) -> list[str]:
    """Lets params.yaml say that the model is an imported one; what else was changed in it, a line each.

    Raises:
        StageError: it is written in a way in which that cannot be said; it stays as it is.
    """
    text, told = with_imported(path.read_text("utf-8"), operators, levels)
    if broken := params.faults(YAML(typ="safe", pure=True).load(text)):
        raise StageError(
            f"{path} cannot be rewritten",
            broken,
            "Write each section as a block, as the drafts of 'python -m radiotrace new' have it.",
        )
    records.write_bytes(path, text.encode())
    return told


def options(parser) -> None:
    """The options of the command."""
    parser.add_argument("model", metavar="MODEL", help="FILE.onnx, FILE.pt2, or the folder of a MONAI bundle")
    parser.add_argument(
        "--contract", required=True, help="what goes in and what comes out; docs/import-model.md"
    )
