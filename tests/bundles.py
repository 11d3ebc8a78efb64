"""Small bundles of evidence and keys, for the tests of signatures."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from radiotrace import records
from radiotrace.evidence.bundle import contents
from radiotrace.evidence.signing import dsse, keys

RUN_ID = "a" * 64
SLSA = {
    "_type": "https://in-toto.io/Statement/v1",
    "predicateType": "https://slsa.dev/provenance/v1",
    "subject": [{"name": "build/export/model.onnx", "digest": {"sha256": "b" * 64}}],
    "predicate": {
        "buildDefinition": {"buildType": "https://example.org/dvc", "externalParameters": {"seed": 0}},
        "runDetails": {
            "builder": {"id": "https://example.org/builder"},
            "byproducts": [{"name": "metrics/dice.svg"}],
        },
    },
}


def seal(folder):
    """Manifest and sums of a bundle, as the stage evidence writes them last."""
    for name in ("manifest.json", "SHA256SUMS"):
        (folder / name).unlink(missing_ok=True)
    schema_of = {path.name: "run" for path in folder.iterdir()}
    # a file outside, too
    made = contents.manifest(
        RUN_ID, folder, "evidence", schema_of, {"build/cases.json": folder / "cases.json"}
    )
    records.write(folder / "manifest.json", made, "manifest")
    records.write_bytes(folder / "SHA256SUMS", contents.checksums(folder).encode())


def write_bundle(folder):
    """Two records and a provenance, which agree with manifest and sums."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"run_id": 1}\n')
    (folder / "cases.json").write_text('{"cases": []}\n')
    (folder / "provenance.slsa.json").write_bytes(dsse.compact(SLSA))
    seal(folder)
    return folder


def private_key(path):
    """A new key in a file of its owner's alone, and the public part beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.with_suffix(".pub").write_bytes(keys.pem(key.public_key()))
    return key


def flip_byte(evidence):
    """The least that someone can change."""
    content = bytearray((evidence / "run.json").read_bytes())
    content[2] ^= 1
    (evidence / "run.json").write_bytes(content)
