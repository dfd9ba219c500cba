import itertools
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as native

from curation.dataset.sample import Outcome, Plan
from curation.sources.coco import BackgroundSelection, PersonSelection, plan_backgrounds, plan_persons
from tests.places import REAL_DATA

REAL = REAL_DATA / "data" / "coco"
CATEGORIES = [{"id": 1, "name": "person", "supercategory": "person"}]
NUMBERS = itertools.count(1)


def run(plan: Plan, folder: Path) -> list[Outcome]:
    for name in plan.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return [plan.work(item, folder) for item in plan.items]


def decode(mask: Any) -> Any:
    with warnings.catch_warnings():
        # pycocotools 2.0.11 has not caught up with numpy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        return native.decode(mask)


coordinates = st.integers(-40, 300).map(lambda number: number / 4)
# what lies in the first pixel alone may be written as shares of the frame, and is nobody's place
polygons = st.lists(coordinates, min_size=6, max_size=20).filter(lambda found: len(found) % 2 == 0 and max(found) > 1)
outlines = st.lists(st.lists(polygons, min_size=1, max_size=2), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(outlines, min_size=1, max_size=8), st.sampled_from([0.02, 0.05, 0.3, 0.6]))
def test_images_are_chosen_as_drawing_every_outline_would(
    tmp_path_factory: pytest.TempPathFactory, people: list[list[list[list[float]]]], min_area: float
) -> None:
    # crossing, overhanging and clipped polygons, wound any way
    folder = tmp_path_factory.mktemp("coco")
    (folder / "1.jpg").touch()
    size = (60, 64)
    records, annotations, expected = [], [], []
    for number, outlines_of_image in enumerate(people, start=1):
        records.append({"id": number, "file_name": f"{number}.jpg", "width": size[1], "height": size[0]})
        annotations += [
            {"id": next(NUMBERS), "image_id": number} | {"category_id": 1, "segmentation": outline}
            for outline in outlines_of_image
        ]
        union = np.zeros(size, bool)
        for outline in outlines_of_image:
            for part in native.frPyObjects(outline, *size):
                union |= decode(part) > 0
        if union.mean() >= min_area:
            expected.append(number)
    (folder / "a.json").write_text(
        json.dumps({"images": records, "annotations": annotations, "categories": CATEGORIES})
    )
    plan = plan_persons(PersonSelection(annotations=(folder / "a.json",), images=(folder,), min_area=min_area))
    assert [item.payload.image_id for item in plan.items] == expected


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real COCO images at {REAL}")
def test_real_coco_gives_the_images_and_masks_that_pycocotools_gives(tmp_path: Path) -> None:
    content = json.loads((REAL / "annotations" / "instances_train2017.json").read_text())
    people: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        if annotation["category_id"] == 1:
            people.setdefault(annotation["image_id"], []).append(annotation)
    expected = {}
    for record in content["images"]:
        found = people.get(record["id"], [])
        if found and not any(annotation["iscrowd"] for annotation in found):
            union = np.zeros((record["height"], record["width"]), np.uint8)
            for annotation in found:
                parts = native.frPyObjects(annotation["segmentation"], record["height"], record["width"])
                union |= decode(native.merge(parts))
            if union.mean() >= 0.05:
                expected[record["id"]] = union
    plan = plan_persons(
        PersonSelection(annotations=(REAL / "annotations" / "instances_train2017.json",), images=(REAL / "train2017",))
    )
    assert {item.payload.image_id for item in plan.items} == set(expected)
    assert plan.considered == len(content["images"])
    for item, outcome in zip(plan.items, run(plan, tmp_path), strict=True):
        assert outcome.sample is not None
        mask = cv2.imread(str(tmp_path / str(outcome.sample.mask)), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(mask, expected[item.payload.image_id] * 255)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real COCO images at {REAL}")
def test_real_coco_gives_the_backgrounds_that_its_annotations_give(tmp_path: Path) -> None:
    content = json.loads((REAL / "annotations" / "instances_train2017.json").read_text())
    kinds = {category["id"]: category["supercategory"] for category in content["categories"]}
    seen: dict[int, Counter[str]] = {record["id"]: Counter() for record in content["images"]}
    for annotation in content["annotations"]:
        seen[annotation["image_id"]][kinds[annotation["category_id"]]] += 1
    expected = {number for number, kind in seen.items() if not kind["person"] and (kind["indoor"] or kind["outdoor"])}
    plan = plan_backgrounds(
        BackgroundSelection(
            annotations=(REAL / "annotations" / "instances_train2017.json",), images=(REAL / "train2017",)
        )
    )
    assert {item.payload.image_id for item in plan.items} == expected
    assert all(outcome.sample for outcome in run(plan, tmp_path))
