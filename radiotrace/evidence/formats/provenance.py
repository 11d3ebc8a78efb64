"""SLSA provenance of the model: an in-toto Statement v1 that says from which files and parameters it came,
the same for the same run.

BUILD_TYPE names the way of building; its definition:

- The build is `dvc repro` of the workflow (dvc.yaml), in a clone that holds the files of
  resolvedDependencies.
- externalParameters: `workflow`, its file; `pins`, the files of pinned packages; `data`, the list of raw
  files; `params`, stage -> parameters as the stage recorded them. A path is also the `name` of its
  dependency.
- internalParameters: none. Whatever decides bytes (seed, threads, precision, numerics) is an external
  parameter. The kind of processor is in none: with `numerics: native` the bytes may differ on another kind.
- resolvedDependencies: the workflow, the pins, every file of code that a stage imports, and every file that a
  stage read and none made, each by SHA-256. The packages themselves are in sbom.runtime.cdx.json. Left out
  are schemas/, which check records and change none, and the text of params.yaml, whose values are external
  parameters.

BUILDER is whoever ran that command, on a machine of their own. It is no build service: nobody but the builder
vouches for the build, so at most SLSA Build L1 can be claimed, and only by whoever distributes this
statement. Time, host and invocation are left out because the statement is the same for every run of the same
inputs. The manifest of the bundle lists this file, so its hash cannot stand in it: statements.provenance adds
it to the copy that is signed.

Source: in-toto Attestation Framework, Statement v1; SLSA v1.1, Build Provenance v1.
"""

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:x-radiotrace:build-type:dvc-repro:v1"
BUILDER = "urn:x-radiotrace:builder:local:v1"
WORKFLOW, PINS, DATA = "dvc.yaml", "requirements_sha256", "data.sha256"
ONNX, WEIGHTS = "build/export/model.onnx", "build/train/weights.safetensors"


def outputs(workflow: dict) -> dict[str, list[str]]:
    """Stage -> its outputs, sorted: files and folders as dvc.yaml names them.

    Args:
        workflow: dvc.yaml, parsed.
    """
    made = {}
    for name, stage in workflow["stages"].items():
        listed = [out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])]
        made[name] = sorted(next(iter(out)) if isinstance(out, dict) else out for out in listed)
    return made


def is_made(path: str, made: dict[str, list[str]]) -> bool:
    """Whether a path is an output of a stage, or lies in one."""
    return any(path == out or path.startswith(f"{out}/") for outs in made.values() for out in outs)


def hashes(run: dict, *groups: str) -> dict[str, str]:
    """Path -> SHA-256 over all stages of a run, sorted by path.

    Args:
        run: the record 'run'.
        groups: which of 'code', 'inputs' and PINS to take.

    Raises:
        ValueError: two stages saw one path with different bytes; names every path.
    """
    digests_by_path: dict[str, set[str]] = {}
    for stage in run["stages"]:
        for group in groups:
            for path, digest in stage[group].items():
                digests_by_path.setdefault(path, set()).add(digest)
    if ambiguous := sorted(path for path, digests in digests_by_path.items() if len(digests) > 1):
        raise ValueError(f"stages saw different bytes under one path: {', '.join(ambiguous)}")
    return {path: digests.pop() for path, digests in sorted(digests_by_path.items())}


def slsa(run: dict, model: dict, workflow: dict, workflow_sha256: str) -> dict:
    """The statement on the exported model and its weights.

    Args:
        run, model: the records.
        workflow: dvc.yaml, parsed; workflow_sha256: of its bytes.

    Raises:
        ValueError: records are of different runs, or stages saw one path with different bytes.
    """
    if run["run_id"] != model["run_id"]:
        raise ValueError(f"run {run['run_id']} and model of run {model['run_id']}")
    made = outputs(workflow)
    read = {
        path: digest
        for path, digest in hashes(run, "code", "inputs", PINS).items()
        if not is_made(path, made)
    }
    return {
        "_type": STATEMENT,
        "predicateType": PREDICATE,
        "subject": [
            _descriptor(ONNX, model["sha256"], radiotrace_run_id=run["run_id"]),
            _descriptor(WEIGHTS, model["weights_sha256"], radiotrace_run_id=run["run_id"]),
        ],
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "workflow": WORKFLOW,
                    "pins": list(hashes(run, PINS)),
                    "data": DATA,
                    "params": {stage["stage"]: stage["params"] for stage in run["stages"]},
                },
                "resolvedDependencies": _dependencies(
                    {**read, WORKFLOW: workflow_sha256}, run["dataset_root_sha256"]
                ),
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    }


def _dependencies(read: dict[str, str], root_sha256: str) -> list[dict]:
    """A descriptor for each file; the list of raw files also gives the root of the tree over them."""
    annotations = {DATA: {"radiotrace_root_sha256": root_sha256}}
    return [_descriptor(path, digest, **annotations.get(path, {})) for path, digest in sorted(read.items())]


def _descriptor(name: str, sha256: str, **annotations: str) -> dict:
    """A ResourceDescriptor of in-toto."""
    descriptor: dict = {"name": name, "digest": {"sha256": sha256}}
    if annotations:
        descriptor["annotations"] = annotations
    return descriptor
