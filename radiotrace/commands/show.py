"""show: one case of a study on a terminal."""


def show(args) -> None:
    """Shows one case of a study on the terminal: its measures, uncertainty, flags, and where its pictures
    are; without a case, the worst ones."""
    from radiotrace.commands import case_shown  # here, because an environment that only predicts has no rich

    case_shown.printed(args.case, args.study)


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "case", nargs="?", metavar="CASE", help="id of a test case; default: the worst cases are listed"
    )
