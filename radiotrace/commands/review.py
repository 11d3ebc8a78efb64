"""review: says that items of design/ were reviewed as they stand, or shows which were not."""
from pathlib import Path

from radiotrace.commands import tables
from radiotrace.evaluation import openings
from radiotrace.evidence import design, reviews
from radiotrace.stage import StageError


def review(args) -> None:
    """Adds the items to design/reviews.jsonl as they are now; without an item, lists those that are suspect or were never reviewed."""
    found = design.load(args.design)
    items, ledger = design.items(found), Path(args.design) / "reviews.jsonl"
    states = {name: reviews.status(name, content, found["reviews"]) for name, content in items.items()}
    if unknown := sorted(set(args.items) - items.keys()):
        raise StageError(f"{len(unknown)} items are not in {args.design}/", unknown, "'python -m radiotrace review' lists what is to be reviewed.")
    waiting = [name for name, state in states.items() if state != "reviewed"]
    chosen = waiting if args.all else [name for name in dict.fromkeys(args.items) if name in waiting]
    if not args.all and not args.items:
        print(tables.aligned([("item", "state"), *((name, states[name]) for name in waiting)]) if waiting else f"all {len(items)} items are reviewed")
        return
    opened = openings.read(args.openings)
    lines = [reviews.line(name, items[name], len(opened)) for name in chosen]
    reviews.add(ledger, lines)
    print(f"{ledger}: {len(lines)} items reviewed" + (f", {len(args.items) - len(lines)} were so already" if len(args.items) > len(lines) else ""))
    late = [name for name, line in zip(chosen, lines, strict=True) if line["criterion_sha256"] and opened and _new(line, found["reviews"])]
    if late:
        print(f"{', '.join(late)}: the criterion changed after the test part was opened, so that it can only be 'post-hoc'")


def _new(line: dict, before: list[dict]) -> bool:
    """Whether this criterion was never reviewed before."""
    return all((one["item"], one["criterion_sha256"]) != (line["item"], line["criterion_sha256"]) for one in before)


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("items", metavar="ITEM", nargs="*", help="id of a user need, a requirement, a negative control, …")
    parser.add_argument("--all", action="store_true", help="every item that is suspect or was never reviewed")
    parser.add_argument("--design", default="design", help="folder of design controls; default: design")
    parser.add_argument("--openings", default="design/test_openings.jsonl", help="ledger of what the test part was shown to")
