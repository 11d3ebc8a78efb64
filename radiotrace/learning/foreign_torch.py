"""Files of torch from elsewhere, as ONNX: a program that torch.export saved, and a MONAI bundle.

Both are converted in a process of their own. Neither is loaded as it lies there. A .pt2 is an archive whose
weights may be pickles, which torch.export.load reads with weights_only=False, and whose program has
expressions that it evaluates: it is rewritten first, so that only tensors, operators of aten and sums of
symbols are left. Of a bundle configs are read as data, and weights with weights_only.
"""

import io
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radiotrace.imaging.child import Refused
from radiotrace.records.contract import ModelContract

ARCHIVE_BYTES_MAX = 500 * 2**20
MEMBERS_MAX = 20_000
# A target of a call: an operator of aten, or arithmetic of sizes.
TARGET = re.compile(
    r"torch\.ops\.aten\.[a-z0-9_]+\.[A-Za-z0-9_]+|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|ge|le|gt|lt"
    r"|eq|ne|getitem)|torch\.sym_(int|float|max|min|not)|math\.(ceil|floor|trunc)"
)
# An expression of sizes: names and numbers of sympy, without a point, a bracket or an underscore twice.
WORD = re.compile(r"[A-Za-z_]\w*")
WORDS = frozenset(
    [
        "Add",
        "Mul",
        "Pow",
        "Integer",
        "Rational",
        "Symbol",
        "Max",
        "Min",
        "Mod",
        "FloorDiv",
        "CleanDiv",
        "CeilToInt",
        "FloorToInt",
        "PythonMod",
        "True",
        "False",
        "positive",
        "integer",
        "nonnegative",
        "Eq",
        "Ne",
        "Ge",
        "Le",
        "Gt",
        "Lt",
        "GreaterThan",
        "LessThan",
        "StrictGreaterThan",
        "StrictLessThan",
        "int_oo",
        "oo",
        "NegativeOne",
        "One",
        "Zero",
        "Half",
    ]
)
SYMBOL = re.compile(r"[su]\d+")
EXPRESSION = re.compile(r"[A-Za-z0-9_ ,()'=+\-*/<>]*")
# Networks of MONAI that a bundle may name; each is built of literals alone.
NETWORKS = ("UNet", "BasicUNet", "DynUNet", "SegResNet", "AttentionUnet", "VNet")
METADATA, WEIGHTS, ONNX = "configs/metadata.json", "models/model.pt", "models/model.onnx"
CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
STATE_KEYS = ("state_dict", "model", "model_state_dict")  # under which training scripts keep the weights


@dataclass(frozen=True)
class Shape:
    """What a network is exported for.

    Attributes:
        channels: of its image.
        edges: smallest edges, as its arrays have them.
        multiples: of them; None where each is fixed.
    """

    channels: int
    edges: tuple[int, ...]
    multiples: tuple[int, ...] | None

    @classmethod
    def of(cls, contract: ModelContract) -> "Shape":
        taken = contract.input
        multiple = taken.multiple if isinstance(taken.multiple, tuple) else (taken.multiple,) * 3
        edge_of = dict(zip("xyz", zip(taken.patch_voxels, multiple, strict=True), strict=True))
        movable = taken.patch_voxels != taken.window_voxels
        return cls(
            len(taken.channels),
            tuple(edge_of[axis][0] for axis in taken.axes),
            tuple(edge_of[axis][1] for axis in taken.axes) if movable else None,
        )


def ready() -> None:
    """What the process of a conversion imports first."""
    import monai.networks.nets  # noqa: F401
    import onnxscript  # noqa: F401
    import torch

    torch.set_num_threads(1)


