"""The curve of the learning-rate finder: well-formed, labelled, and marked where it should be."""

import math
import xml.etree.ElementTree as ET

import pytest

from ulmkit.report.curve import LEFT, RIGHT, WIDTH, log_curve, steps_between

SVG = "{http://www.w3.org/2000/svg}"


def drawn(x: list[float], y: list[float], marked: float) -> ET.Element:
    return ET.fromstring(
        log_curve(
            x, y, title="a < b & c", x_label="learning rate", y_label="loss", marked=marked, mark_label="suggested"
        )
    )


RATES = [10 ** (-5 + i / 20) for i in range(101)]
LOSSES = [4 - math.exp(-((math.log10(rate) + 2) ** 2)) for rate in RATES]


def test_it_has_title_labels_and_a_tick_at_every_power_of_ten() -> None:
    texts = [text.text for text in drawn(RATES, LOSSES, 1e-2).iter(f"{SVG}text")]
    for wanted in ("a < b & c", "learning rate", "loss", "suggested", *(f"1e{power}" for power in range(-5, 1))):
        assert wanted in texts


@pytest.mark.parametrize(("marked", "share"), [(1e-5, 0.0), (10**-2.5, 0.5), (1.0, 1.0)])
def test_the_mark_stands_at_its_rate(marked: float, share: float) -> None:
    dashed = next(path for path in drawn(RATES, LOSSES, marked).iter(f"{SVG}path") if path.get("stroke-dasharray"))
    place = float(dashed.get("d", "").split()[0].removeprefix("M"))
    assert place == pytest.approx(LEFT + share * (WIDTH - LEFT - RIGHT), abs=0.1)


@pytest.mark.parametrize("last", [math.nan, math.inf, 1e30])
def test_what_explodes_at_the_end_leaves_the_rest_readable(last: float) -> None:
    line = next(drawn(RATES, [*LOSSES[:-1], last], 1e-2).iter(f"{SVG}polyline"))
    heights = [float(point.split(",")[1]) for point in line.get("points", "").split()]
    assert len(heights) in (100, 101)
    assert max(heights[:-1]) - min(heights[:-1]) > 150


def test_a_flat_curve_is_drawn_too() -> None:
    assert drawn([0.1, 1.0], [2.0, 2.0], 0.1) is not None


@pytest.mark.parametrize(("low", "high"), [(2.2, 4.1), (0.0, 1.0), (9.99, 10.0), (-3.0, 250.0)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = steps_between(low, high)
    assert 3 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
