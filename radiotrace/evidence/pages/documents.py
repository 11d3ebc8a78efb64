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

from radiotrace.evidence.pages import (
    compliance,
    model_card,
    release_status,
    risks,
    sbom,
    traceability,
    verification,
)
from radiotrace.evidence.pages.elements import Page, Records, Span, lines
from radiotrace.records import jcs

CHAPTERS = (traceability, verification, risks, sbom, model_card, compliance)
TEMPLATES = Path(__file__).resolve().parent / "templates"
ID = re.compile(
    r"tests/[\w/]+\.py::\w+"
    r"|(?:UN|SRS|NC|HAZ|RC|ANO)-[A-Z0-9]+(?:-[A-Z0-9]+)*|[a-z0-9-]+@[\w+.-]+:[\w./()-]+"
)
UNSAFE = "/:@()+,;=~!$&*'"  # characters that stay as they are in a link
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
    page_by_id = pages_by_id(pages)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    texts = {}
    for kind, as_text in (("html", _html), ("md", _markdown)):
        template = environment.from_string((TEMPLATES / f"document.{kind}").read_text("utf-8"))
        for page in pages:
            texts[f"{page.name}.{kind}"] = template.render(
                page=page,
                pages=pages,
                run_id=records["run"]["run_id"],
                is_blocked=records["traceability"]["release_blocked"],
                blocked=why_blocked(records),
                gaps=release_status.gaps_in_words(records["traceability"]),
                status=release_status,
                verified=release_status.verified(records["traceability"]),
                drafts=drafts(bundle),
                cell=lambda content, page=page, as_text=as_text: as_text(content, page.name, page_by_id),
            )
    return texts


def pages_by_id(pages: list[Page]) -> dict[str, str]:
    """Id of each requirement, test, hazard, … -> name of the document that has it."""
    page_by_id = {}
    for page in pages:
        for section in page.sections:
            page_by_id |= {row.id: page.name for block in section.blocks for row in block.rows if row.id}
    # a section of its own goes before a row
    for page in pages:
        page_by_id |= {section.id: page.name for section in page.sections if ID.fullmatch(section.id)}
    return page_by_id


def why_blocked(records: Records) -> list[Span]:
    """What speaks against a release, a phrase each; [] where it is not blocked."""
    causes = release_status.causes(records["traceability"])
    return [records.tell(cause.text, "traceability", cause.key) for cause in causes]


def drafts(bundle: dict[str, dict]) -> list[Span]:
    """The texts of people that nobody approved yet."""
    statuses = [(f"{name}.json", "/status", bundle[f"{name}.json"].get("status")) for name in TEXTS]
    statuses += [
        ("pccp.json", "/plan/status", bundle["pccp.json"]["plan"]["status"]),
        (
            "risks.json",
            "/overall_residual_risk/text_status",
            bundle["risks.json"]["overall_residual_risk"]["text_status"],
        ),
    ]
    return [Span(file, f"{file}#{place}") for file, place, status in statuses if status == "draft"]


def _cut(text: str, page_by_id: dict[str, str]):
    """A text cut at the ids that a document has: pieces, and whether each is such an id."""
    end = 0
    for match in ID.finditer(text):
        name = match.group().rstrip(".,;:")
        if name in page_by_id:
            yield text[end : match.start()], False
            yield name, True
            end = match.start() + len(name)
    yield text[end:], False


def _html(cell, page: str, page_by_id: dict[str, str]) -> Markup:
    """A cell as HTML; ids lead to the document that has them."""
    link = Markup('<a href="{}">{}</a>').format

    def target(name: str) -> str:
        home = page_by_id[name]
        return f"{'' if home == page else f'{home}.html'}#{quote(name, safe=UNSAFE)}"

    def linked(span: Span) -> Markup:
        if span.source:
            return link(quote(span.source, safe=UNSAFE + "#%"), span.text)
        if span.look == "plain":
            return escape(span.text)
        pieces = _cut(span.text, page_by_id)
        return Markup("").join(
            link(target(piece), piece) if is_id else escape(piece) for piece, is_id in pieces
        )

    def element(span: Span) -> Markup:
        if span.look == "code":
            return Markup("<code>{}</code>").format(linked(span))
        if span.look in ("good", "bad", "soft", "strong"):
            return Markup('<b class="{}">{}</b>').format(span.look, linked(span))
        return linked(span)

    return Markup("<br>").join(Markup("").join(map(element, line)) for line in lines(cell))


def _markdown(cell, *_) -> Markup:
    """A cell as one line of Markdown. Ids stay text, which keeps tables readable; HTML has them as links."""

    def linked(span: Span) -> Markup:
        text = _plain(re.sub(r"\s+", " ", span.text))
        if not span.source:
            return text
        return Markup("[{}]({})").format(text, quote(span.source, safe="/:@~#%+,;="))

    return Markup("<br>").join(Markup("").join(map(linked, line)) for line in lines(cell))


def _plain(text: str) -> Markup:
    """A text in which Markdown and HTML find no markup. An underscore between letters is none."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    special = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
    return Markup(special.sub(r"\\\1", safe))  # noqa: S704
