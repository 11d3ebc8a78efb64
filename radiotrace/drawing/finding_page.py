"""The page of findings: what the checks of data have found, case by case, each beside a picture.

One file that stands for itself, without script, clock or request: the same findings give the same bytes. The
stage that checks writes it; who uses it looks at pictures instead of opening images one by one. The template
is in this module, so that whoever imports it depends on it.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import jinja2

from radiotrace.drawing.slices import View

# Of labels, in the order of their values; Okabe and Ito's, which people with colour blindness tell apart.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")


@dataclass(frozen=True)
class Shown:
    """A finding, as the page has it.

    Attributes:
        case_id: "" where it is of the set as a whole.
        check: its name.
        is_error: else a warning.
        view: of the case; None where there is no picture.
        without: why there is none.
    """

    case_id: str
    check: str
    found: str
    expected: str
    is_error: bool
    view: View | None
    without: str = ""


@dataclass(frozen=True)
class Group:
    """The findings of a check, of one severity.

    Attributes:
        anchor: of its place on the page.
    """

    anchor: str
    check: str
    is_error: bool
    findings: tuple[Shown, ...]

    @property
    def title(self) -> str:
        """For people."""
        return self.check.replace("_", " ").capitalize()

    @property
    def pictured(self) -> tuple[Shown, ...]:
        """Those with a picture."""
        return tuple(finding for finding in self.findings if finding.view is not None)

    @property
    def listed(self) -> tuple[Shown, ...]:
        """Those without."""
        return tuple(finding for finding in self.findings if finding.view is None)


@dataclass(frozen=True)
class About:
    """What is said of the data set and of the checks.

    Attributes:
        dataset: its name; "" where it has none.
        labels: names, in the order of the outlines.
        cases: how many were looked at; excluded: (case_id, reason) of those that people left out.
        way_out: what to do about errors; "" where there are none.
        leads: title -> address of other pages.
    """

    dataset: str
    labels: tuple[str, ...]
    cases: int
    excluded: tuple[tuple[str, str], ...]
    way_out: str
    leads: Mapping[str, str]


def groups(findings: Sequence[Shown]) -> list[Group]:
    """By check, errors first."""

    def key(finding: Shown) -> tuple[bool, str]:
        return not finding.is_error, finding.check

    made = []
    for (is_warning, check), of_check in groupby(sorted(findings, key=key), key):
        anchor = f"{'warning' if is_warning else 'error'}-{check}"
        made.append(Group(anchor, check, not is_warning, tuple(of_check)))
    return made


def page(about: About, findings: Sequence[Shown]) -> str:
    """The page, as HTML.

    Args:
        findings: those of a check stay in this order.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"png": _uri, "short": lambda value: f"{value:.6g}"}
    n_errors = sum(finding.is_error for finding in findings)
    return environment.from_string(TEMPLATE).render(
        about=about,
        groups=groups(findings),
        n_errors=n_errors,
        n_warnings=len(findings) - n_errors,
        colours=[COLOURS[number % len(COLOURS)] for number in range(len(about.labels))],
    )


def _uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


