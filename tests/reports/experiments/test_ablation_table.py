from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest

from reports.experiments.ablation_page import verdict
from reports.experiments.ablation_table import ArmScores, csv_text, markdown_text, rows_of, table_cells
from tests.reports.scored_tables import scored

FIRST = ArmScores(name="first", scores={0: scored([0.8, 0.6]), 1: scored([0.9, 0.7])})
OTHER = ArmScores(name="other", scores={0: scored([0.9, 0.7]), 1: scored([0.8, 0.7])})


def test_the_numbers_are_worked_by_hand() -> None:
    first, other = rows_of([FIRST, OTHER], seed=0)
    miou, std, boundary = (first.numbers[name] for name in ("miou", "std", "boundary_iou"))
    assert miou is not None and std is not None and boundary is not None
    assert miou.values == pytest.approx((0.7, 0.8))
    assert (miou.mean, miou.std) == pytest.approx((0.75, 0.005**0.5))
    assert std.values == pytest.approx((0.1, 0.1))
    assert boundary.mean == pytest.approx(0.375)
    assert first.numbers["hole_recall"] is None
    assert first.change is None and other.change is not None
    # by image: 0.85 to 0.85, and 0.65 to 0.7; by seed: +0.1 and -0.05
    assert other.change.images.difference == pytest.approx(0.025)
    assert other.change.differences == pytest.approx((0.1, -0.05))
    assert other.change.gained == 1
    assert (other.change.images.low, other.change.images.high) == pytest.approx((0.0, 0.05))
    assert other.change.overall is None
    head, (_, cells) = table_cells([first, other])
    assert dict(zip(head, cells, strict=True))["95 % interval"] == "too few seeds to compare"


def test_seeds_that_one_arm_lacks_are_left_out_of_the_comparison() -> None:
    short = ArmScores(name="short", scores={1: scored([1.0, 0.8])}, problems={0: "broken"})
    row = rows_of([FIRST, short], seed=0)[1]
    assert row.change is not None
    assert row.change.images.difference == pytest.approx(0.1)
    assert row.seeds == (1,)
    none = ArmScores(name="none", scores={}, problems={0: "x", 1: "x"})
    assert rows_of([FIRST, none], seed=0)[1].change is None
    assert rows_of([none, FIRST], seed=0)[1].change is None


def test_images_in_another_order_are_paired_by_name() -> None:
    table = scored([0.9, 0.7])
    turned = ArmScores(name="turned", scores={0: table.take(pa.array([1, 0])), 1: scored([0.8, 0.7])})
    assert rows_of([FIRST, turned], seed=0)[1].change == rows_of([FIRST, OTHER], seed=0)[1].change


def test_a_prediction_that_is_not_finite_is_counted_and_left_out() -> None:
    arm = ArmScores(name="nan", scores={0: scored([None, 0.7]), 1: scored([0.8, 0.7])})
    row = rows_of([FIRST, arm], seed=0)[1]
    assert row.not_finite == 1
    assert row.change is not None
    assert (row.change.images.images, row.change.images.left_out) == (1, 1)


def test_each_test_set_has_a_column_where_there_are_several() -> None:
    both = pa.concat_tables([scored([0.8]), scored([0.6], dataset="u")])
    head, (cells,) = table_cells(rows_of([ArmScores(name="a", scores={0: both})], seed=0))
    found = dict(zip(head, cells, strict=True))
    assert (found["mIoU"], found["mIoU t"], found["mIoU u"]) == ("0.7000", "0.8000", "0.6000")
    assert not any(name.startswith("mIoU ") for name in table_cells(rows_of([FIRST], seed=0))[0])


def test_csv_and_markdown_hold_any_name() -> None:
    name = 'a|b, "c"\n<script>alert(1)</script>'
    rows = rows_of([FIRST, ArmScores(name=name, scores=OTHER.scores)], seed=0)
    read = list(csv.DictReader(io.StringIO(csv_text(rows).decode())))
    assert read[1]["arm"] == name
    assert float(read[1]["difference"]) == pytest.approx(0.025)
    assert float(read[0]["miou_std"]) == pytest.approx(0.005**0.5)
    lines = markdown_text(rows).decode().splitlines()
    assert len(lines) == 4
    assert "<script" not in lines[3].replace("\\<", "")
    assert "\\|b" in lines[3]


def of_seeds(name: str, *mious: list[float | None]) -> ArmScores:
    return ArmScores(name=name, scores={seed: scored(one) for seed, one in enumerate(mious)})


def test_the_verdict_names_what_seeds_and_images_tell_apart() -> None:
    """An arm that gains much with every seed is better; one that gains as much on average, by one seed alone, is not,
    though each image gains; with two seeds in common nothing is told."""
    first = of_seeds("first", [0.5, 0.6], [0.51, 0.61], [0.52, 0.62])
    better = of_seeds("up", [0.7, 0.8], [0.71, 0.81], [0.72, 0.82])
    lucky = of_seeds("lucky", [0.5, 0.6], [0.51, 0.61], [1.0, 1.0])
    worse = of_seeds("down", [0.1, 0.2], [0.11, 0.21], [0.12, 0.22])
    failed = ArmScores(name="gone", scores={}, problems={0: "x"})
    rows = rows_of([first, better, lucky, worse, failed], seed=0)
    chance = rows[2].change
    assert chance is not None and chance.images.low is not None and chance.images.low > 0
    head, told = verdict(rows)
    assert head == "1 of 3 arms better than the first, first"
    assert told == "1 better: up. 1 worse: down. 1 failed: gone."
    assert verdict(rows_of([first, lucky], seed=0))[1].startswith("Seeds and test images show no difference")
    short = of_seeds("short", [0.9, 0.9], [0.9, 0.9])
    assert verdict(rows_of([first, short], seed=0))[0] == "Too few seeds to compare"
    assert "1 with too few seeds to compare: short" in verdict(rows_of([first, better, short], seed=0))[1]
    assert verdict(rows_of([first], seed=0))[0] == "There is nothing to compare with"
    assert verdict(rows_of([failed, first], seed=0))[0] == "Nothing can be compared"
