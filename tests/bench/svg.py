"""Plots as SVG, without a library: bars, and lines over logarithmic axes."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from statistics import median
from typing import Final, NamedTuple

from .results import Bench
from .table import seconds

_FONT: Final = 'font-family="system-ui, sans-serif" font-size="13"'
_INK: Final = "#24292f"
_FAINT: Final = "#d0d7de"
_FAINT_INK: Final = "#6e7781"
_OURS: Final = "#0969da"
_OTHERS: Final = "#8c959f"
COLOURS: Final = ("#0969da", "#bc4c00", "#1a7f37", "#8250df")


def _picture(width: int, height: int, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'{_FONT} fill="{_INK}">\n<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def bench(found: Bench) -> str:
    """Draw how long each command takes, on a logarithmic scale."""
    part = found.parts[0]
    rows = [(row.name, row.cores, median(row.seconds)) for row in part.rows]
    left, right, top, step = 230, 90, 64, 26
    width, height = 860, top + step * len(rows) + 16
    low = 10 ** math.floor(math.log10(min(value for *_, value in rows)))
    high = 10 ** math.ceil(math.log10(max(value for *_, value in rows)))
    scale = (width - left - right) / math.log10(high / low)
    parts = [_text(16, 26, f"Time for a capture of {part.octets / 1e6:,.0f} MB (logarithmic)", more=' font-size="16"')]
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        x = left + scale * (power - math.log10(low))
        parts.append(f'<path d="M{x:.1f} {top - 8}V{height - 16}" stroke="{_FAINT}"/>')
        parts.append(_text(x, top - 14, f"{10.0**power:g} s", "middle", f' fill="{_FAINT_INK}"'))
    for at, (name, cores, value) in enumerate(rows):
        y = top + step * at
        colour = _OURS if name.startswith("osloshark") else _OTHERS
        bar = scale * math.log10(value / low)
        parts.append(_text(left - 8, y + 15, name + (f", {cores} cores" if cores > 1 else ""), "end"))
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{bar:.1f}" height="{step - 8}" fill="{colour}"/>')
        parts.append(_text(left + bar + 6, y + 15, seconds(value)))
    return _picture(width, height, parts)


class Line(NamedTuple):
    """A line of a plot."""

    name: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """A plot of several lines over one axis, which is logarithmic; the other one begins at 0."""

    title: str
    below: str
    """What the axis below is."""
    lines: Sequence[Line]


def panels(title: str, found: Sequence[Panel], columns: int = 2) -> str:
    """Draw several plots side by side."""
    wide, high = 430, 280
    rows = -(-len(found) // columns)
    parts = [_text(16, 26, title, more=' font-size="16"')]
    for at, panel in enumerate(found):
        x, y = wide * (at % columns), 48 + high * (at // columns)
        parts.append(f'<g transform="translate({x} {y})">')
        parts.extend(_panel(panel, wide, high))
        parts.append("</g>")
    return _picture(wide * columns, 48 + high * rows, parts)


def _panel(panel: Panel, wide: int, high: int) -> Iterable[str]:
    left, right, top, bottom = 56, 40, 36, 66
    step = _step(max(value for line in panel.lines for _, value in line.points))
    most = max(value for line in panel.lines for _, value in line.points)
    ticks = math.ceil(most / step)
    places = [x for x, _ in panel.lines[0].points]

    def across(value: float) -> float:
        return left + (wide - left - right) * math.log(value / places[0]) / math.log(places[-1] / places[0])

    def down(value: float) -> float:
        return high - bottom - (high - top - bottom) * value / (step * ticks)

    yield _text(left, 16, panel.title, more=' font-weight="600"')
    for tick in range(ticks + 1):
        y = down(step * tick)
        yield f'<path d="M{left} {y:.1f}H{wide - right}" stroke="{_FAINT}"/>'
        yield _text(left - 6, y + 4, f"{step * tick:,g}", "end", f' fill="{_FAINT_INK}"')
    for place in places:
        yield _text(across(place), high - bottom + 18, _short(place), "middle", f' fill="{_FAINT_INK}"')
    yield _text((left + wide - right) / 2, high - bottom + 36, panel.below, "middle")
    for at, line in enumerate(panel.lines):
        colour = COLOURS[at % len(COLOURS)]
        points = [(across(x), down(y)) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        x, y = wide - right - 95 * (len(panel.lines) - 1 - at), 16
        yield _text(x, y, line.name, "end", f' fill="{colour}"')


def _step(most: float) -> float:
    """Give a round number of which a few make the most."""
    power = 10.0 ** math.floor(math.log10(most / 2))
    return next(factor * power for factor in (0.5, 1, 2, 5, 10) if most / (factor * power) <= 6)


def _short(value: float) -> str:
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g}{letter}"
    return f"{value:g}"
