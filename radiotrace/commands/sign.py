"""sign: signatures over the evidence, with a key that is not in the repository."""

import hashlib
import os
import platform
import re
import subprocess
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

from radiotrace import records
from radiotrace.commands.of_study import from_root, with_study
from radiotrace.commands.verify import printable
from radiotrace.errors import StageError
from radiotrace.evidence.signing import dsse, keys, oms, signatures, statements

MEANINGS = ("authored", "reviewed", "approved")


def sign(args) -> None:
    """Signs evidence/, or a review of it, with the EC P-256 key that RADIOTRACE_SIGNING_KEY names."""
    if args.new_test_key:
        public_key = keys.create(args.new_test_key)
        print(
            f"{args.new_test_key}: key {keys.fingerprint(public_key)[: keys.SHORT]}\n"
            f"Next: export {keys.VARIABLE}={args.new_test_key} && "
            + with_study("python -m radiotrace sign --test-key", args.study.place)
        )
        return
    key = keys.private(os.environ.get(keys.VARIABLE))
    files = _intact(args.evidence)
    if not args.review:
        records.write(Path(args.project) / "execution/execution.json", execution(args), "execution")
    written = _review(args, key) if args.review else _signatures(args, key, files)
    _publish(key.public_key(), args.keys, args.test_key)
    for path, content in written.items():
        if content is None:
            path.unlink(missing_ok=True)
        else:
            records.write_bytes(path, dsse.compact(content) + b"\n")
    findings = signatures.verify(args.signatures, args.evidence, keys.known(args.keys), args.project)
    print(
        "\n".join(map(printable, signatures.lines(findings)))
    )  # a name in an earlier review may be of anybody
    written_to = [from_root(name, args.study) for name in (args.signatures, args.keys)]
    print(
        f"Commit {written_to[0]}/ and {written_to[1]}/. Give people the fingerprint by another way: "
        f"{keys.fingerprint(key.public_key())}"
    )


