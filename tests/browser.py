"""A real browser for pages, and the checks of axe-core on how accessible they are."""

import importlib.util
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

# Width of A4 between the margins of a document's pages, in CSS pixels: 182 and 269 mm.
PORTRAIT, LANDSCAPE = 688, 1017
BROWSERS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")
# What lies right of a sheet of paper, or is cut off by what it lies in.
CUT_OFF = """(width) => [...document.querySelectorAll("body *")].filter((one) => {
    if (!one.checkVisibility() || one.closest("svg") && one.tagName !== "svg") return false;
    const box = one.getBoundingClientRect(), look = getComputedStyle(one);
    const clips = look.overflowX !== "visible" && one.scrollWidth > one.clientWidth + 1;
    // a line of text may end in a space that hangs over
    return box.width > 0 && look.display !== "inline" && (box.right > width + 1 || clips);
  }).map((one) => one.outerHTML.slice(0, 90))"""


@dataclass(frozen=True)
class Paper:
    """A page as it is printed.

    Attributes:
        cut_off: what is wider than the paper, the beginning of its HTML; not_hidden: what is there and should
            not be.
    """

    n_sheets: int
    cut_off: list[str]
    not_hidden: list[str]


@dataclass
class Opened:
    """A page as a browser shows it, the addresses that it asked for, and its errors and warnings."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def misfits(self) -> list[str]:
        """What axe-core finds wrong, a line for each place."""
        # not by a tag: a page's own policy refuses scripts from elsewhere
        self.page.evaluate(axe())
        violations = self.page.evaluate("axe.run()")["violations"]
        return [f"{row['id']}: {node['html']}" for row in violations for node in row["nodes"]]

    def overflow(self, width: int) -> int:
        """Pixels by which the page is wider than a window of this width."""
        self.page.set_viewport_size({"width": width, "height": 900})
        return self.page.evaluate("document.documentElement.scrollWidth") - width

    def on_paper(self, width: int, hidden: str) -> Paper:
        """The page on paper of this width, in CSS pixels.

        Args:
            hidden: a selector of what is for screens alone.
        """
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(media="print")
        cut_off = self.page.evaluate(CUT_OFF, width)
        not_hidden = self.page.eval_on_selector_all(
            hidden, "all => all.filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 90))"
        )
        self.page.emulate_media(media="screen")
        pdf = self.page.pdf(prefer_css_page_size=True)
        return Paper(len(re.findall(rb"/Type /Page\b(?!s)", pdf)), cut_off, not_hidden)


@contextmanager
def opened(path: Path, java_script: bool = True):
    """A page of a folder, in Chromium."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, "no browser; install Chromium or Chrome, or run 'make browser'"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        context = chromium.new_context(
            viewport={"width": 1280, "height": 900}, java_script_enabled=java_script
        )
        shown = Opened(context.new_page())
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        shown.page.on(
            "console",
            lambda message: (
                shown.errors.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        shown.page.goto(path.as_uri(), wait_until="networkidle")
        yield shown
        chromium.close()


def axe() -> str:
    """The script of axe-core, which the package axe-playwright-python brings along."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found, "axe-playwright-python is missing; install requirements/dev.txt"
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")
