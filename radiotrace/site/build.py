"""All pages of the site, of what a run left."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from radiotrace.evidence.pages.documents import UNSAFE
from radiotrace.site import curves, frame, record_pages, summary
from radiotrace.site import left as of_run
from radiotrace.site.curves import History
from radiotrace.site.frame import Entry, Frame, Page
from radiotrace.site.left import Left
from radiotrace.site.summary import Told, clean

INDEX, ALL_RECORDS, REPORT = "index.html", "records/index.html", "report/index.html"
CASES = "report/cases/"
# In this order in the navigation; others come behind them.
EVIDENCE = ("verification", "traceability", "risks", "model_card", "compliance", "sbom")
SUMMARY = (INDEX, Markup("Summary"))


@dataclass(frozen=True)
class Site:
    """A site.

    Attributes:
        pages: in the order in which they are read; files: path in the site -> content, of what pages show.
    """

    frame: Frame
    pages: tuple[Page, ...]
    files: dict[str, bytes]

    def content(self) -> dict[str, bytes]:
        """Path in the site -> content of each file."""
        pages = {
            page.path: self.frame.around(page).encode("utf-8", "backslashreplace") for page in self.pages
        }
        return self.files | pages


def site(left: Left, others: Sequence[History] = ()) -> Site:
    """The site of what a run left.

    Args:
        others: of other runs, whose curves stand beside those of this one.
    """
    evidence = sorted(left.evidence, key=_order)
    copied = [
        *(f"report/{name}" for name in sorted(left.report, key=_report_order) if name.endswith(".html")),
        *(_evidence_path(name) for name in evidence),
    ]
    records = [record_pages.page_of(path) for path in left.records]
    paths = [INDEX, curves.PAGE, *copied, ALL_RECORDS, *records]
    titles = _titles(left)
    entries = _entries(left, evidence, titles)
    built = [
        _index(left, paths, evidence, titles),
        Page(curves.PAGE, Markup("Learning curves"), _markup(curves.page(left, others, paths)), (SUMMARY,)),
        *_report(left, titles),
        *_evidence(left, evidence, titles),
        _all_records(left, paths),
        *_records(left),
    ]
    files = {f"report/{name}": text for name, text in left.report.items() if not name.endswith(".html")}
    notice = left.value(summary.INTENDED, "notice", default="")
    made = Frame(_name(left), clean(notice), clean(left.run_id), entries)
    return Site(made, tuple(built), files)


def missing(left: Left) -> list[str]:
    """What is not there yet, and what makes it."""
    lines = []
    if of_run.METRICS not in left.records:
        lines.append(f"{of_run.METRICS}, which the stage evaluate writes")
    if of_run.TRAIN not in left.records:
        lines.append(f"{of_run.TRAIN}, which 'dvc pull' brings or the stage train writes")
    if "index.html" not in left.report:
        lines.append(f"{of_run.REPORT}/index.html, which the stage report writes")
    if not any(name.startswith("cases/") for name in left.report):
        lines.append(f"{of_run.REPORT}/cases/, the pages of cases, which the stage report writes")
    if not left.evidence:
        lines.append(f"{of_run.EVIDENCE}/, which the stage evidence writes")
    if summary.ROBUSTNESS not in left.records:
        lines.append(f"{summary.ROBUSTNESS}, which the stage robustness writes")
    if summary.INTENDED not in left.records:
        lines.append(f"{summary.INTENDED}, which people write")
    return lines


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - a template escaped it


def _name(left: Left) -> str:
    name = left.value(summary.INTENDED, "name") or left.value(summary.INTENDED, "dataset")
    return clean(name) if isinstance(name, str) else "Study"


def _order(name: str) -> tuple[int, str]:
    stem = name.rpartition(".")[0]
    return (EVIDENCE.index(stem) if stem in EVIDENCE else len(EVIDENCE), name)


def _report_order(name: str) -> tuple[bool, str]:
    return (name != "index.html", name)


def _evidence_path(name: str) -> str:
    return f"evidence/{name}" if name.endswith(".html") else f"evidence/{name}.html"


def _titles(left: Left) -> dict[str, str]:
    """Path in the site -> title of each page that the run left."""
    titles = {}
    for name, text in left.evidence.items():
        stem = name.rpartition(".")[0].replace("_", " ")
        titles[_evidence_path(name)] = of_run.title(text, stem) if name.endswith(".html") else stem
    for name, content in left.report.items():
        if name.endswith(".html"):
            stem = name.rpartition("/")[2].removesuffix(".html")
            is_case = name.startswith("cases/")
            # a page of a case is called like its case, whatever its heading says
            titles[f"report/{name}"] = stem if is_case else of_run.title(content.decode("utf-8"), stem)
    return {path: clean(title) for path, title in titles.items()}


def _entries(left: Left, evidence: list[str], titles: dict[str, str]) -> tuple[Entry, ...]:
    entries = [Entry(Markup("Summary"), INDEX)]
    if REPORT in titles:
        entries.append(Entry(Markup("Report and cases"), REPORT, below="report/"))
    else:
        entries.append(Entry(Markup("Report and cases"), missing="not there yet"))
    entries.append(Entry(Markup("Learning curves"), curves.PAGE))
    for name in evidence:
        stem = name.rpartition(".")[0].replace("_", " ").capitalize()
        short = {"Sbom": "Bill of materials"}.get(stem, stem)
        entries.append(Entry(escape(clean(short)), _evidence_path(name)))
    if not evidence:
        entries.append(Entry(Markup("Evidence"), missing="not there yet"))
    entries.append(Entry(Markup("Records"), ALL_RECORDS, below="records/"))
    return tuple(entries)


def _index(left: Left, paths: list[str], evidence: list[str], titles: dict[str, str]) -> Page:
    told = Told(left, INDEX, paths)
    cases = [path for path in paths if path.startswith(CASES)]
    own = curves.of_left(left)
    body = frame.ENVIRONMENT.get_template("index.html").render(
        study=_name(left),
        run_id=clean(left.run_id),
        summary=summary.of(left, INDEX, paths),
        measure=clean(left.value(of_run.METRICS, "measures", 0, "title", default="the first measure")),
        missing=missing(left),
        has_report=REPORT in titles,
        report=told.to(REPORT, "The report"),
        curves=told.to(
            curves.PAGE, f"Loss and validation of {len(own.rows)} epochs" if own else "No history is here"
        ),
        cases=[told.to(path, titles[path]) for path in cases],
        evidence=[told.to(_evidence_path(name), titles[_evidence_path(name)]) for name in evidence],
        all_records=told.to(ALL_RECORDS, f"All {len(left.records)} records"),
    )
    return Page(INDEX, Markup("Summary"), _markup(body), folds=True)


def _leads(left: Left) -> dict[str, str]:
    """File in the study -> its path in the site."""
    leads = {path: record_pages.page_of(path) for path in left.records}
    leads |= {f"{of_run.REPORT}/{name}": f"report/{name}" for name in left.report}
    leads |= {f"{of_run.EVIDENCE}/{name}": _evidence_path(name) for name in left.evidence}
    return leads


def _report(left: Left, titles: dict[str, str]) -> list[Page]:
    leads = _leads(left)
    pages = []
    for name in sorted(left.report, key=_report_order):
        if not name.endswith(".html"):
            continue
        path = f"report/{name}"
        crumbs: list[tuple[str, Markup]] = [SUMMARY]
        if path != REPORT:
            crumbs.append((REPORT if REPORT in titles else "", Markup("Report and cases")))
        title = escape(titles[path])
        pages.append(frame.adopted(path, left.report[name].decode("utf-8"), title, crumbs, leads, {}))
    return pages


def _evidence(left: Left, names: list[str], titles: dict[str, str]) -> list[Page]:
    leads, fragments = _leads(left), _fragments(left)
    crumbs = (SUMMARY, ("", Markup("Evidence")))
    pages = []
    for name in names:
        path = _evidence_path(name)
        title = escape(titles[path])
        if name.endswith(".html"):
            pages.append(frame.adopted(path, left.evidence[name], title, crumbs, leads, fragments))
        else:
            text = Markup("<h1>{}</h1>\n<pre>{}</pre>\n").format(titles[path], clean(left.evidence[name]))
            pages.append(Page(path, title, text, crumbs))
    return pages


def _fragments(left: Left) -> dict[str, dict[str, str]]:
    """Record of the evidence -> fragment as its pages spell it -> as the page of the record does."""
    fragments = {}
    for path, record in left.records.items():
        if path.startswith(f"{of_run.EVIDENCE}/"):
            places = record_pages.anchors(record.value)
            fragments[path] = {_spelt(place): record_pages.quoted(place) for place in places}
    return fragments


def _spelt(place: str) -> str:
    """A JSON Pointer as the pages of the evidence have it behind #."""
    text = clean(place)
    return record_pages.quote(text, safe=UNSAFE + "#%")


def _all_records(left: Left, paths: list[str]) -> Page:
    told = Told(left, ALL_RECORDS, paths)
    folders: dict[str, list[Markup]] = {}
    for path in sorted(left.records):
        folder = f"{path.rpartition('/')[0]}/" if "/" in path else "study"
        folders.setdefault(folder, []).append(told.to(record_pages.page_of(path), path))
    body = frame.ENVIRONMENT.get_template("records.html").render(folders=sorted(folders.items()))
    return Page(ALL_RECORDS, Markup("Records"), _markup(body), (SUMMARY,))


def _records(left: Left) -> list[Page]:
    template = frame.ENVIRONMENT.get_template("record.html")
    crumbs = (SUMMARY, (ALL_RECORDS, Markup("Records")))
    pages = []
    for path, record in left.records.items():
        body = template.render(path=clean(path), sha256=record.sha256, tree=record_pages.tree(record.value))
        pages.append(Page(record_pages.page_of(path), escape(clean(path)), _markup(body), crumbs, folds=True))
    return pages