def execution(args) -> dict:
    """The record 'execution': what varies, and so stands in no record of the bundle; the signature covers
    it."""

    def git(*words):
        done = subprocess.run(["git", *words], cwd=args.project, capture_output=True, text=True, check=False)
        return done.stdout.strip() if not done.returncode else None

    changed = git("status", "--porcelain")
    return {
        "manifest_sha256": records.sha256(Path(args.evidence) / statements.MANIFEST),
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_files": None if changed is None else len(changed.splitlines()),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "platform": platform.platform(),
        "processor_cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def options(parser) -> None:
    """The command's arguments."""
    for name, default, what in (
        ("evidence", "evidence", "folder to sign"),
        ("signatures", "signatures", "folder to write"),
        ("keys", "keys", "folder of public keys"),
        ("project", ".", "folder in which dvc.lock and execution/ are"),
    ):
        parser.add_argument(f"--{name}", default=default, help=f"{what}; default: {default}")
    parser.add_argument(
        "--test-key", action="store_true", help="mark the key as one of tests, which verify shows"
    )
    parser.add_argument(
        "--new-test-key",
        metavar="FILE",
        help="make a private key in a new file outside of every repository; sign nothing",
    )
    parser.add_argument(
        "--review", action="store_true", help="sign who stands for this evidence, instead of its files"
    )
    parser.add_argument("--name", help="with --review: printed name of who signs")
    parser.add_argument("--meaning", choices=MEANINGS, help="with --review: what the signature means")
    parser.add_argument("--time", help="with --review: date and time with offset, ISO 8601; default: now")


def _intact(evidence) -> dict[str, str]:
    """The files of a bundle that fits its own sums and manifest: nobody signs what is broken."""
    files, faults = oms.listing(evidence)
    tops = {name.split("/")[0] for name in files}
    faults += [f"{name}: other OMS verifiers would leave it out" for name in sorted(tops & set(oms.IGNORED))]
    faults += statements.misfits(evidence, files)
    if faults:
        raise StageError(
            f"{evidence}/ does not fit its own {statements.SUMS} and {statements.MANIFEST}; "
            f"nothing was signed",
            faults,
            "Run 'git status' and 'dvc checkout', or 'dvc repro' to make it again.",
        )
    return files


def _signatures(args, key, files) -> dict[Path, dict | None]:
    """What to write over the files; None for a signature of what is no more."""
    if args.name or args.meaning or args.time:
        raise StageError(
            "--name, --meaning and --time are of a review", way_out="Add --review, or leave them out."
        )
    evidence, folder = Path(args.evidence), Path(args.signatures)
    bundle = oms.sign(evidence.resolve().name, files, key)
    if statements.SLSA_FILE not in files:
        print(
            f"{evidence}/{statements.SLSA_FILE} is missing: no {folder}/{signatures.PROVENANCE}, so "
            f"nothing of execution/ is signed"
        )
        return {folder / signatures.OMS: bundle, folder / signatures.PROVENANCE: None}
    byproducts = statements.byproducts(args.project)
    try:
        statement = statements.provenance(
            dsse.parse((evidence / statements.SLSA_FILE).read_bytes()), files[statements.MANIFEST], byproducts
        )
    except dsse.Refused as refused:
        raise StageError(
            f"{evidence}/{statements.SLSA_FILE} cannot be signed",
            refused.faults,
            "Run 'dvc repro' to make it again.",
        ) from None
    envelope = dsse.seal(dsse.compact(statement), oms.PAYLOAD_TYPE, key, keys.fingerprint(key.public_key()))
    return {folder / signatures.OMS: bundle, folder / signatures.PROVENANCE: envelope}


def _review(args, key) -> dict[Path, dict]:
    """The review to write. One of the same person and meaning takes the place of the last; git has that."""
    faults = [
        f"--{option}: found nothing, expected a value"
        for option in ("name", "meaning")
        if not getattr(args, option)
    ]
    time_utc = _utc(args.time, faults)
    record = statements.review(
        args.name, args.meaning, time_utc or "", (Path(args.evidence) / statements.MANIFEST).read_bytes()
    )
    faults = faults or [dsse.brief(line) for line in records.faults(record, "review_statement")]
    if faults:
        raise StageError(
            "the review cannot be signed",
            faults,
            "Say: --review --name 'Jane Doe' --meaning approved --time 2026-01-31T12:00+01:00",
        )
    envelope = dsse.seal(
        dsse.compact(record), statements.REVIEW_TYPE, key, keys.fingerprint(key.public_key())
    )
    return {
        Path(args.signatures) / signatures.REVIEWS / f"{slug(args.name)}-{args.meaning}.dsse.json": envelope
    }


def slug(name: str) -> str:
    """A name as part of a file name: what ASCII has of it, and a hash, since names differ in more than
    that."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(
        [*re.findall(r"[a-z0-9]+", ascii_name[:40]), hashlib.sha256(name.encode()).hexdigest()[:8]]
    )


def _utc(time: str | None, faults: list[str]) -> str | None:
    try:
        when = datetime.now(UTC) if time is None else datetime.fromisoformat(time)
        if when.tzinfo is not None:
            return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        pass
    faults.append(f"--time: found {dsse.quoted(time)}, expected a date and time with offset")
    return None


def _publish(public, folder, is_test: bool) -> None:
    """Writes the public key where it is not yet, and its mark."""
    name = keys.fingerprint(public)
    known = keys.known(folder)
    path = Path(folder) / f"{name[: keys.SHORT]}.pub"
    if is_test and name in known and known[name].trust == "release":
        raise StageError(
            f"key {name[: keys.SHORT]} is marked as a release key in {folder}/",
            ["found --test-key, expected none"],
            "Use another key for tests.",
        )
    if name not in known:
        records.write_bytes(path, keys.pem(public))
    if is_test:
        records.write(path.with_suffix(".json"), {"fingerprint_sha256": name, "trust": "test"}, "signing_key")
