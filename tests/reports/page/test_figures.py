from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reports.page.figures import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, forest, histogram, lines


def test_the_bars_hold_every_image_once_and_grow_with_their_number() -> None:
    rng = np.random.default_rng(0)
    values = [rng.uniform(size=200), np.append(rng.beta(9, 2, 99), np.nan)]
    chart = histogram(values, mark=0.8)
    told = [int(bar.title.split(": ")[1].split()[0]) for bar in chart.bars]
    assert [sum(n for n, bar in zip(told, chart.bars) if bar.series == series) for series in (0, 1)] == [200, 99]
    heights = {bar.height / number for number, bar in zip(told, chart.bars)}
    assert max(heights) == pytest.approx(min(heights), rel=0.01)
    assert all(bar.y + bar.height == pytest.approx(HEIGHT - BOTTOM) for bar in chart.bars)


def test_bars_lie_inside_the_axes_and_beside_each_other() -> None:
    chart = histogram([np.linspace(0, 1, 50), np.linspace(0, 1, 70)], mark=0.8)
    spans = sorted((bar.x, bar.x + bar.width) for bar in chart.bars)
    assert spans[0][0] >= LEFT
    assert spans[-1][1] <= WIDTH - RIGHT
    assert all(end <= start + 0.02 for (_, end), (start, _) in pairwise(spans))
    assert chart.marks == (pytest.approx(LEFT + 0.8 * (WIDTH - LEFT - RIGHT), abs=0.01),)


def test_no_scores_make_an_empty_chart() -> None:
    assert histogram([np.array([np.nan])], mark=0.8).bars == ()
    assert lines([[]], names=("x", "y")).lines[0].points == ""


def test_a_line_runs_from_the_first_place_to_the_last_within_the_axes() -> None:
    chart = lines([[1.0, 3.0, 2.0]], names=("epoch", "loss"))
    points = [tuple(map(float, point.split(","))) for point in chart.lines[0].points.split()]
    assert [x for x, _ in points] == [LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT]
    assert points[1][1] < points[2][1] < points[0][1]  # up on the page is less in pixels
    assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in points)


def test_what_is_no_number_is_left_out_of_lines_and_bands() -> None:
    band = ([0.5, float("nan"), 0.7], [0.9, 0.9, 0.9])
    chart = lines([[1.0, float("nan"), 3.0]], names=("x", "y"), bands=[band], texts=["a", "b", "c"])
    assert len(chart.lines[0].points.split()) == 2
    assert [told for _, _, told in chart.lines[0].dots] == ["a", "c"]
    assert "nan" not in chart.lines[0].band


def test_one_place_is_drawn_too() -> None:
    chart = lines([[0.5]], names=("round", "mIoU"), bands=[([0.4], [0.6])], texts=["only"])
    assert len(chart.lines[0].dots) == 1


@pytest.mark.parametrize(("low", "high", "kind"), [(0.1, 0.2, "better"), (-0.2, -0.1, "worse"), (-0.1, 0.1, "open")])
def test_the_colour_of_an_interval_is_its_side_of_zero(low: float, high: float, kind: str) -> None:
    found = forest(low, value=(low + high) / 2, high=high, reach=0.2)
    assert found.kind == kind
    assert found.low < found.value < found.high
    assert found.zero == found.width / 2


def test_an_interval_without_reach_is_in_the_middle() -> None:
    found = forest(0.0, value=0.0, high=0.0, reach=0.0)
    assert found.low == found.high == found.zero
