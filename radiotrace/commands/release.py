"""release: from committed sources to signed evidence that a fresh clone of HEAD verifies, by one command.

Its steps stand here in their order; release_people.py has what it waits for people to do, release_work.py
what programs do, steps.py how it goes on after a stop.

What people write, they commit: sources before a release, reviews while it waits. What it writes itself
(release_people.OWN) it commits with --commit, else it stops and says how, three times: the run, because tests
look at the run that is committed; the evidence, because a signature names the commit that it is of; and the
signature. It pushes to DVC's remote, which may lie in git, but never to a git remote.
"""

from functools import partial

from radiotrace.commands import release_people, release_work, steps, tables
from radiotrace.commands.steps import Step
from radiotrace.errors import StageError

UNSIGNED = tuple(name for name in release_people.OWN if name not in ("signatures", "keys"))


def release(args) -> None:
    """Takes a release through all of its steps; goes on where an earlier try stopped or was killed."""
    if args.study.up:
        raise StageError(
            f"--study: found {args.study.place}, expected '.': a release is of the first study",
            way_out="Leave it out; 'make run STUDY=…' and 'make verify STUDY=…' are there for others.",
        )
    wanted = in_order(args)
    if args.dry_run:
        print(tables.aligned([("step", "is", "because"), *steps.plan(wanted)]))
        return
    try:
        steps.advance(wanted)
    except KeyboardInterrupt:
        raise StageError("the release was interrupted", way_out=steps.AGAIN) from None
    print(release_work.VERIFIED.read_text("utf-8"), end="")
    print("\nNothing was published: 'git push' does that.")


def in_order(args) -> tuple[Step, ...]:
    """The steps of a release.

    What people must do stands as early as it can be known: nobody waits an hour to hear that a key is
    missing.
    """
    people, work = release_people, release_work
    is_test, level, although = args.test_key, args.level, args.although_blocked
    ask_for_key = partial(people.ask_for_key, is_test)
    sign, verify = partial(work.sign, is_test), partial(work.verify, level, although)
    kept = partial(people.kept, UNSIGNED)
    blocked = partial(people.unblocked, although)
    return (
        Step("signing key", partial(people.key, is_test), ask_for_key, of_people=True),
        Step("sources", people.sources, people.ask_for_sources, of_people=True),
        Step("reviews", people.reviewed, people.ask_for_reviews, of_people=True),
        Step("baseline", work.signed_for, work.sign_for),
        Step("run", work.ran, work.run_stages),
        Step("push", work.pushed, work.push),
        _kept("commit of the run", work.run_kept, "The run of this code", args.commit),
        Step("tests", work.tested, work.test),
        Step("negative controls", work.seeded, work.seed),
        Step("evidence", work.proven, work.prove),
        Step("gaps", blocked, people.ask_for_what_blocks, of_people=True),
        _kept("commit of the evidence", kept, "The evidence of this code and its run", args.commit),
        Step("signature", partial(work.signed, is_test), sign),
        Step("signed reviews", people.signed_reviews, people.ask_for_signed_reviews, of_people=True),
        _kept("commit of the signature", people.kept, "The evidence signed", args.commit),
        Step("fresh clone", partial(work.verified, level), verify),
    )


def _kept(name: str, state, message: str, commits: bool) -> Step:
    """A step that commits what the release wrote, or waits for people to do so."""
    return Step(name, state, partial(release_people.keep, message, commits), of_people=not commits)


def options(parser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--dry-run", action="store_true", help="list the steps and what is to do of each, and why; do nothing"
    )
    parser.add_argument(
        "--commit", action="store_true", help="commit what the release writes; else it stops and says how"
    )
    parser.add_argument("--test-key", action="store_true", help="mark the key as one of tests")
    parser.add_argument(
        "--although-blocked", action="store_true", help="go on with evidence that says that it is blocked"
    )
    parser.add_argument(
        "--level", type=int, choices=range(1, 7), default=4, help="how far the clone is verified; default: 4"
    )
