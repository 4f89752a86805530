"""The page of a fit: photo and result side by side, how alike they are, and what the sliders say."""

import base64
import hashlib
from pathlib import Path

from facenn.files import replace_text
from facenn.report.curves import History, curves_png, steps_and_columns
from facenn.report.markup import image_html, terms_html, text_html
from facenn.report.parameters import defining_section, parameters_section
from facenn.report.summary import FitSummary, check_summary

ASSETS = Path(__file__).parent / "assets"


def write_report(path: Path, summary: FitSummary) -> None:
    """Write the page of one fit: one HTML file that needs nothing else and asks nothing of the network.

    Raises:
        SchemaError: a vector or option scores that do not fit the schema, or a vector that is not projected.
        FormatError: a picture that is not (H, W, 3) uint8, or losses of different lengths.
        TrainingError: a loss or measure that is not a finite number.
    """
    check_summary(summary)
    style, script = (f"\n{(ASSETS / name).read_text(encoding='utf-8')}" for name in ("page.css", "page.js"))
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    replace_text(path, f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{text_html(f"{summary.photo_name} as {summary.schema.character}")}</title>
<style>{style}</style>
</head>
<body>
{_header(summary)}
<main>
{_pictures(summary)}
<div class="pair">
{defining_section(summary)}
{_likeness(summary)}
</div>
{parameters_section(summary)}
{_course(summary.losses)}
</main>
{_footer(summary.photo_credit)}
<script>{script}</script>
</body>
</html>
""")


def _header(summary: FitSummary) -> str:
    facts = {
        "Character": f"{summary.schema.character} (schema {summary.schema.version})",
        "Model": summary.model,
        "Steps": f"{summary.steps:,}",
        "Time": f"{summary.seconds:.1f} s",
        "Seed": str(summary.seed),
    }
    return f"""<header>
<p class="eyebrow">Fitted face</p>
<h1>{text_html(summary.photo_name)}</h1>
<dl class="facts">{terms_html(facts)}</dl>
</header>"""


def _pictures(summary: FitSummary) -> str:
    photo = image_html("photo", summary.photo, "The photo, upright and cropped to the face")
    imitator = "" if summary.imitator is None else image_html(
        "imitator", summary.imitator, "The fitted face as the Imitator draws it")
    aside = ""
    if summary.engine is None:
        shown = imitator
        caption = ("<b>Fitted face</b> Imitator's picture: the game's own picture comes from loading "
                   "model.bytes there.")
    else:
        shown = image_html("engine", summary.engine, "The fitted face as the engine draws it")
        caption = "<b>Engine</b> What the game shows for these parameters."
    if summary.engine is not None and imitator:
        aside = f"""
<figure id="expected">{imitator}
<figcaption><b>Imitator</b> The network that steered the fit expected this of the engine. \
It is no part of the result.</figcaption></figure>"""
    return f"""<section class="pictures" aria-label="Pictures">
<figure id="photo">{photo}
<figcaption><b>Photo</b> The aligned crop that the fit looked at.</figcaption></figure>
<figure id="fitted"><div class="stage">{shown}</div>
<figcaption>{caption}
<label hidden>Lay the photo over it <input type="range" min="0" max="100" value="0"></label>
</figcaption></figure>{aside}
</section>"""


def _likeness(summary: FitSummary) -> str:
    rows = []
    for measure in summary.measures:
        role = "not used by the fit" if measure.independent else "used by the fit"
        verdict = ""
        if measure.reference is not None:
            side = "below" if measure.value < measure.reference else "not below"
            verdict = f'<span class="role">{side} {measure.reference:g}</span>'
        rows.append(f'<tr><th scope="row">{text_html(measure.name)}<span class="role">{role}</span></th>'
                    f'<td class="number">{measure.value:.3f}{verdict}</td>'
                    f"<td>{text_html(measure.explanation)}</td></tr>")
    judged = ("the engine's picture; lower is more alike." if summary.engine is not None
              else "the Imitator's picture; lower is more alike. The game may draw the face differently.")
    return f"""<section aria-labelledby="likeness"><h2 id="likeness">Likeness</h2>
<p class="note">Distances between the photo and {judged}</p>
<table><thead><tr><th scope="col">Measure</th><th scope="col">Value</th>
<th scope="col">What it says</th></tr></thead>
<tbody>{"".join(rows)}</tbody></table></section>"""


def _course(losses: History) -> str:
    steps, columns = steps_and_columns(losses)
    if len(steps) == 1:
        return ""  # a fit in one shot has no course
    ends = [(name, [value for value in column if value is not None]) for name, column in columns.items()]
    spoken = "; ".join(f"{name} from {values[0]:.3g} to {values[-1]:.3g}" for name, values in ends if values)
    encoded = base64.b64encode(curves_png(losses)).decode()
    return f"""<section aria-labelledby="course"><h2 id="course">Course of the fit</h2>
<p class="note">What the fit minimised, step by step.</p>
<div class="plot" tabindex="0"><img src="data:image/png;base64,{encoded}" width="1600" height="800" \
alt="Losses: {text_html(spoken)}"></div>
</section>"""


def _footer(photo_credit: str | None) -> str:
    credit = f"<p>Photo: {text_html(photo_credit)}</p>\n" if photo_credit else ""
    return f"""<footer>
{credit}<p>The photo was fitted on this machine and was sent nowhere. This page loads nothing from the \
network, but it contains the photo: whoever gets the page gets the photo.</p>
</footer>"""
