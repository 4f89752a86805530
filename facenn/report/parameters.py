"""The parameters on the page of a fit: what defines the face, and every slider and choice."""

import json
from collections.abc import Mapping

from facenn.report.markup import terms_html, text_html
from facenn.report.summary import FitSummary
from facenn.schema import Choice, Slider

DEFINING = 8  # sliders in the short list: as many as one reads at a glance


def defining_section(summary: FitSummary) -> str:
    """The few sliders furthest from neutral, and what was chosen."""
    ranked = _ranked(summary)
    rows = "".join(
        _slider_row(slider, value, f"{slider.group} · {slider.label}", _signed(_travel(slider, value)))
        for slider, value in ranked[:DEFINING] if _travel(slider, value))
    shown = (f'<ul class="bars" role="list">{rows}</ul>' if rows
             else "<p>Every slider is at its neutral position.</p>")
    chosen = terms_html({f"{c.group} · {c.label}": _chosen(summary, c) for c in summary.schema.choices})
    chosen = f'<dl class="chosen">{chosen}</dl>' if chosen else ""
    return f"""<section aria-labelledby="defining"><h2 id="defining">What defines this face</h2>
<p class="note">The sliders furthest from neutral, of {len(ranked)}; 1.00 is the end of the slider.</p>
{shown}
{chosen}</section>"""


def parameters_section(summary: FitSummary) -> str:
    """Every slider and choice by group, and all of them as JSON."""
    top = {slider.name for slider, _ in _ranked(summary)[:DEFINING]}
    groups = "\n".join(_group(summary, group, sliders, choices, opened=any(s.name in top for s in sliders))
                       for group, sliders, choices in summary.schema.by_group())
    named = json.dumps(summary.schema.to_named(summary.vector), indent=1, ensure_ascii=False)
    return f"""<section aria-labelledby="parameters"><h2 id="parameters">All parameters</h2>
<p class="note">Editor values from 0 to 1. The tick is neutral; the bar runs from there to the value. \
Groups without a defining slider start folded.</p>
{groups}
<details class="json"><summary><h3>As JSON</h3> <span>to copy</span></summary>
<pre tabindex="0">{text_html(named)}</pre></details>
</section>"""


def _group(
    summary: FitSummary, group: str, sliders: list[Slider], choices: list[Choice], *, opened: bool
) -> str:
    values = dict(zip(summary.schema.columns, summary.vector.tolist(), strict=True))
    rows = "".join(_slider_row(s, values[s.name], s.label, f"{values[s.name]:.3f}") for s in sliders)
    rows = f'<ul class="bars columns" role="list">{rows}</ul>' if rows else ""
    picks = "".join(_choice_block(c, _chosen(summary, c), summary.option_scores.get(c.name)) for c in choices)
    picks = f'<div class="choices">{picks}</div>' if picks else ""
    count = ", ".join(f"{len(items)} {word}{'' if len(items) == 1 else 's'}"
                      for items, word in ((sliders, "slider"), (choices, "choice")) if items)
    return (f"<details{' open' if opened or choices else ''}><summary><h3>{text_html(group)}</h3> "
            f"<span>{count}</span></summary>{rows}{picks}</details>")


def _choice_block(choice: Choice, chosen: str, scores: Mapping[str, float] | None) -> str:
    heading = f"<h4>{text_html(choice.label)}: <b>{text_html(chosen)}</b></h4>"
    if scores is None:
        others = ", ".join(option for option in choice.options if option != chosen)
        return f'<div>{heading}<p class="note">Not taken: {text_html(others)}</p></div>'
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    rows = "".join(_bar(option, 0, score, 0, f"{score:.1%}") for option, score in ranked)
    return f'<div>{heading}<ul class="bars" role="list">{rows}</ul></div>'


def _slider_row(slider: Slider, value: float, label: str, number: str) -> str:
    start = slider.neutral if slider.two_sided else 0.0
    return _bar(label, min(start, value), max(start, value), start, number)


def _bar(label: str, low: float, high: float, tick: float, number: str) -> str:
    return (f'<li><span>{text_html(label)}</span><span class="track" aria-hidden="true" '
            f'style="--low:{low:.2%};--high:{high:.2%};--tick:{tick:.2%}"></span>'
            f'<span class="number">{number}</span></li>')


def _ranked(summary: FitSummary) -> list[tuple[Slider, float]]:
    pairs = zip(summary.schema.sliders, summary.vector.tolist(), strict=False)
    return sorted(pairs, key=lambda pair: -abs(_travel(*pair)))


def _travel(slider: Slider, value: float) -> float:
    """How far a slider is from neutral, as a share of the way to the end on that side, in [-1, 1]."""
    room = 1 - slider.neutral if value > slider.neutral else slider.neutral
    return (value - slider.neutral) / room if room else 0.0


def _chosen(summary: FitSummary, choice: Choice) -> str:
    return choice.options[int(summary.vector[summary.schema.slices[choice.name]].argmax())]


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "\N{MINUS SIGN}")
