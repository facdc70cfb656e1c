"""A picture of growth: lines over page views, both axes logarithmic, as an SVG that needs nothing but this module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 50
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#777777", "#dd7733", "#333333")

Point = tuple[float, float]


def growth_picture(title: str, lines: Mapping[str, Sequence[Point]]) -> str:
    """Each line's points are (page views, milliseconds), all above zero."""
    points = [point for line in lines.values() for point in line]
    across, up = _decades([x for x, _ in points]), _decades([y for _, y in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
        *_grid(across, up),
        *(part for place, (name, line) in enumerate(lines.items()) for part in _line(place, name, line, across, up)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _decades(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around all values."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)


def _x(value: float, across: tuple[int, int]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (log10(value) - across[0]) / (across[1] - across[0])


def _y(value: float, up: tuple[int, int]) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (log10(value) - up[0]) / (up[1] - up[0])


def _grid(across: tuple[int, int], up: tuple[int, int]) -> Iterator[str]:
    for power in range(across[0], across[1] + 1):
        x = _x(10**power, across)
        yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#dddddd"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{10**power:,}</text>'
    for power in range(up[0], up[1] + 1):
        y = _y(10**power, up)
        yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10**power:,} ms</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 12}" text-anchor="middle">page views of the account</text>'


def _line(place: int, name: str, line: Sequence[Point], across: tuple[int, int], up: tuple[int, int]) -> Iterator[str]:
    colour = COLOURS[place % len(COLOURS)]
    spots = [(_x(x, across), _y(y, up)) for x, y in line]
    yield (
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
        f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in spots)}"/>'
    )
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots)
    height = TOP + 14 + 20 * place
    yield f'<rect x="{WIDTH - RIGHT + 20}" y="{height - 10}" width="12" height="12" fill="{colour}"/>'
    yield f'<text x="{WIDTH - RIGHT + 38}" y="{height}">{escape(name)}</text>'
