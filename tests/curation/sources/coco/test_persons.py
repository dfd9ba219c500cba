import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pycocotools import mask as native

from curation.dataset.sample import Outcome, Plan
from curation.quarantine import Code
from curation.sources.coco import BackgroundSelection, PersonSelection, plan_backgrounds, plan_persons

HEIGHT, WIDTH = 20, 40
CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 62, "name": "chair", "supercategory": "furniture"},
    {"id": 14, "name": "bench", "supercategory": "outdoor"},
    {"id": 84, "name": "book", "supercategory": "indoor"},
]
NUMBERS = itertools.count(1)


def box(x: float, y: float, w: float, h: float) -> list[list[float]]:
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


LARGE = box(0, 0, 20, 10)
"""200 of the 800 pixels."""
SMALL = box(0, 0, 5, 4)
"""20 pixels: 2.5 %."""


def person(segmentation: object, **changes: Any) -> dict[str, Any]:
    return {"segmentation": segmentation, "iscrowd": 0, "category_id": 1} | changes


def write(folder: Path, images: list[list[dict[str, Any]]], **changes: Any) -> PersonSelection:
    """Write one image of 40 x 20 for each list of annotations, with ids from 1 on."""
    records, annotations = [], []
    (folder / "train2017").mkdir(exist_ok=True)
    for number, people in enumerate(images, start=1):
        name = f"{number:012d}.jpg"
        cv2.imwrite(str(folder / "train2017" / name), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
        records.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, "license": 3})
        annotations += [{"id": next(NUMBERS), "image_id": number} | one for one in people]
    content = {"images": records, "annotations": annotations, "categories": CATEGORIES}
    (folder / "instances.json").write_text(json.dumps(content))
    return PersonSelection(annotations=(folder / "instances.json",), images=(folder / "train2017",), **changes)


def run(plan: Plan, folder: Path) -> list[Outcome]:
    for name in plan.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [plan.work(pickle.loads(pickle.dumps(item)), folder) for item in plan.items]


def test_every_reason_is_counted_and_the_sum_holds(tmp_path: Path) -> None:
    crowd = person({"size": [HEIGHT, WIDTH], "counts": [0, 100, 700]}, iscrowd=1)
    images = [
        [person(LARGE)],
        [person(SMALL)],
        [],
        [person(SMALL, category_id=62)],
        [person(LARGE), crowd],
        [crowd],
        [person(LARGE), person(SMALL), person(SMALL)],
        [person([])],
    ]
    plan = plan_persons(write(tmp_path, images, max_persons=2))
    assert [item.id for item in plan.items] == ["train2017_000000000001"]
    assert plan.filtered == {"person_too_small": 1, "no_person": 2, "crowd": 2, "too_many_persons": 1}
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(Code.EMPTY_SEG, "8")]
    assert plan.considered == 8


def test_a_sample_says_where_it_came_from(tmp_path: Path) -> None:
    plan = plan_persons(write(tmp_path, [[person(LARGE), person(SMALL)]]))
    [outcome] = run(plan, tmp_path / "out")
    sample = outcome.sample
    assert sample is not None
    assert (sample.id, sample.source, sample.source_id) == ("train2017_000000000001", plan.sources[0].name, "1")
    assert (sample.width, sample.height, sample.persons, sample.person_area) == (WIDTH, HEIGHT, 2, 0.25)
    assert (sample.license, sample.label_version) == (f"unknown (id 3 of {sample.source})", 0)
    original = tmp_path / "train2017" / "000000000001.jpg"
    assert (tmp_path / "out" / sample.image).read_bytes() == original.read_bytes()
    mask = cv2.imread(str(tmp_path / "out" / str(sample.mask)), cv2.IMREAD_UNCHANGED)
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[:10, :20] = 255
    np.testing.assert_array_equal(mask, expected)


def test_the_threshold_itself_is_kept(tmp_path: Path) -> None:
    # 40 of 800 pixels are 5 %, 39 are not
    exact = {"size": [HEIGHT, WIDTH], "counts": [0, 40, 760]}
    below = {"size": [HEIGHT, WIDTH], "counts": [0, 39, 761]}
    plan = plan_persons(write(tmp_path, [[person(exact)], [person(below)], [person(box(0, 0, 8, 5))]]))
    assert [item.payload.image_id for item in plan.items] == [1, 3]


def test_two_small_people_together_can_be_large_but_not_when_they_overlap(tmp_path: Path) -> None:
    apart = [person(box(0, 0, 5, 5)), person(box(20, 0, 5, 5))]
    overlapping = [person(box(0, 0, 5, 5)), person(box(0, 0, 5, 5))]
    plan = plan_persons(write(tmp_path, [apart, overlapping]))
    assert [item.payload.image_id for item in plan.items] == [1]


def test_a_lying_area_or_box_changes_nothing(tmp_path: Path) -> None:
    lies = [[person(SMALL, area=700, bbox=[0, 0, 40, 20])], [person(LARGE, area=1, bbox=[-9, -9, -1, 0])]]
    assert [item.payload.image_id for item in plan_persons(write(tmp_path, lies)).items] == [2]


