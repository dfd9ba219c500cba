from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reports.experiments.simulation_page import SimulationReport, best_of, verdict, write_simulation_page
from reports.experiments.simulation_table import (
    Curve,
    area,
    change_cells,
    curves_csv,
    labels_needed,
    rows_of_curves,
    strategy_cells,
)
from tests.reports.scored_tables import scored

LABELS = [10, 20, 40]


def curve(strategy: str, seed: int, *points: list[float]) -> Curve:
    return Curve(strategy=strategy, seed=seed, labels=LABELS[: len(points)], scores=[scored(one) for one in points])


CURVES = [
    curve("uncertainty", 0, [0.5, 0.5], [0.7, 0.7], [0.8, 0.8]),
    curve("uncertainty", 1, [0.4, 0.4], [0.6, 0.6], [0.6, 0.6]),
    curve("random", 0, [0.5, 0.5], [0.6, 0.6], [0.8, 0.8]),
    curve("random", 1, [0.4, 0.4], [0.6, 0.6], [0.6, 0.8]),
]


def test_the_area_is_that_of_trapezoids_by_the_width() -> None:
    # (0.5 + 0.7) / 2 * 10 + (0.7 + 0.8) / 2 * 20 = 21, by 30
    assert area([0.5, 0.7, 0.8], at=LABELS) == pytest.approx(0.7)
    assert area(np.full((3, 2), 0.25), at=LABELS) == pytest.approx([0.25, 0.25])


def test_curves_and_areas_are_worked_by_hand() -> None:
    random, uncertainty = rows_of_curves(CURVES, labels=LABELS, seed=0)
    assert (random.strategy, random.change) == ("random", None)
    assert uncertainty.miou[1] is not None and uncertainty.area is not None and uncertainty.change is not None
    assert (uncertainty.miou[1].mean, uncertainty.miou[1].std) == pytest.approx((0.65, 0.005**0.5))
    # seed 0: 0.7; seed 1: (0.4 + 0.6) / 2 * 10 + 0.6 * 20 = 17, by 30
    assert uncertainty.area.values == pytest.approx((0.7, 17 / 30))
    # seed 0: 0.1 more in the middle, which counts for (10 + 20) / 2 of 30; seed 1: 0.2 less for one image at the end
    assert uncertainty.change.differences == pytest.approx((0.05, -1 / 30))
    assert uncertainty.change.gained == 1
    # the first image: +0.05 and 0; the second: +0.05 and -0.2 / 2 * 20 / 30
    each = [0.025, (0.05 - 2 / 30) / 2]
    assert uncertainty.change.images.difference == pytest.approx(np.mean(each))
    assert (uncertainty.change.images.low, uncertainty.change.images.high) == pytest.approx((min(each), max(each)))


def test_the_labels_that_bring_what_random_brings_in_the_end() -> None:
    # seed 0: 0.8 is reached at 40; seed 1: random ends at 0.7, above all that uncertainty brings
    random, uncertainty = rows_of_curves(CURVES, labels=LABELS, seed=0)
    assert random.needed is None and uncertainty.needed is not None and uncertainty.needed.labels is not None
    assert (uncertainty.needed.labels.values, uncertainty.needed.seeds) == ((40,), 2)
    assert strategy_cells([uncertainty], labels=LABELS)[1][0][5] == "40 (100 %), in 1 of 2 seeds"
    assert labels_needed([0.4, 0.5, 0.8], at=LABELS, goal=0.65) == pytest.approx(30)
    assert labels_needed([0.7, 0.5, 0.8], at=LABELS, goal=0.65) == 10
    assert labels_needed([0.4, 0.5, 0.6], at=LABELS, goal=0.65) is None


def test_changes_at_each_number_of_labels_are_worked_by_hand() -> None:
    random, uncertainty = rows_of_curves(CURVES, labels=LABELS, seed=0)
    assert random.changes == [None, None, None]
    found = [one.differences for one in uncertainty.changes if one is not None]
    assert [list(one) for one in found] == [pytest.approx(one) for one in ([0, 0], [0.1, 0], [0, -0.1])]
    assert change_cells([random, uncertainty], labels=LABELS) == (
        ["selection", "20 labels", "40 labels"],
        [["uncertainty", "+0.0500", "-0.0500"]],
    )


