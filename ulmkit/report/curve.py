"""One curve over a logarithmic axis as SVG, drawn without a plotting library: any browser and editor shows it."""

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 55  # margins in pixels, which hold the labels of the axes
TICKS = 6  # on the vertical axis, about


def steps_between(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, about `TICKS` of them.

    >>> steps_between(2.2, 4.1)
    [2.5, 3.0, 3.5, 4.0]
    """
    wide = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(wide))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wide)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def log_curve(
    x: Sequence[float],
    y: Sequence[float],
    *,
    title: str,
    x_label: str,
    y_label: str,
    marked: float,
    mark_label: str,
) -> str:
    """SVG of `y` over log10 `x`, with a line at x = `marked`.

    Points that are no numbers are left out; what lies far above the start does not squeeze the rest.
    """
    points = [(math.log10(a), b) for a, b in zip(x, y, strict=True) if a > 0 and math.isfinite(b)]
    left, right = math.log10(min(x)), math.log10(max(x))
    values = sorted(value for _, value in points)
    low, high = values[0], min(values[-1], points[0][1] + 0.5 * (points[0][1] - values[0]) + 1e-9)
    room = 0.05 * (high - low) or 1.0
    low, high = low - room, high + room

    def across(log_x: float) -> float:
        return LEFT + (log_x - left) / ((right - left) or 1.0) * (WIDTH - LEFT - RIGHT)

    def down(value: float) -> float:
        return TOP + (high - min(value, high)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    base, edge = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2:.0f}" y="22" text-anchor="middle" font-size="15">{escape(title)}</text>',
    ]
    for power in range(math.ceil(left - 1e-9), math.floor(right + 1e-9) + 1):
        place = across(power)
        parts.append(f'<path d="M{place:.1f} {TOP}V{base}" stroke="#ddd"/>')
        parts.append(f'<text x="{place:.1f}" y="{base + 18}" text-anchor="middle">1e{power}</text>')
    for value in steps_between(low, high):
        place = down(value)
        parts.append(f'<path d="M{LEFT} {place:.1f}H{edge}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{base}H{edge}" stroke="black" fill="none"/>')
    drawn = " ".join(f"{across(a):.1f},{down(b):.1f}" for a, b in points)
    parts.append(f'<polyline points="{drawn}" fill="none" stroke="#1f5fa8" stroke-width="1.8"/>')
    place = across(math.log10(marked))
    parts.append(f'<path d="M{place:.1f} {TOP}V{base}" stroke="#b03030" stroke-dasharray="5 4"/>')
    anchor, gap = ("end", -6) if place > WIDTH / 2 else ("start", 6)
    parts.append(
        f'<text x="{place + gap:.1f}" y="{TOP + 14}" text-anchor="{anchor}" fill="#b03030">{escape(mark_label)}</text>'
    )
    parts.append(f'<text x="{(LEFT + edge) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_label)}</text>')
    middle = (TOP + base) / 2
    parts.append(
        f'<text x="18" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 18 {middle:.0f})">'
        f"{escape(y_label)}</text>"
    )
    return "\n".join([*parts, "</svg>\n"])