def test_an_outline_drawn_twice_around_covers_nothing(tmp_path: Path) -> None:
    # by the formula for areas it covers 400 pixels, by the rule for drawing none
    twice = [LARGE[0] * 2]
    assert native.area(native.frPyObjects(twice, HEIGHT, WIDTH)[0]) == 0
    plan = plan_persons(write(tmp_path, [[person(twice)]]))
    assert [line.code for line in plan.quarantined] == [Code.ZERO_AREA]


BROKEN = [
    (None, Code.EMPTY_SEG),
    ([], Code.EMPTY_SEG),
    ([[]], Code.EMPTY_SEG),
    ("", Code.EMPTY_SEG),
    ([[1, 1, 2, 2]], Code.POLY_SHAPE),
    ([[1, 1, 2, 2, 3, 3, 4]], Code.POLY_SHAPE),
    ([[1, 1, 2, 2, None, 3]], Code.POLY_SHAPE),
    ([[0, 0, 1e7, 0, 9, 9]], Code.POLY_RANGE),
    ({"size": [HEIGHT, WIDTH], "counts": [1, 2]}, Code.RLE_TOTAL),
    ({"size": [WIDTH, HEIGHT], "counts": [800]}, Code.RLE_SIZE),
    ({"size": [HEIGHT, WIDTH], "counts": "~~"}, Code.RLE_DECODE),
    ({"size": [HEIGHT, WIDTH], "counts": [800]}, Code.ZERO_AREA),
    ([[3, 3, 3, 3, 3, 3]], Code.ZERO_AREA),
    ([[-9, -9, -5, -9, -5, -5]], Code.ZERO_AREA),
]


BOX = [30, 10, 5, 5]
"""Where somebody is, left, top, width and height, whose outline is broken."""


@pytest.mark.parametrize(("segmentation", "code"), BROKEN, ids=str)
def test_a_broken_person_is_set_aside_and_the_others_stay(tmp_path: Path, segmentation: object, code: Code) -> None:
    broken = person(segmentation, bbox=BOX)
    selection = write(tmp_path, [[person(LARGE), broken], [broken], [person(SMALL), broken]])
    plan = plan_persons(selection)
    assert [item.payload.image_id for item in plan.items] == [1]
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(code, "2")]
    assert plan.filtered == {"person_too_small": 1}
    [outcome] = run(plan, tmp_path / "out")
    assert outcome.sample is not None
    assert outcome.sample.person_area == 0.25
    assert (outcome.sample.persons, outcome.sample.extra["broken_parts"]) == (1, 1)
    # one line for each broken annotation, from the plan or from the work
    assert [line.code for line in (*plan.records, *outcome.records)] == [code] * 3
    ids = {str(record["id"]) for record in json.loads(selection.annotations[0].read_text())["annotations"]}
    assert {line.record_id for line in (*plan.records, *outcome.records)} <= ids
    assert sorted(str(line.image_id) for line in (*plan.records, *outcome.records)) == ["1", "2", "3"]


def test_a_sample_counts_the_people_in_its_mask_and_those_that_are_broken(tmp_path: Path) -> None:
    crowd = person({"size": [HEIGHT, WIDTH], "counts": [400, 100, 300]}, iscrowd=1)
    broken_crowds = [
        person([], iscrowd=1, bbox=BOX),
        person(LARGE, iscrowd=1, id=True),
        person(LARGE, iscrowd=1, id="x"),
    ]
    odd = [person([], bbox=BOX), person(SMALL, id="odd"), person(SMALL, category_id=62, id="odd")]
    images = [[person(LARGE), person(SMALL)], [person(LARGE), *odd], [person(LARGE), crowd, *broken_crowds]]
    outcomes = run(plan_persons(write(tmp_path, images, crowd="ignore")), tmp_path / "out")
    samples = [outcome.sample for outcome in outcomes if outcome.sample is not None]
    assert [(sample.persons, sample.extra["broken_parts"]) for sample in samples] == [(2, 0), (1, 2), (1, 3)]


def test_a_missing_segmentation_is_empty(tmp_path: Path) -> None:
    plan = plan_persons(write(tmp_path, [[{"iscrowd": 0, "category_id": 1}]]))
    assert [line.code for line in plan.quarantined] == [Code.EMPTY_SEG]


@pytest.mark.parametrize(("segmentation", "code"), BROKEN, ids=str)
def test_a_broken_crowd_is_marked_where_its_box_is(tmp_path: Path, segmentation: object, code: Code) -> None:
    selection = write(tmp_path, [[person(LARGE), person(segmentation, iscrowd=1, bbox=BOX)]], crowd="ignore")
    [outcome] = run(plan_persons(selection), tmp_path / "out")
    assert outcome.sample is not None
    ignored = cv2.imread(str(tmp_path / "out" / outcome.sample.extra["ignore"]), cv2.IMREAD_UNCHANGED)
    assert (outcome.sample.extra["broken_parts"], np.unique(ignored[10:15, 30:35]).tolist()) == (1, [128])
    assert [line.code for line in outcome.records] == [code]


