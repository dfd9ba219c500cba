"""Persons whose outline is broken (fault A6): none of them becomes background."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as native

from curation.dataset.sample import Outcome, Plan
from curation.errors import InputRefused
from curation.quarantine import Code
from curation.sources.coco import BackgroundSelection, PersonSelection, plan_backgrounds, plan_persons
from tests.curation.sources.coco.test_agreement import decode
from tests.curation.sources.coco.test_persons import HEIGHT, LARGE, SMALL, WIDTH, box, person, run, write

THERE = (26, 4, 10, 12)
"""Left, top, width and height of somebody whose outline is broken."""
OUTLINE = box(*THERE)
ABSENT = "ABSENT"
"""Stands for a key that a record does not have."""
EMPTY = [None, [], [[]], "", ABSENT, [[1, 1, 2, 2]], [[30, 8]], {}, [OUTLINE[0][:7]], [None], OUTLINE[0], [[1e9] * 6]]


def written(folder: Path, images: list[list[dict[str, Any]]], **changes: Any) -> PersonSelection:
    selection = write(folder, images, **changes)
    content = json.loads(selection.annotations[0].read_text())
    for record in content["annotations"]:
        for key in [key for key, value in record.items() if value == ABSENT]:
            del record[key]
    selection.annotations[0].write_text(json.dumps(content))
    return selection


def backgrounds_of(selection: PersonSelection) -> Plan:
    return plan_backgrounds(BackgroundSelection(annotations=selection.annotations, images=selection.images))


def is_background(outcome: Outcome, folder: Path) -> Any:
    """Tell for each pixel of a sample whether it is believed to be background."""
    assert outcome.sample is not None
    mask = cv2.imread(str(folder / str(outcome.sample.mask)), cv2.IMREAD_UNCHANGED)
    ignore = outcome.sample.extra.get("ignore")
    ignored = np.zeros_like(mask) if ignore is None else cv2.imread(str(folder / ignore), cv2.IMREAD_UNCHANGED)
    assert set(np.unique(ignored)) <= {0, 128}
    return (mask == 0) & (ignored == 0)


def there() -> Any:
    left, top, width, height = THERE
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[top : top + height, left : left + width] = True
    return pixels


@pytest.mark.parametrize("segmentation", EMPTY, ids=lambda form: str(form)[:30])
@pytest.mark.parametrize("iscrowd", [0, 1])
@pytest.mark.parametrize("crowd", ["filter", "ignore"])
def test_somebody_without_an_outline_is_ignored_in_her_box(
    tmp_path: Path, segmentation: object, iscrowd: int, crowd: Any
) -> None:
    one = person(segmentation, iscrowd=iscrowd, bbox=list(THERE), area=120)
    plan = plan_persons(written(tmp_path, [[one], [person(LARGE), one]], crowd=crowd))
    if iscrowd and crowd == "filter":
        assert plan.filtered == {"crowd": 2}
        return
    assert [item.payload.image_id for item in plan.items] == [2], "alone she is set aside"
    [outcome] = run(plan, tmp_path / "out")
    assert not (is_background(outcome, tmp_path / "out") & there()).any()
    assert outcome.sample is not None
    assert outcome.sample.extra["broken_parts"] == 1
    assert [line.image_id for line in outcome.records] == ["2"]


@pytest.mark.parametrize("segmentation", EMPTY, ids=lambda form: str(form)[:30])
@pytest.mark.parametrize("iscrowd", [0, 1])
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"bbox": None},
        {"bbox": [0, 0, 0, 0], "area": 0},
        {"bbox": [0, 0, 5, 5], "area": 120},
        {"bbox": [60, 4, 9, 9]},
        {"bbox": [26, 4, -9, 9]},
        {"bbox": [26, 4, 9]},
        {"bbox": ["26", 4, 9, 9]},
        {"bbox": [26, 4, 1e9, 9]},
        {"bbox": [0.4, 0.1, 0.3, 0.2]},
    ],
    ids=str,
)
def test_an_image_on_which_nobody_can_tell_where_somebody_is_is_set_aside(
    tmp_path: Path, segmentation: object, iscrowd: int, said: dict[str, Any]
) -> None:
    one = person(segmentation, iscrowd=iscrowd, **said)
    plan = plan_persons(written(tmp_path, [[person(LARGE), one], [person(LARGE)]], crowd="ignore"))
    assert [item.payload.image_id for item in plan.items] == [2]
    assert [line.record_id for line in plan.quarantined] == ["1"]
    assert "where a person of the image is, is not known" in plan.quarantined[0].reason


@pytest.mark.parametrize("segmentation", EMPTY, ids=lambda form: str(form)[:30])
@pytest.mark.parametrize("iscrowd", [0, 1])
def test_an_image_with_somebody_without_an_outline_is_no_background(
    tmp_path: Path, segmentation: object, iscrowd: int
) -> None:
    chair = person(SMALL, category_id=84)
    one = person(segmentation, iscrowd=iscrowd)
    assert [item.payload.image_id for item in backgrounds_of(written(tmp_path, [[chair, one], [chair]])).items] == [2]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([], {}),
        ([4.0, 4.0, 4.0, 9.0], {}),
        ([4.0, 4.0, 4.0, 9.0], {"bbox": [0, 0, 3, 3]}),
        ([30, 10, 33], {"bbox": [26, 4, 10, 12], "area": 120}),
    ],
    ids=str,
)
def test_the_sound_part_of_an_outline_is_drawn_and_the_rest_is_ignored(
    tmp_path: Path, extra: list[float], said: dict[str, Any]
) -> None:
    sound = box(26, 4, 10, 6)[0]
    plan = plan_persons(written(tmp_path, [[person(LARGE), person([extra, sound], **said)]]))
    [outcome] = run(plan, tmp_path / "out")
    assert outcome.sample is not None
    mask = cv2.imread(str(tmp_path / "out" / str(outcome.sample.mask)), cv2.IMREAD_UNCHANGED)
    expected = decode(native.merge(native.frPyObjects([LARGE[0], sound], HEIGHT, WIDTH)))
    np.testing.assert_array_equal(mask, expected * 255)
    assert (outcome.sample.persons, outcome.sample.extra["broken_parts"]) == (2, 1)
    background = is_background(outcome, tmp_path / "out")
    if len(extra) == 4:
        assert not background[4:9, 4].any()
    if said.get("area"):
        assert not (background & there()).any()


def test_a_lying_box_does_not_tell_where_the_rest_of_an_outline_is(tmp_path: Path) -> None:
    sound = box(26, 4, 10, 6)[0]
    plan = plan_persons(written(tmp_path, [[person(LARGE), person([[30, 10, 33], sound], bbox=[0, 0, 9, 9])]]))
    assert (plan.items, [line.code for line in plan.quarantined]) == ([], [Code.POLY_SHAPE])


@pytest.mark.parametrize(
    "change",
    [{"iscrowd": "0"}, {"id": "x"}, {"category_id": "1"}, {"category_id": 1.0}, {"category_id": None}],
    ids=str,
)
def test_the_outline_of_a_broken_record_is_ignored(tmp_path: Path, change: dict[str, Any]) -> None:
    plan = plan_persons(written(tmp_path, [[person(LARGE), person(OUTLINE) | change]]))
    [outcome] = run(plan, tmp_path / "out")
    background = is_background(outcome, tmp_path / "out")
    assert not (background & there()).any()
    assert background[:, -2:].all()
    assert [line.code for line in plan.records] == [Code.JSON_VALUE]


def test_of_two_records_with_one_id_both_outlines_are_ignored(tmp_path: Path) -> None:
    twice = [person(OUTLINE, id=900), person(box(22, 0, 3, 3), id=900)]
    plan = plan_persons(written(tmp_path, [[person(LARGE), *twice]]))
    [outcome] = run(plan, tmp_path / "out")
    background = is_background(outcome, tmp_path / "out")
    assert not (background & there()).any()
    assert not background[:3, 22:25].any()


def test_the_folder_of_ignored_pixels_is_there_only_where_it_holds_some(tmp_path: Path) -> None:
    plan = plan_persons(written(tmp_path, [[person(LARGE)]]))
    run(plan, tmp_path / "out")
    assert plan.finish is not None
    plan.finish(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["images", "masks"]


sides = st.integers(3, 14)
rectangles = st.tuples(st.integers(0, WIDTH - 4), st.integers(0, HEIGHT - 4), sides, sides)
faults = st.sampled_from([None, "empty", "stub", "odd", "far", "part", "record", "lying"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(rectangles, faults, st.booleans()), min_size=1, max_size=4))
def test_no_person_is_ever_background_in_a_mask(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[tuple[int, int, int, int], str | None, bool]]
) -> None:
    # what pycocotools draws of the true outlines, whatever became of these in the file
    folder = tmp_path_factory.mktemp("coco")
    truth = np.zeros((HEIGHT, WIDTH), bool)
    records = []
    for where, fault, has_box in people:
        outline = box(*where)
        truth |= decode(native.merge(native.frPyObjects(outline, HEIGHT, WIDTH))) > 0
        upper = box(*where[:3], where[3] / 2)
        forms: dict[str | None, object] = {
            "empty": [],
            "stub": [outline[0][:4]],
            "odd": [outline[0][:7]],
            "far": [[*outline[0], 1e8, 1e8]],
            "part": [upper[0], outline[0][:5]],
            "lying": None,
        }
        found = person(forms.get(fault, outline), area=where[2] * where[3])
        found |= {"bbox": [0, 0, 1, 1] if fault == "lying" else list(where)} if has_box else {}
        records.append(found | ({"iscrowd": "no"} if fault == "record" else {}))
    selection = write(folder, [records], min_area=0.0)
    readable = [fault for _, fault, _ in people if fault != "record"]
    if len(readable) > 1 and all(fault in ("empty", "lying") for fault in readable):
        with pytest.raises(InputRefused, match="no outlines"):
            plan_persons(selection)
        return
    plan = plan_persons(selection)
    for outcome in run(plan, folder / "out"):
        assert not (is_background(outcome, folder / "out") & truth).any()
    if not any(fault for _, fault, _ in people):
        assert len(plan.items) == 1
