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
class Content:
    """All that a page shows."""

    items: list[Waiting]
    n_openings: int

    def digest(self) -> str:
        """SHA-256 of all that is shown."""
        return records.digest(asdict(self))


def content_of(written: Design, names: list[str], n_openings: int) -> Content:
    """What a page shows of these items.

    Args:
        written: of controls.load.
        names: of items that wait.
        n_openings: lines of the ledger of the test part so far.
    """
    items, ledger = controls.items(written), written.reviews
    waiting = []
    for name in names:
        item, state = items[name], reviews.status(name, items[name], ledger)
        text = as_text(item)
        before = None
        if state == "suspect":
            last = [line for line in ledger if line["item"] == name][-1]
            before = earlier(written, name, last["sha256"])
        waiting.append(
            Waiting(
                name=name,
                title=title(item),
                state=state,
                sha256=records.digest(item),
                text=text,
                changes=None if before is None else changes(as_text(before), text),
                late=bool(n_openings) and reviews.new_criterion(name, item, ledger),
            )
        )
    return Content(waiting, n_openings)


def title(item: dict) -> str:
    """A few words for the list: the item's title, name or first sentence; '' where it has none."""
    texts = (item.get(key) for key in ("title", "name", "what", "hazard"))
    return next((text for text in texts if isinstance(text, str)), "")


def as_text(item: dict) -> str:
    """An item as YAML, its keys in the order in which people wrote them."""
    from ruamel.yaml import YAML  # here, because a review of one item needs no page

    yaml, text = YAML(typ="rt", pure=True), io.StringIO()
    yaml.width, yaml.allow_unicode = WIDTH, True
    yaml.dump(item, text)
    return text.getvalue()


def changes(before: str, after: str) -> list[str]:
    """The lines of a unified diff, without its head."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT))[2:]


def earlier(written: Design, name: str, sha256: str) -> dict | None:
    """An item as it was when it was reviewed; None where git does not know it.

    It is looked for in the history of the file that holds it now, then in that of the file that held it while
    the software and the study were in one folder.

    Args:
        written: of controls.load.
        name: of the item.
        sha256: of the item as it was, as its review names it.
    """
    home = written.folders[written.owner(name)]
    now = records.digest(controls.items(written)[name])
    for path in controls.files(home):
        if path.suffix != ".yaml" or now not in _possible_items(path.read_text("utf-8")):
            continue
        place = path.relative_to(home).as_posix()
        for folder, former_place in ((home, place), (written.folders[STUDY], FORMERLY.get(place, place))):
            for commit in _git(folder, "rev-list", "HEAD", "--", former_place).split():
                items = _possible_items(_git(folder, "cat-file", "blob", f"{commit}:./{former_place}"))
                if sha256 in items:
                    return items[sha256]
    return None


@cache
def _possible_items(text: str) -> dict[str, dict]:
    """Digest -> what may be an item in a file of design controls: the whole, the entries of its lists, and
    the whole without a list whose entries are reviewed apart."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "design.yaml"
        file.write_text(text, "utf-8", "surrogateescape")
        try:
            whole = params.load_yaml(file)
        except StageError:
            return {}
    if not isinstance(whole, dict):
        return {}
    entries = [whole]
    for value in whole.values():
        if isinstance(value, list):
            entries += [entry for entry in value if isinstance(entry, dict)]
    for lists in controls.REVIEWED_APART:
        entries.append({key: value for key, value in whole.items() if key not in lists})
    if "of_software" in whole:
        entries.append({"of_software": whole["of_software"]})
    return {records.digest(entry): entry for entry in entries}


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


def render(content: Content, command: str) -> str:
    """The page.

    Args:
        command: that was called, without who signs.
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
    return template.render(shown=asdict(content), digest=content.digest(), command=command)
