"""The table and the chart that a run leaves under docs/."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
COLUMNS = ("what", "floor", "ours", "ratio", "wanted")


@dataclass(frozen=True)
class Line:
    """One comparison. `good`: None where nothing is promised. `share`: ours as a part of what is promised, for the
    chart."""

    what: str
    floor: str
    ours: str
    ratio: str
    wanted: str = ""
    good: bool | None = None
    share: float | None = None


def table(lines: list[Line], *, head: str) -> str:
    rows = [COLUMNS, *((one.what, one.floor, one.ours, one.ratio, one.wanted + _mark(one)) for one in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([head, "", text[0], "  ".join("-" * width for width in widths), *text[1:]]) + "\n"


def write(lines: list[Line], *, head: str) -> str:
    """Writes docs/bench.txt and docs/bench.svg; the table."""
    told = table(lines, head=head)
    (DOCS / "bench.txt").write_text(told, encoding="utf-8")
    (DOCS / "bench.svg").write_text(chart([one for one in lines if one.share is not None]), encoding="utf-8")
    return told


def chart(lines: list[Line]) -> str:
    """Bars: how much of what is allowed or wanted each line reaches; the mark is the promise."""
    height, scale, left = 26, 300, 300
    bars = []
    for number, one in enumerate(lines):
        y = 34 + number * height
        width = min(one.share or 0, 2.0) * scale / 1.5
        colour = "#2f9e58" if one.good else "#c2452d"
        bars.append(
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(one.what)}</text>'
            f'<rect x="{left}" y="{y}" width="{width:.0f}" height="17" rx="3" fill="{colour}"/>'
            f'<text x="{left + width + 6:.0f}" y="{y + 13}">{escape(one.ratio)}</text>'
        )
    mark = left + scale / 1.5
    total = 44 + len(lines) * height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {total}" font-family="system-ui,sans-serif" '
        f'font-size="12" fill="#334"><rect width="780" height="{total}" fill="#fff"/>'
        f'<text x="{mark}" y="20" text-anchor="middle">promise</text>'
        f'<line x1="{mark}" x2="{mark}" y1="26" y2="{total - 8}" stroke="#889" stroke-dasharray="4 3"/>'
        + "".join(bars)
        + "</svg>\n"
    )


def _mark(one: Line) -> str:
    return "" if one.good is None else "  ok" if one.good else "  MISSED"