TEMPLATE = """\
{% macro count(number, one) %}{{ number }} {{ one }}{{ "" if number == 1 else "s" }}{% endmacro %}
{% macro picture(finding) %}
{% set view = finding.view %}
<svg viewBox="0 0 {{ view.width_mm | short }} {{ view.height_mm | short }}" role="img"
  aria-label="{{ finding.case_id }}, {{ view.plane.name }} slice {{ view.number }} of {{ view.slices }}
{{- ", with its labels outlined" if view.outlines | select | list }}
{{- ", and a ring where it was found" if view.place }}">
  <image href="{{ view.png | png }}" width="{{ view.width_mm | short }}" height="{{ view.height_mm | short }}"
    preserveAspectRatio="none"/>
  <g transform="scale({{ view.column_mm | short }} {{ view.row_mm | short }})">
  {% for path in view.outlines %}
  {% if path %}
    <path d="{{ path }}" class="label-{{ loop.index }}"/>
  {% endif %}
  {% endfor %}
  </g>
  {% if view.place %}
  {% set x, y = view.place[0] * view.column_mm, view.place[1] * view.row_mm %}
  {% set radius = 0.06 * [view.width_mm, view.height_mm] | max %}
  {% for look in ("halo", "ring") %}
  <circle class="{{ look }}" cx="{{ x | short }}" cy="{{ y | short }}" r="{{ radius | short }}"/>
  {% endfor %}
  {% endif %}
</svg>
{% endmacro %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Findings in {{ about.dataset or "the data set" }}</title>
<link rel="icon" href="data:,">
<style>
:root { color-scheme: light; --ink: #1c2430; --soft: #55606e; --line: #d8dde4; --paper: #fff; --wash:
  #f4f6f9; --good: #1b6e53;
        --bad: #a33a00; --link: #0b5394; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 1.5rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper);
  font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .2rem 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--line); }
p, ul { margin: .5rem 0; }
.soft, figcaption { color: var(--soft); font-size: .88rem; }
.notice { font-weight: 600; }
.state { border-left: 4px solid var(--line); padding: .1rem .8rem; margin: .6rem 0; }
.way { white-space: pre-line; }
.state.bad { border-color: var(--bad); } .state.good { border-color: var(--good); }
.error { color: var(--bad); font-weight: 600; }
nav { background: var(--wash); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem;
  margin: 1rem 0; font-size: .92rem; }
nav p { margin: .2rem 0; } nav a, nav b { display: inline-block; margin-right: .9rem; }
a { color: var(--link); }
a:focus-visible, main:focus-visible, [tabindex]:focus-visible {
  outline: 3px solid #b45309; outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: .5rem; top: -4rem; background: var(--paper); padding: .5rem .8rem;
  border: 2px solid var(--link); z-index: 9; }
.skip:focus { top: .5rem; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(210px, 100%), 1fr)); gap: 1rem;
  list-style: none; padding: 0; }
.cards figure { margin: 0; border: 1px solid var(--line); border-radius: 6px;
  overflow: hidden; height: 100%; }
.cards svg { display: block; width: 100%; height: 200px; background: #000; }
.cards image { image-rendering: pixelated; }
.cards path { fill: none; stroke-width: 1.6px; vector-effect: non-scaling-stroke; }
circle { fill: none; vector-effect: non-scaling-stroke; }
.halo { stroke: #000; stroke-width: 5px; } .ring { stroke: #fff; stroke-width: 2.5px; }
figcaption { padding: .5rem .7rem .6rem; color: var(--ink); } figcaption p { margin: .15rem 0; }
.list { padding-left: 1.2rem; font-size: .92rem; } .list li { margin: .25rem 0; }
.key { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .92rem; }
.key span { display: inline-block; width: 1.8em; height: .9em; background: #222; border: 2px solid;
  margin-right: .4em; vertical-align: -.1em; }
{% for colour in colours %}
.label-{{ loop.index }} { stroke: {{ colour }}; }
.key .label-{{ loop.index }} { border-color: {{ colour }}; }
{% endfor %}
@media (max-width: 600px) { body { padding: 1rem .8rem 3rem; } h1 { font-size: 1.4rem; } }
@page { size: A4; margin: 18mm 13mm;
  @bottom-right { content: counter(page) " of " counter(pages); font: 8pt sans-serif; color: #55606e; } }
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  nav, .skip { display: none; }
  h1, h2 { break-after: avoid; } li { break-inside: avoid; }
  .cards { grid-template-columns: repeat(3, 1fr); } .cards svg { height: 45mm; }
  a { color: inherit; text-decoration: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
<a class="skip" href="#findings">To the findings</a>
<header>
  <p class="notice">Research software; not for diagnosis.</p>
  <h1>What the checks of the data have found</h1>
  <p>{{ about.dataset or "A data set without a name" }}: {{ count(about.cases, "case") }} looked at,
    {{ about.excluded | length }} left out by people.</p>
</header>
<nav aria-label="Pages and contents">
  <p><b aria-current="page">Findings</b>
  {% for title, address in about.leads.items() %}
    <a href="{{ address }}">{{ title }}</a>
  {% endfor %}
  </p>
  {% if groups %}
  <p>
  {% for group in groups %}
    <a href="#{{ group.anchor }}">{{ group.title }} ({{ group.findings | length }})</a>
  {% endfor %}
  </p>
  {% endif %}
</nav>
<main id="findings" tabindex="-1">
{% if n_errors %}
<p class="state bad"><b>{{ count(n_errors, "error") }}, which stop the run</b>, and
{{ count(n_warnings, "warning") }}.</p>
<p class="way">{{ about.way_out }}</p>
{% elif n_warnings %}
<p class="state"><b>No error, {{ count(n_warnings, "warning") }}</b>: the run goes on. Each may be right as
it is, and is worth a look.</p>
{% else %}
<p class="state good"><b>Nothing was found.</b></p>
{% endif %}
{% if about.labels %}
<ul class="key" aria-label="Outlines">
{% for name in about.labels %}
  <li><span class="label-{{ loop.index }}"></span>{{ name }}</li>
{% endfor %}
</ul>
{% endif %}
{% if groups %}
<p class="soft">A picture shows the first channel, in the slice where something was found, which a ring marks;
else in that with the most of the labels. Right and left are those of radiologists: the patient's right is on
the left. Nobody has looked for text that is burnt into an image.</p>
{% endif %}
{% for group in groups %}
<section aria-labelledby="{{ group.anchor }}">
  <h2 id="{{ group.anchor }}">
    {% if group.is_error %}<span class="error">Error:</span>{% else %}Warning:{% endif %}

    {{ group.title }} ({{ group.findings | length }})</h2>
  {% if group.pictured %}
  <ul class="cards">
  {% for finding in group.pictured %}
    <li><figure>
{{ picture(finding) }}
    <figcaption>
      <p><b>{{ finding.case_id }}</b></p>
      <p>{{ finding.found }}</p>
      <p class="soft">expected {{ finding.expected }}</p>
      {% set view = finding.view %}
      <p class="soft">{{ view.plane.name }}, {{ view.number }} of {{ view.slices }}</p>
    </figcaption></figure></li>
  {% endfor %}
  </ul>
  {% endif %}
  {% if group.listed %}
  <ul class="list">
  {% for finding in group.listed %}
    <li><b>{{ finding.case_id or "The set" }}</b>: {{ finding.found }};
      <span class="soft">expected {{ finding.expected }}
      {%- if finding.without %} ({{ finding.without }}){% endif %}</span></li>
  {% endfor %}
  </ul>
  {% endif %}
</section>
{% endfor %}
{% if about.excluded %}
<section aria-labelledby="excluded">
  <h2 id="excluded">Left out by people</h2>
  <ul class="list">
  {% for case_id, reason in about.excluded %}
    <li><b>{{ case_id }}</b>: {{ reason }}</li>
  {% endfor %}
  </ul>
</section>
{% endif %}
</main>
</body>
</html>
"""
