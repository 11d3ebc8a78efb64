"""Documents for people, rendered from the records of a bundle alone: HTML that stands for itself, and the
same as Markdown.

Every number on them links to file#pointer of the record it is from, and every id to the document that has it,
so that a reader gets from any number to requirement, test, data, code and hash. No script, no clock, no
request: the same bundle gives the same bytes.
"""

import json
import re
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup, escape

from radiotrace.evidence.design import written_for
from radiotrace.evidence.pages import compliance, model_card, risks, sbom, traceability, verification
from radiotrace.evidence.pages.parts import Page, Records, Span, counted, lines
from radiotrace.records import jcs

CHAPTERS = (traceability, verification, risks, sbom, model_card, compliance)
TEMPLATES = Path(__file__).resolve().parent / "templates"
ID = re.compile(
    r"tests/[\w/]+\.py::\w+"
    r"|(?:UN|SRS|NC|HAZ|RC|ANO)-[A-Z0-9]+(?:-[A-Z0-9]+)*|[a-z0-9-]+@[\w+.-]+:[\w./()-]+"
)
UNSAFE = "/:@()+,;=~!$&*'"  # what stays as it is in a link
TEXTS = ("intended_use", "statistical_plan", "dataset_card")  # written by people; each has a status


def render(bundle: dict[str, dict]) -> dict[str, str]:
    """The documents: name of the file -> text.

    Args:
        bundle: file of the bundle -> its content.
    """
    import jinja2  # here, because most of what imports the dossier renders nothing

    # as they stand in their files
    records = Records({name: json.loads(jcs.dumps(record)) for name, record in sorted(bundle.items())})
    pages = [chapter.page(records) for chapter in CHAPTERS]
    home = homes(pages)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts = {}
    for kind, cell in (("html", _html), ("md", _markdown)):
        template = environment.from_string((TEMPLATES / f"document.{kind}").read_text("utf-8"))
        for page in pages:
            texts[f"{page.name}.{kind}"] = template.render(
                page=page,
                pages=pages,
                run_id=records["run"]["run_id"],
                blocked=why_blocked(records),
                drafts=drafts(bundle),
                cell=lambda one, page=page, cell=cell: cell(one, page.name, home),
            )
    return texts


def homes(pages: list[Page]) -> dict[str, str]:
    """Id of each thing -> the document that has it."""
    return {
        row.id: page.name
        for page in pages
        for section in page.sections
        for block in section.blocks
        for row in block.rows
        if row.id
    } | {section.id: page.name for page in pages for section in page.sections if ID.fullmatch(section.id)}


def why_blocked(records: Records) -> list[Span]:
    """What speaks against a release, a phrase each; [] where it is not blocked."""
    traced = records["traceability"]
    if not traced["release_blocked"]:
        return []
    missing = {
        kind: [name for name, row in traced[kind].items() if row["status"] != "verified"]
        for kind in ("requirements", "user_needs")
    }
    found = [
        records.tell(
            f"{len(missing[kind])} of {len(traced[kind])} {what} are not verified", "traceability", kind
        )
        for kind, what in (("requirements", "requirements"), ("user_needs", "user needs"))
        if missing[kind]
    ]
    if misfits := [gap for gap in traced["gaps"] if gap["gap"].startswith(written_for.ANOTHER)]:
        found.append(
            records.tell(
                f"design/ was written for another data set: {counted(len(misfits), 'contradiction')}",
                "traceability",
                "gaps",
            )
        )
    if not records["tests"]["whole"]:
        found.append(records.tell("the tests did not run as a whole", "tests", "whole"))
    found += [
        records.tell(f"{len(traced[key])} {what}", "traceability", key)
        for key, what in (
            ("stale", "files changed since the tests ran"),
            ("unreviewed", "items are not reviewed as they stand"),
        )
        if traced[key]
    ]
    # a hazard, or a need, may be the only one
    return [*found, records.tell(f"{counted(len(traced['gaps']), 'gap')} in all", "traceability", "gaps")]


def drafts(bundle: dict[str, dict]) -> list[Span]:
    """The texts of people that nobody approved yet."""
    found = [(f"{name}.json", "/status", bundle[f"{name}.json"].get("status")) for name in TEXTS]
    found += [
        ("pccp.json", "/plan/status", bundle["pccp.json"]["plan"]["status"]),
        (
            "risks.json",
            "/overall_residual_risk/text_status",
            bundle["risks.json"]["overall_residual_risk"]["text_status"],
        ),
    ]
    return [Span(file, f"{file}#{place}") for file, place, status in found if status == "draft"]


def _cut(text: str, home: dict[str, str]):
    """A text cut at the ids that a document has: pieces, and whether each is such an id."""
    end = 0
    for match in ID.finditer(text):
        name = match.group().rstrip(".,;:")
        if name in home:
            yield text[end : match.start()], False
            yield name, True
            end = match.start() + len(name)
    yield text[end:], False


def _html(cell, page: str, home: dict[str, str]) -> Markup:
    """A cell as HTML; ids lead to the document that has them."""
    link = Markup('<a href="{}">{}</a>').format

    def target(name: str) -> str:
        return f"{'' if home[name] == page else home[name] + '.html'}#{quote(name, safe=UNSAFE)}"

    def inner(span: Span) -> Markup:
        if span.source:
            return link(quote(span.source, safe=UNSAFE + "#%"), span.text)
        if span.look == "plain":
            return escape(span.text)
        return Markup("").join(
            link(target(piece), piece) if known else escape(piece) for piece, known in _cut(span.text, home)
        )

    def spanned(span: Span) -> Markup:
        if span.look == "code":
            return Markup("<code>{}</code>").format(inner(span))
        return (
            Markup('<b class="{}">{}</b>').format(span.look, inner(span))
            if span.look in ("good", "bad", "soft", "strong")
            else inner(span)
        )

    return Markup("<br>").join(Markup("").join(map(spanned, line)) for line in lines(cell))


def _markdown(cell, *_) -> Markup:
    """A cell as one line of Markdown. Ids stay text, which keeps tables readable; HTML has them as links."""

    def spanned(span: Span) -> Markup:
        text = _plain(re.sub(r"\s+", " ", span.text))
        return Markup("[{}]({})").format(text, quote(span.source, safe="/:@~#%+,;=")) if span.source else text

    return Markup("<br>").join(Markup("").join(map(spanned, line)) for line in lines(cell))


def _plain(text: str) -> Markup:
    """A text of which Markdown makes nothing else, nor HTML in it.

    Between letters an underscore means nothing.
    """
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    special = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
    return Markup(special.sub(r"\\\1", safe))  # noqa: S704