def sanitised(content: bytes, shape: Shape) -> bytes:
    """A .pt2 that holds nothing but tensors and a graph of operators of aten.

    Raises:
        Refused: it holds anything else, which is named.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX or sum(one.file_size for one in members) > ARCHIVE_BYTES_MAX:
                raise Refused(f"the archive has more than {MEMBERS_MAX} files or {ARCHIVE_BYTES_MAX} bytes")
            files = {one.filename: archive.read(one) for one in members if not one.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Refused(f"no archive of torch.export.save: {error}") from None
    tops = {name.split("/")[0] for name in files}
    programs = [name for name in files if re.fullmatch(r"[^/]+/models/[^/]+\.json", name)]
    if len(tops) != 1 or len(programs) != 1:
        raise Refused(f"found {len(programs)} programs, expected one, of torch.export.save")
    [top] = tops
    [program] = programs
    name = program.split("/")[-1].removesuffix(".json")
    kept = {f"{top}/archive_format", f"{top}/archive_version", f"{top}/byteorder", f"{top}/.data/version"}
    result = {path: files[path] for path in kept & files.keys()}
    for kind in ("weights", "constants"):
        config = f"{top}/data/{kind}/{name}_{kind}_config.json"
        if config in files:
            result[config] = files[config]
            result |= _tensors(files, config, f"{top}/data/{kind}")
    result[f"{top}/data/sample_inputs/{name}.pt"] = _samples(shape)  # theirs may be a pickle
    result[program] = json.dumps(_checked_program(_json(files[program], program))).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(result):
            archive.writestr(zipfile.ZipInfo(path), result[path])
    return written.getvalue()


def _samples(shape: Shape) -> bytes:
    """What a program was traced with, as loading asks for it."""
    import torch

    written = io.BytesIO()
    torch.save(((torch.zeros(2, shape.channels, *shape.edges),), {}), written)
    return written.getvalue()


def _json(content: bytes, path: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Refused(f"{path} is no JSON") from None


def _tensors(files: Mapping[str, bytes], config: str, folder: str) -> dict[str, bytes]:
    """The files of tensors that a config names; a pickle is refused."""
    found = {}
    described = _json(files[config], config)
    entries = described.get("config") if isinstance(described, dict) else None
    if not isinstance(entries, dict):
        raise Refused(f"{config} does not say which tensors there are")
    for name, entry in entries.items():
        path = entry.get("path_name") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise Refused(f"{name} is a pickle, which is code that runs when it is read; save plain tensors")
        if not isinstance(path, str) or not re.fullmatch(r"(weight|tensor)_\d+", path):
            raise Refused(f"{name} is no tensor")
        if f"{folder}/{path}" not in files:
            raise Refused(f"the tensor {name} is missing")
        found[f"{folder}/{path}"] = files[f"{folder}/{path}"]
    return found


def _checked_program(program: Any) -> Any:
    """A program without what is evaluated or imported by name, but for operators of aten and sizes."""
    if not isinstance(program, dict) or "graph_module" not in program:
        raise Refused("the program has no graph_module")
    _check(program["graph_module"])
    # of a multiple of a symbol torch 2.13 reads a range and then refuses it; that of the symbol says the same
    ranges = program.get("range_constraints")
    if isinstance(ranges, dict):
        program["range_constraints"] = {name: one for name, one in ranges.items() if SYMBOL.fullmatch(name)}
    program["guards_code"] = []  # lines of Python, which loading would run
    return program


def _check(part: Any) -> None:
    """Looks at each part of a graph, at any depth; metadata, which say where code lay, are emptied."""
    if isinstance(part, list):
        for item in part:
            _check(item)
    if not isinstance(part, dict):
        return
    for key, value in part.items():
        if key == "target" and not (isinstance(value, str) and TARGET.fullmatch(value)):
            raise Refused(f"the program calls {str(value)[:80]}, which is no operator of aten")
        if key in ("expr_str", "sympy_expr") and isinstance(value, str):
            _check_expression(value)
        if key in ("as_graph", "as_custom_obj", "as_operator") and value:
            raise Refused(f"the program has {key.removeprefix('as_')}, which is not taken")
        if key == "metadata" and isinstance(value, dict):
            part[key] = {}
            continue
        _check(value)


def _check_expression(text: str) -> None:
    unknown = [word for word in WORD.findall(text) if word not in WORDS and not SYMBOL.fullmatch(word)]
    if not EXPRESSION.fullmatch(text) or unknown or len(text) > 2000:
        raise Refused(f"the program has the expression {text[:80]!r}, which is not evaluated here")


def of_pt2(content: bytes, shape: Shape, opset: int) -> bytes:
    """A .pt2 as ONNX, in the process that it is called in.

    Raises:
        Refused: it holds what is not read.
    """
    safe = sanitised(content, shape)
    import torch

    with _silent():
        program: Any = torch.export.load(io.BytesIO(safe))
        exported: Any = torch.onnx.export(
            program, dynamo=True, opset_version=opset, external_data=False, verbose=False
        )
    return _plain(exported.model_proto)


@contextmanager
def _silent():
    """Without warnings: they are about torchvision, which is not here, and about torch's own internals."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        yield


