"""Polygons that cover no pixel: lines, and shares of the frame. Whom they mean is no background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.quarantine import Code
from curation.sources.coco import plan_persons
from tests.curation.sources.coco.test_lost_persons import THERE, is_background, written
from tests.curation.sources.coco.test_persons import HEIGHT, LARGE, box, person, run

SHARES = [0.65, 0.125, 0.9, 0.125, 0.9, 0.5, 0.65, 0.5]
LINE = [26, 10, 36, 16, 26, 10]


@pytest.mark.parametrize(
    ("outline", "said", "where"),
    [
        ([SHARES], {}, None),
        ([SHARES], {"bbox": [0.65, 0.125, 0.25, 0.375]}, None),
        ([SHARES], {"bbox": list(THERE)}, THERE),
        ([SHARES[:4]], {}, None),
        ([LINE], {}, (26, 10, 10, 6)),
        ([LINE, *box(26, 4, 10, 6)], {}, THERE),
        ([[26, 10, 26, 16, 26, 10]], {"bbox": list(THERE)}, THERE),
    ],
    ids=str,
)
def test_a_polygon_that_covers_no_pixel_is_somebody_too(
    tmp_path: Path,
    outline: list[list[float]],
    said: dict[str, Any],
    where: tuple[int, int, int, int] | None,
) -> None:
    # somebody else is large, and said with more numbers, so that her outline is looked at first
    other = [0, 0, *[0, HEIGHT, 20, HEIGHT, 20, 0] * 5]
    plan = plan_persons(written(tmp_path, [[person([other]), person(outline, **said)]]))
    if where is None:
        assert (plan.items, [line.record_id for line in plan.quarantined]) == ([], ["1"])
        return
    [outcome] = run(plan, tmp_path / "out")
    background = is_background(outcome, tmp_path / "out")
    left, top, width, height = where
    assert not background[top : top + height, left : left + width].any()
    assert background[:, -2:].all()
    assert [line.code for line in outcome.records] == [Code.ZERO_AREA]
    assert outcome.sample is not None and outcome.sample.extra["broken_parts"] == 1


def test_a_speck_beside_an_outline_is_no_fault(tmp_path: Path) -> None:
    plan = plan_persons(written(tmp_path, [[person([*LARGE, [30, 10, 31, 10, 30, 10]])]]))
    [outcome] = run(plan, tmp_path / "out")
    assert outcome.sample is not None and outcome.sample.extra["broken_parts"] == 0
