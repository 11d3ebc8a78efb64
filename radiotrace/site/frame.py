"""The frame of every page: one navigation, breadcrumbs, a way past them, and what it takes to be printed.

Pages of the site are put into it; pages that a run left are taken as they are, and get it at their beginning.
"""

import html
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import jinja2
from markupsafe import Markup

from radiotrace.site import record_pages

TEMPLATES = Path(__file__).resolve().parent / "templates"
STYLE = (TEMPLATES / "site.css").read_text("utf-8")
FRAME_STYLE = (TEMPLATES / "frame.css").read_text("utf-8")
SCRIPT = (TEMPLATES / "folded.js").read_text("utf-8")
ENVIRONMENT = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    loader=jinja2.FileSystemLoader(TEMPLATES),
)
# A tag, or a script or style with what it holds, in which nothing is a tag.
TAG = re.compile(
    r"<(?P<inert>script|style)\b.*?</(?P=inert)\s*>|<[a-zA-Z](?:[^>\"']|\"[^\"]*\"|'[^']*')*>",
    re.DOTALL | re.IGNORECASE,
)
HREF = re.compile(r'(\s)href="([^"]*)"')
ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
BODY = re.compile(r"<body\b[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
HEAD = re.compile(r"</head>", re.IGNORECASE)
MAIN = re.compile(r"<main\b[^>]*>")
SKIP = re.compile(r'<a class="skip"[^>]*>[^<]*</a>')


@dataclass(frozen=True)
class Page:
    """A page of the site.

    Attributes:
        path: in the site, with forward slashes.
        title: as HTML, which leaves nothing to be escaped.
        crumbs: (path or "", title as HTML) of what it lies in, from the summary on.
        body: HTML; whole: of a page that a run left, the whole of it, of which body is the part inside.
        folds: parts of it can be folded, and open for a link into them.
    """

    path: str
    title: Markup
    body: Markup
    crumbs: tuple[tuple[str, Markup], ...] = ()
    whole: str = ""
    folds: bool = False


@dataclass(frozen=True)
class Entry:
    """A place of the navigation; without a path, what is missing there.

    Attributes:
        below: the beginning of the paths that belong to it.
    """

    title: Markup
    path: str = ""
    missing: str = ""
    below: str = ""


@dataclass(frozen=True)
class Frame:
    """What all pages have in common.

    Attributes:
        study: its name; notice: what it says of itself, such as that it is for research; "" without one.
        entries: of the navigation.
    """

    study: str
    notice: str
    run_id: str
    entries: tuple[Entry, ...]

    def around(self, page: Page) -> str:
        """The page as a file."""
        navigation = ENVIRONMENT.get_template("navigation.html").render(
            frame=self, page=page, to=lambda path: link(page.path, path)
        )
        if page.whole:
            return self._before(page, navigation)
        return ENVIRONMENT.get_template("page.html").render(
            frame=self,
            page=page,
            navigation=Markup(navigation),  # noqa: S704 - escaped where it was rendered
            style=Markup(FRAME_STYLE + STYLE),  # noqa: S704
            printed=Markup(self.printed()),  # noqa: S704
            script=Markup(SCRIPT if page.folds else ""),  # noqa: S704
        )

    def printed(self) -> str:
        """The style that puts run and page number on each sheet of paper."""
        run_id = re.sub(r"[^0-9a-zA-Z_-]", "", self.run_id) or "unknown"
        corner = "font: 8pt sans-serif; color: #4c5664;"
        return (
            f'@page {{ size: A4; margin: 18mm 14mm; @bottom-left {{ content: "run {run_id}"; {corner} }} '
            f'@bottom-right {{ content: counter(page) " of " counter(pages); {corner} }} }}\n'
        )

    def _before(self, page: Page, navigation: str) -> str:
        """A page that a run left, with the frame before what it has."""
        printed = "" if "@page" in page.whole else self.printed()
        style = f"<style>\n{FRAME_STYLE}{printed}</style>\n"
        head = HEAD.search(page.whole)
        match = BODY.search(page.whole)
        if match is None:
            raise ValueError(f"{page.path} has no body")
        start = page.whole[: match.start(1)]
        if head:
            start = f"{page.whole[: head.start()]}{style}{page.whole[head.start() : match.start(1)]}"
        else:
            start += style
        return f"{start}\n{navigation}{in_main(page.body)}{page.whole[match.end(1) :]}"


def in_main(body: str) -> str:
    """A body, as the main part of its page, to which the way past the navigation leads.

    A page that has a main part of its own has a way to it, too, which would be a second one here.
    """
    if match := MAIN.search(body):
        start = SKIP.sub("", body[: match.end()])
        return f'{start}<span id="rt-content" tabindex="-1"></span>{body[match.end() :]}'
    return f'<main id="rt-content" tabindex="-1">{body}</main>'


def link(page: str, target: str) -> str:
    """The relative address of a file of the site, or of a place in it (path#fragment), as a page has it."""
    path, mark, fragment = target.partition("#")
    relative = posixpath.relpath(path, posixpath.dirname(page) or ".")
    if path == page and mark:
        return f"#{fragment}"
    return quote(relative.encode("utf-8", "backslashreplace"), safe=record_pages.SAFE) + mark + fragment


def adopted(path: str, text: str, title: Markup, crumbs, leads: dict[str, str], evidence: dict) -> Page:
    """A page that a run left, whose links lead into the site.

    Args:
        path: in the site; text: the page.
        leads: file in the study -> path in the site, of all that the site has.
        evidence: record of the evidence -> fragment as its pages spell it -> as the page of the record does.
    """

    def address(match: re.Match) -> str:
        target = html.unescape(match[2])
        if not target or target.startswith("#") or ELSEWHERE.match(target):
            return match[0]
        file, mark, fragment = target.partition("#")
        folder = posixpath.dirname(path)
        study_folder = f"build/{folder}" if path.startswith("report/") else folder
        named = posixpath.normpath(posixpath.join(study_folder, unquote(file)))
        if named not in leads:
            return f'{match[1]}data-not-in-the-site="{match[2]}"'
        if named in evidence:
            fragment = evidence[named].get(fragment, "")
            mark = "#" if fragment else ""
        return f'{match[1]}href="{Markup.escape(link(path, leads[named] + mark + fragment))}"'

    def tag(match: re.Match) -> str:
        return HREF.sub(address, match[0]) if match[0].startswith("<a ") else match[0]

    match = BODY.search(text)
    if match is None:
        raise ValueError(f"{path} has no body")
    body = TAG.sub(tag, text[match.start(1) : match.end(1)])
    whole = f"{text[: match.start(1)]}{body}{text[match.end(1) :]}"
    return Page(path, title, Markup(body), tuple(crumbs), whole)  # noqa: S704 - a page as it is
