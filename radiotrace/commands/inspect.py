"""inspect: says what lies in a folder that nobody has prepared, and the command to go on with.

Exit status: 0 it was looked at, whatever there is; 1 there is nothing to look at; 2 the command line.
"""

from pathlib import Path

from radiotrace.errors import StageError

SHEET_ENDINGS = (".png", ".html")


def inspect(args) -> None:
    """Says what lies in a folder that nobody has prepared, and the command to go on with."""
    from radiotrace.inspection import layout, look, screen  # here, because other commands need none of it

    path = Path(args.path)
    if faults := refused(path, args.sheet):
        raise StageError("nothing was looked at", faults, "Correct this, and run it again.")
    found = look.at(path)
    if not found.seen and not found.tree.problems:
        raise StageError(f"0 files in {path}")
    print("\n".join(screen.lines(found, layout.of(found, args.path), args.all)))
    if args.sheet:
        from radiotrace.inspection import sheet

        print("\n".join(sheet.written(found, Path(args.sheet))))


def refused(path: Path, sheet: str | None) -> list[str]:
    """Why nothing can be looked at; [] where it can."""
    faults = []
    if not (path.is_dir() or path.is_file()):
        faults.append(f"PATH: {path} is neither a folder nor a file")
    if sheet is not None:
        out = Path(sheet)
        if out.suffix.lower() not in SHEET_ENDINGS:
            faults.append(f"--sheet: {out} ends in neither {' nor '.join(SHEET_ENDINGS)}")
        if out.is_symlink() or (out.exists() and not out.is_file()):
            faults.append(f"--sheet: {out} is no plain file")
        elif not out.resolve().parent.is_dir():
            faults.append(f"--sheet: {out.parent} is no folder")
        elif path.is_dir() and out.resolve().is_relative_to(path.resolve()):
            faults.append(f"--sheet: {out} lies in the folder that is looked at")
    return faults


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument("path", metavar="PATH", help="a folder, or a file; nothing in it is changed")
    parser.add_argument(
        "--sheet",
        metavar="FILE",
        help="write a picture (.png) or a page (.html) of the middle slice of up to 48 cases",
    )
    parser.add_argument("--all", action="store_true", help="list every series and every problem")
