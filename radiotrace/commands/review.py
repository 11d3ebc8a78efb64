"""review: says that items of the design controls, of the software or of a study, were reviewed as they stand,
or shows which were not.

Many items are signed from a page: 'review --all' writes it, and 'review --all --as NAME --shown DIGEST' signs
what it showed, and nothing else.
"""

import shlex
from pathlib import Path

from radiotrace import records
from radiotrace.commands import tables
from radiotrace.commands.of_study import Shared, from_root, with_study
from radiotrace.errors import StageError
from radiotrace.evidence.design import controls, reviews
from radiotrace.evidence.design.controls import Design
from radiotrace.evidence.pages import review_page
from radiotrace.pipeline import openings

SHOWN = 12  # names in one message
NAME_LENGTH = 200


def review(args) -> None:
    """Adds the items as they are now to the ledger of the folder where they are; without an item, lists those
    that are suspect or were never reviewed."""
    written = controls.load(args.design, args.software)
    items = controls.items(written)
    states = {name: reviews.status(name, content, written.reviews) for name, content in items.items()}
    if unknown := sorted({*args.items, *args.refuse} - items.keys()):
        raise StageError(
            f"{len(unknown)} items are neither in {args.design}/ nor in {args.software}/",
            unknown,
            "'python -m radiotrace review' lists what is to be reviewed.",
        )
    if args.all and args.items:
        raise StageError(
            "--all and names of items were given",
            args.items,
            "Give one of the two; --refuse ITEM leaves items out of --all.",
        )
    if args.by is not None and not _is_name(args.by):
        raise StageError(
            f"--as: found {args.by[:NAME_LENGTH]!a}, expected a name of 1 to {NAME_LENGTH} "
            f"printable characters"
        )
    waiting = [name for name, state in states.items() if state != "reviewed"]
    if not args.items and not (args.all and waiting):
        print(
            tables.aligned([("item", "state"), *((name, states[name]) for name in waiting)])
            if waiting
            else f"all {len(items)} items are reviewed"
        )
        return
    chosen = waiting if args.all else [name for name in dict.fromkeys(args.items) if name in waiting]
    opened = openings.read(args.openings)
    if chosen and (args.all or args.shown or args.page):
        sign_from_page(args, written, chosen, len(opened))
    else:
        add(args, written, chosen, len(opened), {"by": args.by} if args.by else {})


def sign_from_page(args, written: Design, chosen: list[str], n_openings: int) -> None:
    """Writes the page of these items; signs them where the reader gives the digest of what the page would
    show now, and a name.

    Raises:
        StageError: what is there is not what was shown; or a name, or the digest, is missing.
    """
    content = review_page.content_of(written, chosen, n_openings)
    digest, asked = content.digest(), "--all" if args.all else shlex.join(args.items)
    if args.shown is None:
        page = Path(args.page or "execution/review.html")
        command = with_study(f"python -m radiotrace review {asked}", args.study.place)
        command = command.replace("python", python(args.study.repository), 1)
        records.write_bytes(page, review_page.render(content, command).encode("utf-8"))
        refused = f" --refuse {shlex.join(args.refuse)}" if args.refuse else ""
        name = shlex.quote(args.by) if args.by else "NAME"
        print(
            f"{from_root(page, args.study)}: {len(chosen)} items, with what changed since their "
            f"last review. Nothing is signed yet: read it, then\n"
            f"{command} --as {name} --shown {digest}{refused}"
        )
        return
    if not args.by:
        raise StageError("nobody is named who signs", way_out="Add --as NAME.")
    if args.shown != digest:
        raise StageError(
            "what waits now is not what was shown, so that nothing is signed",
            [f"shown {args.shown[:12]}…, now {digest[:12]}… of {len(chosen)} items: {_some(chosen)}"],
            f"Read it as it stands: 'python -m radiotrace review {asked}' writes the page.",
        )
    kept = [name for name in chosen if name not in args.refuse]
    add(args, written, kept, n_openings, {"by": args.by, "shown_sha256": digest})
    if refused := [name for name in chosen if name in args.refuse]:
        print(f"{len(refused)} items were refused and go on waiting: {_some(refused)}")


def add(args, written: Design, chosen: list[str], n_openings: int, signed: dict) -> None:
    """Adds a line for each item to the ledger of the folder where it is.

    Args:
        signed: who reviews, and the digest of the page; {} where nobody is named.
    """
    items = controls.items(written)
    lines: dict[Path, list[dict]] = {}
    for name in chosen:
        line = reviews.line(name, items[name], n_openings) | signed
        lines.setdefault(written.ledger(name), []).append(line)
    for ledger, added in lines.items():
        reviews.add(ledger, added)
        print(f"{from_root(ledger, args.study)}: {len(added)} items reviewed")
    if not lines:
        print("0 items reviewed")
    already = len(args.items) - len(chosen)
    if already > 0 and not args.refuse:
        print(f"{already} items were reviewed already")
    late = [
        name for name in chosen if n_openings and reviews.new_criterion(name, items[name], written.reviews)
    ]
    if late:
        print(
            f"{', '.join(late)}: the criterion changed after the test part was opened, so that it can only "
            f"be 'post-hoc'"
        )


def python(repository: Path) -> str:
    """The interpreter as a plain shell finds it in the root of a repository, too: that of the environment
    there, if there is one."""
    name = ".venv/bin/python"
    return name if (repository / name).exists() else "python"


def _is_name(text: str) -> bool:
    """Whether somebody may be called so in a ledger."""
    return bool(text.strip()) and text.isprintable() and len(text) <= NAME_LENGTH


def _some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "items", metavar="ITEM", nargs="*", help="id of a user need, a requirement, a negative control, …"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every item that is suspect or was never reviewed: writes a page of them to read",
    )
    parser.add_argument("--as", dest="by", metavar="NAME", help="who reviews; recorded with each review")
    parser.add_argument(
        "--shown", metavar="DIGEST", help="sign what the page showed: its digest, which stands on the page"
    )
    parser.add_argument(
        "--refuse", metavar="ITEM", nargs="+", default=[], help="items of the page that are not signed"
    )
    parser.add_argument(
        "--page", metavar="FILE", help="where to write the page; default: execution/review.html"
    )
    parser.add_argument("--design", default="design", help="design controls of the study; default: design")
    parser.add_argument(
        "--software", default=Shared("software"), help="folder of the software; default: software"
    )
    parser.add_argument(
        "--openings", default="design/test_openings.jsonl", help="ledger of what the test part was shown to"
    )
