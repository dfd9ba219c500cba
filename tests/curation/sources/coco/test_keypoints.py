import json
from pathlib import Path
from typing import Any

import pytest

from curation.errors import InputRefused
from curation.quarantine import Code
from curation.sources.coco import PersonSelection, plan_persons
from curation.sources.coco.keypoints import PersonKeypoints, is_half_body, read_portraits

SIDES = [
    f"{side}_{part}"
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
NAMES = ["nose", *SIDES]
FACE = {"nose": (50, 20, 2), "left_eye": (55, 15, 2), "left_ear": (60, 15, 2)}
"""A face in profile, in a frame of 100 x 100."""
Point = tuple[float, float, int] | None


def keypoints(**parts: Point) -> list[float]:
    points = FACE | parts
    return [number for name in NAMES for number in (points.get(name) or (0, 0, 0))]


def record(number: int, *, image: int = 1, box: tuple[float, float] = (50, 90), **changed: Any) -> dict[str, Any]:
    """Return a record whose box is so wide and so high."""
    made = {"id": number, "image_id": image, "keypoints": keypoints(), "bbox": [0, 0, *box], "category_id": 1}
    return made | changed


def person(number: int = 1, *, box: tuple[float, float] = (50, 90), **parts: Point) -> PersonKeypoints:
    return PersonKeypoints(id=number, image_id=1, keypoints=keypoints(**parts), bbox=(0, 0, *box))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, True),
        ({"left_ear": None}, False),
        ({"left_ear": (60, 15, 1)}, False),
        ({"left_ear": None, "right_eye": (45, 15, 2)}, True),
        ({"left_hip": (50, 99, 2)}, True),
        ({"left_knee": (50, 90, 2)}, False),
        ({"right_ankle": (50, 99, 2)}, False),
        ({"left_knee": (50, 90, 1)}, True),
    ],
    ids=str,
)
def test_a_portrait_shows_three_points_of_a_face_and_no_legs(parts: dict[str, Point], expected: bool) -> None:
    assert is_half_body([person(**parts)], frame=(100, 100)) is expected


@pytest.mark.parametrize(
    ("box", "expected"),
    [((50, 90), True), ((30, 50), True), ((40, 49.9), False), ((16, 94), True), ((15, 90), False)],
    ids=str,
)
def test_a_portrait_fills_half_the_height_and_a_share_of_the_frame(box: tuple[float, float], expected: bool) -> None:
    assert is_half_body([person(box=box)], frame=(100, 100)) is expected


def test_two_make_a_portrait_and_three_of_one_height_a_group() -> None:
    one, two, three = person(1), person(2, box=(30, 45)), person(3, box=(10, 45))
    far = person(4, box=(10, 44.9))
    assert is_half_body([one, two, far, far], frame=(100, 100))
    assert not is_half_body([one, two, three], frame=(100, 100))


def test_the_largest_person_decides() -> None:
    walking, near = person(1, left_ankle=(50, 99, 2)), person(2, box=(60, 90))
    assert is_half_body([walking, near], frame=(100, 100))
    assert not is_half_body([person(1, box=(70, 90), left_ankle=(50, 99, 2)), near], frame=(100, 100))


def write(folder: Path, annotations: list[Any]) -> Path:
    path = folder / "person_keypoints.json"
    path.write_text(json.dumps({"annotations": annotations}))
    return path


FRAMES = {1: (100, 100), 2: (100, 100), 3: (100, 100)}


def test_a_crowd_is_no_largest_person_and_no_person_of_a_group(tmp_path: Path) -> None:
    crowd = {"iscrowd": 1, "keypoints": [0] * 51, "num_keypoints": 0}
    records = [record(1), *(record(number, box=(100, 100), **crowd) for number in (7, 8, 9))]
    assert read_portraits(write(tmp_path, records), frames=FRAMES, persons={1: 1}).image_ids == {1}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"keypoints": []}, Code.JSON_VALUE),
        ({"keypoints": [0] * 50}, Code.JSON_VALUE),
        ({"keypoints": [3] * 51}, Code.JSON_VALUE),
        ({"keypoints": ["0"] * 51}, Code.JSON_VALUE),
        ({"num_keypoints": 2}, Code.JSON_VALUE),
        ({"num_keypoints": 0}, Code.JSON_VALUE),
        ({"bbox": [0, 0, 9]}, Code.JSON_VALUE),
        ({"bbox": [0, 0, -9, 9]}, Code.JSON_VALUE),
        ({"iscrowd": 2}, Code.JSON_VALUE),
        ({"id": 1}, Code.DUP_ID),
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_broken_record_is_set_aside_and_nothing_is_said_of_its_image(
    tmp_path: Path, change: dict[str, Any], code: Code
) -> None:
    records = [record(1, image=1), record(2, image=2), record(3, image=2, box=(60, 95)) | change, record(4, image=3)]
    found = read_portraits(write(tmp_path, records), frames=FRAMES, persons={1: 1, 2: 2, 3: 2, 4: 3})
    assert [line.code for line in found.broken] == [code]
    assert found.reason_against(2) == "no_keypoints"
    assert found.image_ids == ({3} if code is Code.DUP_ID else {1, 3})


