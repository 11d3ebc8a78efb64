"""The site as one file that needs nothing beside it: to hand on, or to keep.

Without script, its pages stand one after another. With script, one is shown, by the address behind #.
Styles, ids and scripts of a page stay its own: a style is nested into the pages that have it, an id has its
page's path before it, and a script sees only its page.
"""

import base64
import html
import json
import mimetypes
import posixpath
import re
from urllib.parse import quote, unquote

from markupsafe import Markup, escape

from radiotrace.site import frame, record_pages
from radiotrace.site.build import Site
from radiotrace.site.frame import Page

STYLES = re.compile(r"<style\b[^>]*>(.*?)</style\s*>", re.DOTALL | re.IGNORECASE)
SCRIPTS = re.compile(r"<script\b(?P<attributes>[^>]*)>(?P<text>.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
OF_PAPER = re.compile(r"@page\b[^{]*\{(?:[^{}]|\{[^{}]*\})*\}")
OF_PAGE = re.compile(r"(?<![\w.#-])(?::root|html|body)(?![\w-])(?=[^{}]*\{)")
IDS = re.compile(r'(\s(?:id|for|headers|list|aria-[a-z]+by|aria-controls|aria-owns)=)"([^"]*)"')
HREF = re.compile(r'(\s(?:xlink:)?href=)"([^"]*)"')
SOURCE = re.compile(r'(\ssrc=)"([^"]*)"')
URL = re.compile(r"url\(#([^)]+)\)")
MAIN = re.compile(r"<(/?)main\b")
MARK = "!"  # between the path of a page and an id in it


def single(site: Site) -> bytes:
    """The site as one HTML file."""
    sheets: dict[str, int] = {}
    scripts: dict[str, int] = {}
    script_numbers: dict[str, list[int]] = {}
    paths = frozenset(page.path for page in site.pages)
    sections = []
    for page in site.pages:
        styles = STYLES.findall(page.whole) if page.whole else [frame.STYLE]
        classes = [f"s{sheets.setdefault(style, len(sheets))}" for style in styles]
        body, texts = _without_scripts(str(page.body))
        if texts:
            script_numbers[page.path] = [scripts.setdefault(text, len(scripts)) for text in texts]
        body = STYLES.sub("", body)
        sections.append(
            Markup('<section class="page {}" id="{}" aria-label="{}" tabindex="-1">\n{}\n</section>').format(
                " ".join(classes),
                quote(page.path, safe=record_pages.SAFE),
                page.title,
                _markup(_own(body, page, site, paths)),
            )
        )
    first = Page("index.html", Markup("Summary"), Markup(""))
    navigation = frame.ENVIRONMENT.get_template("navigation.html").render(
        frame=site.frame, page=first, to=lambda path: f"#{quote(path, safe=record_pages.SAFE)}"
    )
    text = frame.ENVIRONMENT.get_template("single.html").render(
        frame=site.frame,
        navigation=_markup(navigation.replace(' aria-current="page"', "")),
        style=_markup(frame.FRAME_STYLE + "".join(_nested(style, n) for style, n in sheets.items())),
        printed=_markup(site.frame.printed()),
        sections=sections,
        pages=_markup(_in_a_script(json.dumps(script_numbers, sort_keys=True))),
        scripts=[_markup(text) for text in scripts],
        script=_markup((frame.TEMPLATES / "single.js").read_text("utf-8")),
    )
    return text.encode("utf-8", "backslashreplace")


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - of pages, which escaped what is in them


def _in_a_script(text: str) -> str:
    """JSON that ends no script."""
    return text.replace("<", "\\u003c")


def _without_scripts(body: str) -> tuple[str, list[str]]:
    """A body without the scripts that run, and these; data for them stay where they are."""
    texts = []

    def kept(match: re.Match) -> str:
        if "json" in match["attributes"]:
            return match[0]
        texts.append(match["text"])
        return ""

    return SCRIPTS.sub(kept, body), texts


def _nested(style: str, number: int) -> str:
    """A style sheet that holds in pages of its number alone."""
    inner = OF_PAGE.sub("&", OF_PAPER.sub("", style))
    return f".s{number} {{\n{inner}\n}}\n"


def _own(body: str, page: Page, site: Site, paths: frozenset[str]) -> str:
    """A body whose ids are its page's, whose links stay in the file, and whose pictures are in it."""
    prefix = quote(page.path, safe=record_pages.SAFE) + MARK

    def named(match: re.Match) -> str:
        return f'{match[1]}"{" ".join(prefix + name for name in match[2].split())}"'

    def led(match: re.Match) -> str:
        target = match[2]
        if target.startswith("#"):
            return f'{match[1]}"#{prefix}{target[1:]}"' if len(target) > 1 else match[0]
        if frame.ELSEWHERE.match(target) or not target:
            return match[0]
        file, _, fragment = html.unescape(target).partition("#")
        path = _located(page, file)
        if path in paths:
            place = quote(path, safe=record_pages.SAFE) + (f"{MARK}{fragment}" if fragment else "")
            return f'{match[1]}"#{escape(place)}"'
        return f'{match[1]}"{_data(site.files[path], path)}"' if path in site.files else match[0]

    def shown(match: re.Match) -> str:
        path = _located(page, html.unescape(match[2]))
        return f'{match[1]}"{_data(site.files[path], path)}"' if path in site.files else match[0]

    def tag(match: re.Match) -> str:
        text = match[0]
        if match["inert"]:
            return IDS.sub(named, text, count=1)
        text = MAIN.sub(r"<\1div", SOURCE.sub(shown, HREF.sub(led, IDS.sub(named, text))))
        return URL.sub(lambda found: f"url(#{prefix}{found[1]})", text)

    return frame.TAG.sub(tag, body).replace("</main>", "</div>")


def _located(page: Page, file: str) -> str:
    """Path in the site of what a page calls so."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page.path), unquote(file)))


def _data(content: bytes, path: str) -> str:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
