"""Persons whose link to their image is broken (fault A4): none of them becomes background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.quarantine import Code
from curation.sources.coco import plan_persons
from tests.curation.sources.coco.test_lost_persons import ABSENT, backgrounds_of, written
from tests.curation.sources.coco.test_persons import LARGE, SMALL, person

LINKS: list[tuple[object, bool]] = [
    *((form, True) for form in (1, "1", 1.0, "01")),
    *((form, False) for form in (ABSENT, None, "abc", "", "1.0", 2.5, 99, "99", 99.0, True, [1], {"id": 1})),
]


@pytest.mark.parametrize(("link", "is_read"), LINKS, ids=str)
@pytest.mark.parametrize("beside", [[], [person(SMALL)]], ids=["one", "two"])
def test_a_person_whose_link_is_wrong_leaves_no_image_person_free(
    tmp_path: Path, link: object, is_read: bool, beside: list[dict[str, Any]]
) -> None:
    chair = person(SMALL, category_id=84)
    record = person(LARGE, image_id=link)
    selection = written(tmp_path, [[chair, record, *beside], [chair]])
    backgrounds, persons = backgrounds_of(selection), plan_persons(selection)
    lines = [(line.code, line.field) for line in backgrounds.records]
    if is_read:
        assert [item.payload.image_id for item in backgrounds.items] == [2]
        assert [item.payload.image_id for item in persons.items] == [1]
        assert (lines, persons.filtered) == ([], {"no_person": 1})
        assert persons.notes.get("relinked") == (None if link == 1 and isinstance(link, int) else [1])
        return
    assert (backgrounds.items, lines) == ([], [(Code.ORPHAN_ANN, "image_id")])
    assert backgrounds.filtered["persons_unlinked"] == 2 - len(beside)
    assert persons.items == []
    assert persons.filtered["persons_unlinked"] == 2 - len(beside)
    assert "no_person" not in persons.filtered


@pytest.mark.parametrize("category", ["1", 1.0, None, ABSENT, "person", 7, [1]], ids=str)
def test_an_image_with_an_annotation_of_no_category_is_no_background(tmp_path: Path, category: object) -> None:
    chair = person(SMALL, category_id=84)
    selection = written(tmp_path, [[chair, person(LARGE, category_id=category)], [chair]])
    plan = backgrounds_of(selection)
    assert [item.payload.image_id for item in plan.items] == [2]
    assert [(line.code, line.field) for line in plan.records] == [(Code.JSON_VALUE, "category_id")]


def test_a_thing_whose_link_is_wrong_costs_no_background(tmp_path: Path) -> None:
    chair = person(SMALL, category_id=84)
    plan = backgrounds_of(written(tmp_path, [[chair], [chair, person(LARGE, category_id=84, image_id="x")]]))
    assert len(plan.items) == 2
    assert [line.code for line in plan.records] == [Code.ORPHAN_ANN]


@pytest.mark.parametrize("key", ["image_id", "category_id"])
def test_a_key_that_stands_twice_is_believed_neither_time(tmp_path: Path, key: str) -> None:
    chair = person(SMALL, category_id=84)
    selection = written(tmp_path, [[chair, person(LARGE)], [chair]])
    text = selection.annotations[0].read_text()
    at = text.index('"image_id": 1, "segmentation"', text.index('"image_id": 1, "segmentation"') + 1)
    other = {"image_id": 2, "category_id": 84}[key]
    end = text.index("}", at)
    selection.annotations[0].write_text(f'{text[:end]}, "{key}": {other}{text[end:]}')
    plan = backgrounds_of(selection)
    assert [item.payload.image_id for item in plan.items] == ([] if key == "image_id" else [2])
    assert [line.code for line in plan.records] == [Code.JSON_VALUE]


def test_a_person_of_an_image_that_is_set_aside_is_linked(tmp_path: Path) -> None:
    chair = person(SMALL, category_id=84)
    selection = written(tmp_path, [[person(LARGE)], [chair]])
    text = selection.annotations[0].read_text().replace('{"id": 1, "file_name"', '{"id": "1", "file_name"')
    selection.annotations[0].write_text(text)
    assert [item.payload.image_id for item in backgrounds_of(selection).items] == [2]
