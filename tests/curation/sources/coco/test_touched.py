"""How much of a person's outline touches the annotations of other things."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.sources.coco.persons import plan_persons
from tests.curation.sources.coco.test_persons import LARGE, box, person, run, write


def test_how_much_of_an_outline_touches_other_things_is_measured(tmp_path: Path) -> None:
    """Worked out by hand: within the frame the outline has 29 pixels, 20 of them at the bottom and 9 more at the right;
    a bench below is nearer than 3 pixels to the 20 and to 2 of the 9, a book that is held counts for nothing."""
    bench, book = person(box(0, 10, 20, 10), category_id=14), person(box(5, 2, 3, 3), category_id=84)
    images = [[person(LARGE)], [person(LARGE), book], [person(LARGE), bench, book]]
    found = run(plan_persons(write(tmp_path, images)), tmp_path / "out")
    told = [one.sample.extra["touched"] for one in found if one.sample is not None]
    assert told == [0, 0, pytest.approx(22 / 29, abs=1e-4)]
    broken = [person(LARGE), person([[1]], category_id=14), bench]
    [outcome] = run(plan_persons(write(tmp_path, [broken])), tmp_path / "again")
    assert outcome.sample is not None and outcome.sample.extra["touched"] == pytest.approx(22 / 29, abs=1e-4)