def test_what_correcting_recovers_is_worked_by_hand() -> None:
    curves = [replace(one, found=[0, 3 + one.seed]) for one in CURVES]
    right = {0: scored([0.9, 0.9]), 1: scored([0.7, 0.7]), 2: scored([0.1, 0.1])}
    rows = rows_of_curves(curves, labels=LABELS, seed=0, right=right)
    random, uncertainty = (row.recovered for row in rows)
    assert random is not None and uncertainty is not None
    # the gap is 0.4 and 0.3; uncertainty gains 0.3 and 0.2, random 0.3 and (0.2 + 0.4) / 2
    assert (uncertainty.value, random.value) == (pytest.approx(0.5 / 0.7), pytest.approx(0.6 / 0.7))
    head, cells = strategy_cells(rows, labels=LABELS)
    assert head[6:8] == ["wrong labels found", "gap recovered"] and cells[1][6:8] == ["3.5 ± 0.7", "71 % (no interval)"]
    assert "gap recovered" not in strategy_cells(rows_of_curves(CURVES, labels=LABELS, seed=0), labels=LABELS)[0]


def test_a_curve_that_ended_early_has_points_and_no_area() -> None:
    short = Curve(strategy="diverse", seed=0, labels=[10], scores=[scored([0.5])], problem="broken")
    row = next(one for one in rows_of_curves([*CURVES, short], labels=LABELS, seed=0) if one.strategy == "diverse")
    assert row.miou[0] is not None and row.miou[2] is None
    assert (row.area, row.change, row.problems) == (None, None, {0: "broken"})


def test_csv_holds_every_point() -> None:
    read = list(csv.DictReader(io.StringIO(curves_csv(CURVES).decode())))
    assert len(read) == 12
    assert float(read[1]["miou"]) == pytest.approx(0.7)
    assert read[1]["labels"] == "20"


def test_the_verdict_is_that_of_the_intervals() -> None:
    better = [curve("mixed", seed, [0.9, 0.8], [0.9, 0.8], [0.9, 0.9]) for seed in (0, 1, 2)]
    assert verdict(rows_of_curves([*CURVES, *better], labels=LABELS, seed=0))[0] == "Too few seeds to compare"
    third = [curve("random", 2, [0.5, 0.5], [0.5, 0.6], [0.7, 0.8])]
    third += [curve("uncertainty", 2, [0.5, 0.5], [0.5, 0.6], [0.7, 0.8])]
    head, told = verdict(rows_of_curves([*CURVES, *better, *third], labels=LABELS, seed=0))
    assert (head, told) == ("1 of 2 selections better than random", "Better than random: mixed.")
    assert verdict(rows_of_curves(CURVES[2:], labels=LABELS, seed=0))[0] == "Nothing can be compared with random"
    # mixed begins above all that random reaches; uncertainty ends below it with one seed; two seeds do not tell
    assert best_of(rows_of_curves([*CURVES, *better, *third], labels=LABELS, seed=0)) == (
        "Labels for what random reaches in the end: 10 (25 %) by mixed."
    )
    assert best_of(rows_of_curves([*CURVES, *better], labels=LABELS, seed=0)) == ""
    right = {seed: scored([1.0, 1.0]) for seed in range(3)}
    mended = rows_of_curves([*CURVES, *third], labels=LABELS, seed=0, right=right)
    assert best_of(mended).startswith("random recovers 53 % (")  # (0.3 + 0.3 + 0.25) / (0.5 + 0.6 + 0.5)


def test_the_page_draws_each_strategy_and_escapes_texts(tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)>"
    broken = Curve(strategy="diverse", seed=0, problem=bad)
    report = SimulationReport(
        title=bad,
        rows=rows_of_curves([*CURVES, broken], labels=LABELS, seed=0),
        labels=LABELS,
        seeds=[0, 1],
        facts={"test images": "2"},
        settings=bad,
        command=bad,
    )
    write_simulation_page(report, out=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<img" not in page and page.count("&lt;img src=x") == 5  # the title is there twice
    assert page.count("<polyline") == 3 and "line s2" in page
    assert "Against random, with as many labels" in page
    assert "uncertainty, 20 labels: 0.6500" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
