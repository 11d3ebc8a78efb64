"""A real browser for pages, and the checks of axe-core on how accessible they are."""

import importlib.util
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

BROWSERS = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable")


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
