"""Pairs of a COCO annotation file and its images folder."""

from pathlib import Path

import pytest

from curation.coco import PersonSelection, plan_persons
from curation.errors import InputRefused
from tests.curation.test_coco_persons import LARGE, person, write


def test_ids_of_two_pairs_must_differ(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)]])
    twice = PersonSelection(annotations=selection.annotations * 2, images=selection.images * 2)
    with pytest.raises(InputRefused, match="train2017_000000000001"):
        plan_persons(twice)
    other = PersonSelection(annotations=selection.annotations * 2, images=(*selection.images, tmp_path / "val2017"))
    with pytest.raises(InputRefused, match="no such folder"):
        plan_persons(other)
    (tmp_path / "val2017").mkdir()
    plan = plan_persons(other)
    assert [item.id for item in plan.items] == ["train2017_000000000001", "val2017_000000000001"]
    assert [source.name for source in plan.sources] == ["coco/train2017", "coco/val2017"]


def test_a_folder_is_needed_for_each_annotation_file(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="1 annotation files and 0 images folders"):
        plan_persons(PersonSelection(annotations=(tmp_path / "a.json",), images=()))
