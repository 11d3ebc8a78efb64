"""The dossier: what the bundle holds beside the records of the stages, made in the order in which one stands
on another.

people's design -> traceability -> risks, plan of changes -> bills of materials, data set -> model card ->
checklists of standards -> pages for people -> provenance -> index -> crate
"""

import hashlib
import json
from pathlib import Path

from radiotrace import errors, records
from radiotrace.evidence.design import compliance, pccp, risks, soup
from radiotrace.evidence.design.controls import SOFTWARE, Design
from radiotrace.evidence.formats import (
    attestations,
    crate,
    croissant,
    distributions,
    mlbom,
    model_card,
    provenance,
    sbom,
    vex,
)
from radiotrace.evidence.pages import documents
from radiotrace.pipeline import params, pins
from radiotrace.records import jcs, measure_table


class Bundle:
    """The files of the bundle in the making: name -> bytes, SHA-256, schema (None where we have none), and
    of records the content."""

    def __init__(self):
        self.bytes, self.digests, self.schema, self.content = {}, {}, {}, {}

    def add(self, name: str, record: dict, schema: str | None) -> dict:
        """Adds a record, or a document in a format of others.

        Raises:
            ValueError: the record breaks its schema.
        """
        content = jcs.dumps(record)
        if schema and (broken := records.faults(json.loads(content), schema)):
            raise ValueError(f"{name} breaks schemas/{schema}.schema.json: " + "; ".join(broken))
        self.content[name] = record
        self._add(name, content, schema)
        return record

    def add_page(self, name: str, text: str) -> None:
        """Adds a page for people."""
        self._add(name, text.encode(), None)

    def _add(self, name: str, content: bytes, schema: str | None) -> None:
        self.bytes[name], self.schema[name] = content, schema
        self.digests[name] = hashlib.sha256(content).hexdigest()


def of_people(bundle: Bundle, written: Design, texts: dict[str, str], released: dict | None) -> None:
    """Adds what follows from the design controls: intended use, plan, risks, anomalies and changes.

    Args:
        written: of controls.load.
        texts: path -> text, of the files that inform users.
        released: the record 'pccp_baseline' of the released run; None where nothing was released.
    """
    have, run_id = bundle.content, bundle.content["run.json"]["run_id"]
    for name in ("intended_use", "statistical_plan", "anomalies", "dataset_card"):
        bundle.add(f"{name}.json", getattr(written, name), name)
    status = have["traceability.json"]["requirements"]
    bundle.add(
        "risks.json",
        risks.report(written.risks, written.requirements, status, run_id=run_id, texts=texts),
        "risk_report",
    )
    now = bundle.add(
        "pccp_baseline.json",
        pccp.baseline(
            have["run.json"],
            have["dataset.json"],
            have["split.json"],
            have["model.json"],
            have["acceptance.json"],
        ),
        "pccp_baseline",
    )
    bundle.add("pccp.json", pccp.within_plan(written.pccp, released, now, status), "pccp_report")


def of_software(
    bundle: Bundle,
    written: Design,
    runtime_files: list[str],
    tool_files: list[str],
    wheels: dict,
    approach: str,
) -> None:
    """Adds the bills of materials of software and model, and what is known of vulnerabilities.

    Args:
        runtime_files, tool_files: files of pins of what runs the product, and of what builds and tests it;
            relative to the root of the code.
        wheels: the record 'wheels'.
        approach: what the model does, as its task says.

    Raises:
        StageError: the environment is not the one that the bill lists.
    """
    of_runtime, of_tools = _pinned(runtime_files), _pinned(tool_files)
    listed = soup.load(written.folders[SOFTWARE] / "soup.yaml", of_runtime | of_tools)
    product = {"name": "radiotrace", "version": written.intended_use["version"]}
    installed = distributions.installed([name for versions in of_runtime.values() for name in versions])
    runtime = bundle.add(
        "sbom.runtime.cdx.json",
        sbom.runtime(of_runtime, installed, listed, wheels, product),
        None,
    )
    if drift := sbom.drift(runtime, installed):
        raise errors.StageError(
            "the bill of materials is not of this environment",
            drift,
            "Run 'make install', or pin what is missing.",
        )
    build = bundle.add(
        "sbom.build.cdx.json",
        sbom.build(of_tools, listed, wheels, product),
        None,
    )
    have = bundle.content
    bundle.add("soup.json", soup.record(listed, runtime, build), "soup_list")
    bundle.add(
        "mlbom.cdx.json",
        mlbom.mlbom(
            mlbom.RunRecords(
                model=have["model.json"],
                dataset=have["dataset.json"],
                metrics=have["metrics.json"],
                split=have["split.json"],
            ),
            runtime,
            written.intended_use,
            approach,
        ),
        None,
    )
    bundle.add("vex.json", vex.vex(runtime), None)