def _plain(model: Any) -> bytes:
    """The bytes of a model, without what says where it was made."""
    from radiotrace.learning.onnx_model import stripped

    return stripped(model).SerializeToString(deterministic=True)


def of_bundle(definition: dict[str, Any], weights: bytes, shape: Shape, opset: int) -> bytes:
    """A network of MONAI with the weights of a bundle as ONNX, in the process that it is called in.

    Args:
        definition: of `network_of`.
        weights: content of models/model.pt.

    Raises:
        Refused: it is no plain dict of tensors, or these are of another network.
    """
    import monai.networks.nets as nets
    import torch

    try:
        loaded = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - of pickle, zip and torch
        raise Refused(
            f"{WEIGHTS} is no file of plain tensors ({type(error).__name__}): a pickle is code that runs "
            "when it is read, and is never read here without weights_only"
        ) from None
    tensors = _state(loaded)
    name, arguments = definition["_target_"].split(".")[-1], dict(definition)
    del arguments["_target_"]
    try:
        network = getattr(nets, name)(**arguments)
        network.load_state_dict(tensors)
    except Exception as error:  # noqa: BLE001 - whatever MONAI says of arguments that do not fit
        raise Refused(f"{name} with these arguments and weights: {str(error)[:300]}") from None
    return of_network(network, shape, opset)


