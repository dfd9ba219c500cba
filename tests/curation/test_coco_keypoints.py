import json
from pathlib import Path
from typing import Any

import pytest

from curation.coco import PersonSelection, plan_persons
from curation.coco.keypoints import is_half_body, read_portraits
from curation.errors import InputRefused
from curation.quarantine import Code

SIDES = [
    f"{side}_{part}"
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
NAMES = ["nose", *SIDES]
PORTRAIT = {"nose": (50, 20, 2), "left_eye": (55, 15, 2), "left_shoulder": (55, 60, 2), "right_shoulder": (45, 60, 1)}
"""Shoulders 10 wide in a frame of 100."""


def keypoints(**parts: tuple[float, float, int] | None) -> list[float]:
    points = PORTRAIT | parts
    return [number for name in NAMES for number in (points.get(name) or (0, 0, 0))]


def record(image_id: int, *, side: float, **parts: tuple[float, float, int] | None) -> dict[str, Any]:
    return {"image_id": image_id, "keypoints": keypoints(**parts), "bbox": [0, 0, side, side], "category_id": 1}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, True),
        ({"left_eye": None, "right_eye": (45, 15, 2)}, True),
        ({"nose": (50, 20, 1)}, False),
        ({"nose": None}, False),
        ({"left_eye": (55, 15, 1)}, False),
        ({"left_eye": None}, False),
        ({"left_shoulder": None}, False),
        ({"right_shoulder": None}, False),
        ({"left_hip": (50, 99, 2)}, True),
        ({"left_knee": (50, 90, 2)}, False),
        ({"right_ankle": (50, 99, 2)}, False),
        ({"left_knee": (50, 90, 1)}, True),
        ({"left_knee": (50, 90, 2), "left_shoulder": (70, 60, 2)}, True),
        ({"left_knee": (50, 90, 2), "left_shoulder": (69.9, 60, 2)}, False),
    ],
    ids=str,
)
def test_a_portrait_shows_face_and_shoulders_and_no_legs_or_fills_the_frame(
    parts: dict[str, tuple[float, float, int] | None], expected: bool
) -> None:
    assert is_half_body(keypoints(**parts), frame_width=100) is expected


def write(folder: Path, annotations: list[Any]) -> Path:
    path = folder / "person_keypoints.json"
    path.write_text(json.dumps({"annotations": annotations}))
    return path


def test_the_largest_person_decides(tmp_path: Path) -> None:
    walking = {"left_ankle": (50, 99, 2)}
    records = [record(1, side=5), record(1, side=9, **walking), record(2, side=5, **walking), record(2, side=9)]
    found = read_portraits(write(tmp_path, records), widths={1: 100, 2: 100})
    assert found.image_ids == {2}


@pytest.mark.parametrize(
    "change",
    [
        {"keypoints": []},
        {"keypoints": [0] * 50},
        {"keypoints": [3] * 51},
        {"keypoints": ["0"] * 51},
        {"bbox": [0, 0, 9]},
        {"image_id": "1"},
    ],
    ids=lambda change: str(change)[:30],
)
def test_a_broken_record_is_set_aside(tmp_path: Path, change: dict[str, Any]) -> None:
    found = read_portraits(write(tmp_path, [record(1, side=9), record(2, side=9) | change]), widths={1: 100, 2: 100})
    assert found.image_ids == {1}
    assert [line.code for line in found.broken] == [Code.JSON_VALUE]


def test_a_file_without_annotations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.json").write_text("{}")
    with pytest.raises(InputRefused, match="'annotations' is missing"):
        read_portraits(tmp_path / "k.json", widths={})


def test_a_file_whose_records_have_no_keypoints_is_refused_and_one_without_records_is_not(tmp_path: Path) -> None:
    instances = [{key: value for key, value in record(1, side=9).items() if key != "keypoints"}] * 2
    with pytest.raises(InputRefused, match="no annotation of this file has keypoints") as refused:
        read_portraits(write(tmp_path, instances), widths={1: 100})
    assert "person_keypoints" in refused.value.remedy
    assert read_portraits(write(tmp_path, [*instances, record(2, side=9)]), widths={1: 100, 2: 100}).image_ids == {2}
    assert read_portraits(write(tmp_path, []), widths={}).image_ids == set()


def test_images_that_are_no_portraits_are_filtered(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 100} for number in (1, 2, 3)]
    outline = [[0, 0, 90, 0, 90, 90]]
    annotations = [
        {"id": number, "image_id": number, "category_id": 1, "segmentation": outline} for number in (1, 2, 3)
    ]
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "1.jpg").touch()
    keys = write(tmp_path, [record(1, side=9), record(2, side=9, nose=None)])
    plan = plan_persons(
        PersonSelection(
            annotations=(tmp_path / "instances.json",), images=(tmp_path,), keypoints=(keys,), portrait=True
        )
    )
    assert [item.payload.image_id for item in plan.items] == [1]
    assert plan.filtered == {"not_portrait": 2}
