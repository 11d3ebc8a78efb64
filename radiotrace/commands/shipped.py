"""shipped: lays out a table that an installed package ships, as data of a study; needs no network.

Exit status: 0 written; 1 a fault, and nothing was written; 2 the command line.
"""

import shlex
from pathlib import Path

from radiotrace.errors import StageError
from radiotrace.pipeline import stage


def shipped(args) -> None:
    """Lays out a table that an installed package ships, as data of a study of tables (docs/tabular.md)."""
    from radiotrace.tabular.shipped import TABLES  # here, because the other commands need none of it

    out = Path(args.out)
    faults = []
    if args.table not in TABLES:
        faults.append(f"TABLE: found {args.table}, expected one of {', '.join(TABLES)}")
    if out.exists() or out.is_symlink():
        faults.append(f"--out: {out} is there already; expected a new folder")
    if faults:
        raise StageError("nothing was written", faults, "Correct this, and run it again.")
    table = TABLES[args.table]
    table.found()  # before a folder is made
    with stage.output_folder(out) as partial:
        count = table.write(partial)
    print(f"{out}: {count} rows of {table.about['name']}, from {table.package}")
    print(f"Next: python -m radiotrace new NAME --task tabular --data {shlex.quote(str(out))}")


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("table", metavar="TABLE", help="gbsg2 or wdbc")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a new folder")