def of_network(network: Any, shape: Shape, opset: int) -> bytes:
    """A network of torch as ONNX, with free samples, and free edges where the shape says so."""
    import torch

    edges = shape.edges
    free: dict[int, Any] = {0: torch.export.Dim("n", min=1)}
    if shape.multiples is not None:
        for place, step in enumerate(shape.multiples):
            if edges[place] > 1:
                free[2 + place] = step * torch.export.Dim(f"d{place}", min=1)
        # edges that differ: torch would take equal ones for one and the same
        edges = tuple(
            edge if edge == 1 else step * (-(-edge // step) + place)
            for place, (edge, step) in enumerate(zip(edges, shape.multiples, strict=True))
        )
    with _silent():
        exported: Any = torch.onnx.export(
            network.eval(),
            (torch.zeros(2, shape.channels, *edges),),
            dynamo=True,
            opset_version=opset,
            external_data=False,
            verbose=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=(free,),
        )
    return _plain(exported.model_proto)


def _state(loaded: Any) -> dict[str, Any]:
    """The tensors of a checkpoint, by name."""
    import torch

    for key in STATE_KEYS:
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise Refused(f"{WEIGHTS} is no dict of tensors")
    return loaded


@dataclass(frozen=True)
class Bundle:
    """What is read of a bundle.

    Attributes:
        definition: of its network; None where it has ONNX.
        weights: content of models/model.pt, or of models/model.onnx.
        files: path -> content of what was read.
        offsets: of logits, which its config adds; None where there are none.
        labels: number of channels that its metadata say it gives; None where they do not.
    """

    definition: dict[str, Any] | None
    weights: bytes
    files: dict[str, bytes]
    offsets: tuple[float, ...] | None
    labels: int | None


def bundle(folder: Path) -> Bundle:
    """A bundle, its configs read as data; nothing of it is evaluated.

    Raises:
        Refused: with every fault, a line each.
    """
    from radiotrace.errors import StageError
    from radiotrace.pipeline.params import load_yaml

    configs = [name for name in CONFIGS if (folder / name).is_file()]
    if not (folder / METADATA).is_file():
        raise Refused(f"{METADATA} is missing: no MONAI bundle")
    files = {METADATA: (folder / METADATA).read_bytes()}
    metadata = _json(files[METADATA], METADATA)
    labels = _channels_given(metadata)
    config: Any = {}
    if configs:
        files[configs[0]] = (folder / configs[0]).read_bytes()
        try:
            is_json = configs[0].endswith(".json")
            config = _json(files[configs[0]], configs[0]) if is_json else load_yaml(folder / configs[0])
        except StageError as error:
            raise Refused(str(error)) from None
    config = config if isinstance(config, dict) else {}
    offsets = config.get("logit_offsets")
    if not isinstance(offsets, list) or not any(offsets):
        offsets = None
    if offsets is not None and not all(isinstance(value, (int, float)) for value in offsets):
        raise Refused("logit_offsets: expected numbers")
    given = None if offsets is None else tuple(map(float, offsets))
    if (folder / ONNX).is_file():
        files[ONNX] = (folder / ONNX).read_bytes()
        return Bundle(None, files[ONNX], files, given, labels)
    if not (folder / WEIGHTS).is_file():
        said = (
            "; models/model.ts is TorchScript, which is code and is never read"
            if (folder / "models/model.ts").is_file()
            else ""
        )
        raise Refused(f"neither {ONNX} nor {WEIGHTS} is there{said}")
    definition = network_of(config)
    if (folder / WEIGHTS).stat().st_size > ARCHIVE_BYTES_MAX:
        raise Refused(f"{WEIGHTS} has more than {ARCHIVE_BYTES_MAX} bytes")
    files[WEIGHTS] = (folder / WEIGHTS).read_bytes()
    return Bundle(definition, files[WEIGHTS], files, given, labels)


def _channels_given(metadata: Any) -> int | None:
    try:
        found = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    except (KeyError, TypeError):
        return None
    return len(found) if isinstance(found, dict) else None


def network_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """network_def of a config: a class of NETWORKS and literals.

    Raises:
        Refused: it is anything else; names every fault.
    """
    definition = config.get("network_def", config.get("network"))
    if not isinstance(definition, dict) or not isinstance(definition.get("_target_"), str):
        raise Refused("network_def: found none with a _target_ in configs/inference.json or .yaml")
    target, faults = definition["_target_"], []
    *package, name = target.split(".")
    if name not in NETWORKS or ".".join(package) not in ("", "monai.networks.nets"):
        faults.append(f"network_def: found {target[:80]}, expected one of {', '.join(NETWORKS)} of MONAI")
    for key, value in definition.items():
        if key.startswith("_") and key not in ("_target_", "_desc_"):
            faults.append(f"network_def: {key} is not taken")
        elif key != "_target_":
            faults += [f"network_def: {key}: {fault}" for fault in _not_literal(value)]
    if faults:
        raise Refused("; ".join(faults))
    return {key: value for key, value in definition.items() if key != "_desc_"}


def _not_literal(value: Any) -> list[str]:
    if isinstance(value, str) and ("$" in value or "@" in value or "%" in value):
        return [f"found {value[:60]!r}, an expression or a reference; expected a literal"]
    if isinstance(value, dict):
        if "_target_" in value:
            return [f"found {str(value['_target_'])[:60]}, which would be called; expected a literal"]
        return [fault for item in value.values() for fault in _not_literal(item)]
    if isinstance(value, list):
        return [fault for item in value for fault in _not_literal(item)]
    return [] if value is None or isinstance(value, (str, int, float, bool)) else ["expected a literal"]
