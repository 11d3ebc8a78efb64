"""The page of what waits for review: every item's text, what changed since its last review, and a digest of
all that is shown.

Called by the command review. The digest is recorded with each review that is signed from the page, so that
nobody signs something else than what was shown. The page stands for itself: no script, no request, no clock.
"""

import difflib
import io
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from radiotrace import records
from radiotrace.errors import StageError
from radiotrace.evidence.design import controls, reviews
from radiotrace.evidence.design.controls import STUDY, Design
from radiotrace.pipeline import params

TEMPLATE = Path(__file__).resolve().parent / "templates/review.html"
WIDTH = 110  # characters of a line of text
CONTEXT = 3  # lines around a change
FORMERLY = {"risk_controls.yaml": "risks.yaml"}  # file of the software -> where its items were in a study


@dataclass(frozen=True)
class Waiting:
    """An item as the page shows it.

    Attributes:
        state: 'suspect' or 'never reviewed'.
        sha256: of the item as it stands, as its review will name it.
        text: the item as YAML.
        changes: lines of a unified diff since its last review; None where it was never reviewed or the text
            of then is not known.
        late: whether it has a criterion that was never reviewed before, although the test part was opened.
    """

    name: str
    title: str
    state: str
    sha256: str
    text: str
    changes: list[str] | None
    late: bool


@dataclass(frozen=True)
class Shown:
    """All that a page shows."""

    items: list[Waiting]
    n_openings: int

    def digest(self) -> str:
        """SHA-256 of all that is shown."""
        return records.digest(asdict(self))


def shown(written: Design, names: list[str], n_openings: int) -> Shown:
    """What a page shows of these items.

    Args:
        written: of controls.load.
        names: of items that wait.
        n_openings: lines of the ledger of the test part so far.
    """
    items, ledger = controls.items(written), written.reviews
    rows = []
    for name in names:
        content, state = items[name], reviews.status(name, items[name], ledger)
        text = as_text(content)
        before = None
        if state == "suspect":
            last = [line for line in ledger if line["item"] == name][-1]
            before = earlier(written, name, last["sha256"])
        rows.append(
            Waiting(
                name,
                title(content),
                state,
                records.digest(content),
                text,
                None if before is None else changes(as_text(before), text),
                bool(n_openings) and reviews.new_criterion(name, content, ledger),
            )
        )
    return Shown(rows, n_openings)


def title(content: dict) -> str:
    """A few words for the list: the item's title, name or first sentence; nothing where it has none."""
    return next(
        (content[key] for key in ("title", "name", "what", "hazard") if isinstance(content.get(key), str)), ""
    )


def as_text(content: dict) -> str:
    """An item as YAML, its keys in the order in which people wrote them."""
    from ruamel.yaml import YAML  # here, because a review of one item needs no page

    yaml, text = YAML(typ="rt", pure=True), io.StringIO()
    yaml.width, yaml.allow_unicode = WIDTH, True
    yaml.dump(content, text)
    return text.getvalue()


def changes(before: str, after: str) -> list[str]:
    """The lines of a unified diff, without its head."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT))[2:]


def earlier(written: Design, name: str, sha256: str) -> dict | None:
    """An item as it was when it was reviewed, from the history of the file that holds it now, and of the file
    that held it while the software and the study were in one folder; None where git does not know it.

    Args:
        written: of controls.load.
        name: of the item.
        sha256: of the item as it was, as its review names it.
    """
    home = written.folders[written.owner(name)]
    now = records.digest(controls.items(written)[name])
    for path in (path for path in controls.files(home) if path.suffix == ".yaml"):
        if now not in _parts(path.read_text("utf-8")):
            continue
        place = path.relative_to(home).as_posix()
        for folder, before in ((home, place), (written.folders[STUDY], FORMERLY.get(place, place))):
            for commit in _git(folder, "rev-list", "HEAD", "--", before).split():
                then = _parts(_git(folder, "cat-file", "blob", f"{commit}:./{before}"))
                if sha256 in then:
                    return then[sha256]
    return None


@cache
def _parts(text: str) -> dict[str, dict]:
    """Whatever a file of design controls holds that may be an item, by its digest: the whole, the entries of
    its lists, and the whole without them."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "design.yaml"
        file.write_text(text, "utf-8", "surrogateescape")
        try:
            whole = params.load_yaml(file)
        except StageError:
            return {}
    if not isinstance(whole, dict):
        return {}
    found = [whole]
    for value in whole.values():
        if isinstance(value, list):
            found += [entry for entry in value if isinstance(entry, dict)]
    found += [
        {key: value for key, value in whole.items() if key not in lists} for lists in controls.REVIEWED_APART
    ]
    found += [{"of_software": whole["of_software"]}] if "of_software" in whole else []
    return {records.digest(entry): entry for entry in found}


def _git(folder: Path, *words: str) -> str:
    """What git prints; nothing where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def render(what: Shown, asked: str) -> str:
    """The page.

    Args:
        asked: the command that was called, without who signs.
    """
    import jinja2  # here, because a review of one item needs no page

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(shown=asdict(what), digest=what.digest(), asked=asked)