def test_an_ignored_crowd_is_marked_with_128(tmp_path: Path) -> None:
    crowd = person({"size": [HEIGHT, WIDTH], "counts": [400, 100, 300]}, iscrowd=1)
    plan = plan_persons(write(tmp_path, [[person(LARGE), crowd], [crowd], [person(LARGE)]], crowd="ignore"))
    assert plan.filtered == {"no_person": 1}
    first, second = run(plan, tmp_path / "out")
    assert first.sample is not None
    assert second.sample is not None
    assert second.sample.extra["ignore"] is None
    ignored = cv2.imread(str(tmp_path / "out" / first.sample.extra["ignore"]), cv2.IMREAD_UNCHANGED)
    expected = np.zeros(HEIGHT * WIDTH, np.uint8)
    expected[400:500] = 128
    np.testing.assert_array_equal(ignored, expected.reshape(WIDTH, HEIGHT).T)
    assert first.sample.person_area == 0.25


def test_an_image_that_is_missing_or_of_another_size_is_quarantined(tmp_path: Path) -> None:
    plan = plan_persons(write(tmp_path, [[person(LARGE)], [person(LARGE)], [person(LARGE)]]))
    (tmp_path / "train2017" / "000000000001.jpg").unlink()
    cv2.imwrite(str(tmp_path / "train2017" / "000000000002.jpg"), np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    outcomes = run(plan, tmp_path / "out")
    assert [outcome.broken for outcome in outcomes] == [Code.MISSING_FILE, Code.SIZE_MISMATCH, None]
    assert [line.record_id for outcome in outcomes for line in outcome.records] == ["1", "2"]
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 1


def change_images(selection: PersonSelection, changes: dict[int, dict[str, Any]]) -> PersonSelection:
    path = selection.annotations[0]
    content = json.loads(path.read_text())
    for record in content["images"]:
        record |= changes.get(record["id"], {})
    path.write_text(json.dumps(content))
    return selection


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../x.jpg", Code.PATH_ESCAPE),
        ("/etc/x.jpg", Code.PATH_ESCAPE),
        ("C:\\x.jpg", Code.PATH_ESCAPE),
        ("a/../../x.jpg", Code.PATH_ESCAPE),
        ("~/x.jpg", Code.PATH_ESCAPE),
        ("..", Code.PATH_ESCAPE),
        ("", Code.NAME),
        ("a\0.jpg", Code.PATH_ESCAPE),
        ("a\x1b[31m.jpg", Code.NAME),
        ("x" * 300 + ".jpg", Code.NAME),
        ("x" * 245 + ".jpg", Code.NAME),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_file_name_that_leaves_the_folder_is_quarantined(tmp_path: Path, name: str, code: Code) -> None:
    selection = change_images(write(tmp_path, [[person(LARGE)], [person(LARGE)]]), {1: {"file_name": name}})
    plan = plan_persons(selection)
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(code, "1")]
    assert len(plan.items) == 1


def test_two_records_of_one_file_are_both_quarantined(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)]] * 5)
    names = {1: "a.jpg", 2: "a.jpg", 3: "./a.jpg", 4: "a.png"}
    plan = plan_persons(change_images(selection, {number: {"file_name": name} for number, name in names.items()}))
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(Code.DUP_ID, str(n)) for n in (1, 2, 3, 4)]
    assert [item.id for item in plan.items] == ["train2017_000000000005"]


def test_an_image_too_large_or_with_too_many_annotations_is_quarantined(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)], [person(LARGE)] * 10_001, [person(LARGE)]])
    plan = plan_persons(change_images(selection, {1: {"width": 60_000, "height": 60_000}}))
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(Code.TOO_LARGE, "1"), (Code.JSON_VALUE, "2")]
    assert len(plan.items) == 1


def test_the_first_images_by_id_are_taken_up_to_the_limit(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)], [], [person(LARGE)], [person(LARGE)]], limit=2)
    path = selection.annotations[0]
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"images": content["images"][::-1]}))
    plan = plan_persons(selection)
    assert [item.payload.image_id for item in plan.items] == [1, 3]
    assert plan.filtered == {"no_person": 1, "limit": 1}


def test_a_person_record_that_is_broken_still_is_a_person(tmp_path: Path) -> None:
    broken = person(LARGE, iscrowd="no")
    selection = write(
        tmp_path, [[broken], [broken, person(LARGE)], [person(LARGE, category_id=14), broken]], max_persons=1
    )
    plan = plan_persons(selection)
    assert [(line.code, line.record_id) for line in plan.quarantined] == [
        (Code.JSON_VALUE, "1"),
        (Code.JSON_VALUE, "3"),
    ]
    assert plan.filtered == {"too_many_persons": 1}
    assert len(plan.records) == 3
    backgrounds = plan_backgrounds(BackgroundSelection(annotations=selection.annotations, images=selection.images))
    assert backgrounds.filtered == {"person": 3}