def _pinned(files: list[str]) -> dict[str, dict[str, str]]:
    """File of pins -> name -> version, of the files that pin anything themselves."""
    versions_by_file = {file: distributions.pinned(pins.of(pins.home() / file)) for file in files}
    return {file: versions for file, versions in versions_by_file.items() if versions}


def of_standards(bundle: Bundle, written: Design) -> None:
    """Adds the data set's card for machines, the model card, and the checklists of standards, each row
    held against the files so far."""
    have = bundle.content
    bundle.add(
        "dataset.croissant.json",
        croissant.croissant(have["dataset.json"], have["split.json"], written.dataset_card),
        None,
    )
    bundle.add("model_card.json", model_card.card(written.intended_use, have, bundle.digests), "model_card")
    reports = [
        bundle.add(
            f"compliance_{standard['id']}.json",
            compliance.report(standard, have, bundle.digests),
            "compliance_report",
        )
        for standard in written.compliance
    ]
    bundle.add(
        "attestations.cdx.json",
        attestations.document(
            reports, run_id=have["run.json"]["run_id"], model_sha256=have["model.json"]["sha256"]
        ),
        None,
    )


def of_readers(bundle: Bundle) -> None:
    """Adds the pages for people, which say what the records say."""
    for name, text in documents.render(bundle.content).items():
        bundle.add_page(name, text)


def of_the_run(
    bundle: Bundle,
    written: Design,
    workflow: Path,
    vouched: dict[str, Path],
    digests: dict[str, str],
    folder: str,
) -> None:
    """Adds how it all came about: provenance, crate, and the index of the bundle.

    Args:
        workflow: dvc.yaml.
        vouched: path -> file, of what lies outside of the bundle; digests: path -> SHA-256.
        folder: what the bundle's folder is called.
    """
    have, described = bundle.content, params.load_yaml(workflow)
    bundle.add(
        "provenance.slsa.json",
        provenance.slsa(have["run.json"], have["model.json"], described, records.sha256(workflow)),
        None,
    )
    bundle.add("index.json", index(bundle), "index")
    rows = [
        {"path": f"{folder}/{name}", "sha256": digest, "bytes": len(bundle.bytes[name])}
        for name, digest in bundle.digests.items()
    ]
    rows += [
        {"path": f"{folder}/{name}", "sha256": None, "bytes": None}
        for name in ("manifest.json", "SHA256SUMS")
    ]
    rows += [
        {"path": path, "sha256": digests[path], "bytes": file.stat().st_size}
        for path, file in vouched.items()
    ]
    bundle.add(
        "ro-crate-metadata.json",
        crate.crate(
            have["run.json"],
            described,
            rows,
            written.dataset_card,
            written.intended_use["release_date"],
        ),
        None,
    )


POINTERS = {
    "release_blocked": ("traceability.json", "/release_blocked"),
    "requirements": ("traceability.json", "/requirements"),
    "gaps": ("traceability.json", "/gaps"),
    "criteria": ("acceptance.json", "/results"),
    "risks": ("risks.json", "/hazards"),
    "risk_controls": ("risks.json", "/controls"),
    "anomalies": ("anomalies.json", "/anomalies"),
    "soup": ("soup.json", "/soup"),
    "tests": ("tests.json", "/tests"),
    "negative_controls": ("negative_controls.json", "/controls"),
    "openings": ("openings.json", "/openings"),
    "model_sha256": ("model.json", "/sha256"),
    "tensors_sha256": ("checkpoints.json", "/tensors/sha256"),
    "within_plan": ("pccp.json", "/within_plan"),
    "stages": ("run.json", "/stages"),
    "cases": ("cases.json", "/cases"),
    "parts": ("split.json", "/cases"),
}


def index(bundle: Bundle) -> dict:
    """The record 'index': the one file that another tool must know.

    Names of files with their schemas, and where the usual questions are answered, the measure of the task
    that stands first among them.

    Raises:
        ValueError: a pointer leads nowhere.
    """
    leading = measure_table.leading(bundle.content["metrics.json"]).name
    pointers = {**POINTERS, leading: ("metrics.json", f"/{leading}")}
    for name, (file, pointer) in pointers.items():
        try:
            compliance.resolve(bundle.content[file], pointer)
        except (KeyError, LookupError):
            raise ValueError(f"index: {name} leads nowhere: {file}#{pointer}") from None
    return {
        "run_id": bundle.content["run.json"]["run_id"],
        "files": {
            name: {"schema": bundle.schema[name], "sha256": digest} for name, digest in bundle.digests.items()
        },
        "pointers": {name: {"file": file, "pointer": pointer} for name, (file, pointer) in pointers.items()},
        "later": ["manifest.json", "SHA256SUMS", "ro-crate-metadata.json"],
    }