def test_a_record_that_stands_twice_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path, [record(1, num_keypoints=3)] * 2)
    found = read_portraits(path, frames=FRAMES, persons={1: 1})
    assert (found.image_ids, found.broken) == ({1}, ())


def test_an_image_is_judged_only_where_both_files_have_the_same_people(tmp_path: Path) -> None:
    records = [record(1, image=1), record(2, image=2), record(3, image=3), record(9, image=3)]
    found = read_portraits(write(tmp_path, records), frames=FRAMES, persons={1: 1, 2: 2, 5: 2, 3: 3})
    assert [found.reason_against(image) for image in (1, 2, 3)] == [None, "no_keypoints", "no_keypoints"]


def test_a_file_without_annotations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text("{}")
    with pytest.raises(InputRefused, match="'annotations' is missing"):
        read_portraits(tmp_path / "k.json", frames={}, persons={})


def test_a_file_whose_records_have_no_keypoints_is_refused(tmp_path: Path) -> None:
    instances = [{key: value for key, value in record(1).items() if key != "keypoints"}] * 2
    with pytest.raises(InputRefused, match="no annotation of this file has keypoints") as refused:
        read_portraits(write(tmp_path, instances), frames=FRAMES, persons={1: 1})
    assert "person_keypoints" in refused.value.remedy


@pytest.mark.parametrize(
    ("records", "persons", "said"),
    [
        ([record(7, image=8)], {1: 1}, "0 of the 1 persons"),
        ([record(1, image=2)], {1: 1}, "0 of the 1 persons"),
        ([], {1: 1}, "0 of the 0 persons"),
        ([record(number) for number in range(10)], dict.fromkeys(range(6, 16), 1), "4 of the 10 persons"),
    ],
    ids=["other ids", "other images", "none", "few"],
)
def test_keypoints_of_another_split_are_refused(
    tmp_path: Path, records: list[Any], persons: dict[int, int], said: str
) -> None:
    with pytest.raises(InputRefused, match=f"{said}.*of another split") as refused:
        read_portraits(write(tmp_path, records), frames=FRAMES, persons=persons)
    assert (refused.value.exit_code, "person_keypoints" in refused.value.remedy) == (4, True)


def test_a_part_of_a_split_is_taken_on_either_side(tmp_path: Path) -> None:
    few = {1: 1}
    path = write(tmp_path, [record(1), *(record(number, image=number) for number in range(10, 90))])
    assert read_portraits(path, frames=FRAMES, persons=few).image_ids == {1}
    many = few | dict.fromkeys(range(10, 90), 2)
    assert read_portraits(write(tmp_path, [record(1)]), frames=FRAMES, persons=many).image_ids == {1}
    assert read_portraits(path, frames=FRAMES, persons={}).image_ids == set()


def test_images_that_are_no_portraits_are_filtered(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 100} for number in (1, 2, 3)]
    outline = [[0, 0, 90, 0, 90, 90]]
    annotations = [
        {"id": 10 + number, "image_id": number, "category_id": 1, "segmentation": outline} for number in (1, 2, 3)
    ]
    annotations.append(annotations[0] | {"id": 20, "iscrowd": 1})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "1.jpg").touch()
    keys = write(tmp_path, [record(11, image=1), record(12, image=2, keypoints=keypoints(nose=None))])
    selection = PersonSelection(
        annotations=(tmp_path / "instances.json",), images=(tmp_path,), keypoints=(keys,), portrait=True, crowd="ignore"
    )
    plan = plan_persons(selection)
    assert [item.payload.image_id for item in plan.items] == [1]
    assert plan.filtered == {"not_portrait": 1, "no_keypoints": 1}
