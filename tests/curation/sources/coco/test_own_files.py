"""COCO files as the tools of people write them: other categories, crowds of CVAT, sizes left out, names of Windows."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.dataset.sample import Plan
from curation.errors import InputRefused
from curation.sources.coco import BackgroundSelection, PersonSelection, plan_backgrounds, plan_persons

HEIGHT, WIDTH = 20, 40
BOX = [[4, 2, 24, 2, 24, 12, 4, 12]]
"""Somebody of 20 x 10 pixels."""


def jpeg(seed: int = 0, *, size: tuple[int, int] = (HEIGHT, WIDTH)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def write(
    tmp_path: Path,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    *,
    categories: list[dict[str, Any]] | None = None,
    files: dict[str, bytes] | None = None,
    **changes: Any,
) -> PersonSelection:
    folder = tmp_path / "images"
    for name, data in (files or {str(record["file_name"]): jpeg() for record in images}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    content = {
        "images": images,
        "annotations": [{"id": number} | one for number, one in enumerate(annotations, start=1)],
        "categories": categories or [{"id": 1, "name": "person"}],
    }
    (tmp_path / "own.json").write_text(json.dumps(content))
    return PersonSelection(annotations=(tmp_path / "own.json",), images=(folder,), **changes)


def image(number: int = 1, **changes: Any) -> dict[str, Any]:
    record = {"id": number, "file_name": f"{number}.jpg", "width": WIDTH, "height": HEIGHT} | changes
    return {name: value for name, value in record.items() if value != "left out"}


def person(image_id: int = 1, **changes: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "iscrowd": 0, "segmentation": BOX} | changes


def build(plan: Plan, out: Path) -> Dataset:
    build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0), max_quarantine="100%"))
    return read_dataset(out)


def area_of(dataset: Dataset, *, row: int = 0) -> int:
    mask = cv2.imread(str(dataset.path(dataset.table["mask"][row].as_py())), cv2.IMREAD_UNCHANGED)
    return int(np.count_nonzero(mask))


@pytest.mark.parametrize("named", [("Person",), ("7",), ("Person", "baby"), ("8", "7")])
def test_persons_of_other_names_are_those_that_are_named(tmp_path: Path, named: tuple[str, ...]) -> None:
    categories = [{"id": 7, "name": "Person"}, {"id": 8, "name": "baby"}, {"id": 9, "name": "car"}]
    people = [person(1, category_id=7), person(2, category_id=8), person(3, category_id=9)]
    selection = write(tmp_path, [image(1), image(2), image(3)], people, categories=categories, category=named)
    plan = plan_persons(selection)
    assert len(plan.items) == len(named)
    backgrounds = plan_backgrounds(
        BackgroundSelection(
            annotations=selection.annotations, images=selection.images, supercategories="any", category=named
        )
    )
    assert len(backgrounds.items) == 3 - len(named)
    assert plan.settings["category"] == list(named)


def test_of_two_categories_called_person_the_one_with_annotations_counts(tmp_path: Path) -> None:
    root = [{"id": 0, "name": "person", "supercategory": "none"}, {"id": 2, "name": "person"}]
    assert len(plan_persons(write(tmp_path, [image()], [person(category_id=2)], categories=root)).items) == 1
    both = [person(category_id=0), person(category_id=2)]
    with pytest.raises(InputRefused, match="ids 0, 2") as refused:
        plan_persons(write(tmp_path, [image()], both, categories=root))
    assert "--category" in refused.value.remedy
    chosen = write(tmp_path, [image()], both, categories=root, category=("0", "2"))
    assert len(plan_persons(chosen).items) == 1


def test_a_category_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="'cat'") as refused:
        plan_persons(write(tmp_path, [image()], [person()], category=("cat",)))
    assert "'person'" in refused.value.remedy


def test_crowds_taken_as_persons_make_the_same_masks_as_persons(tmp_path: Path) -> None:
    rle = {"size": [HEIGHT, WIDTH], "counts": [0, 200, HEIGHT * WIDTH - 200]}
    crowds = [person(n, iscrowd=1, segmentation=rle) for n in (1, 2)]
    images = [image(1), image(2)]
    for crowd in ("filter", "ignore"):
        with pytest.raises(InputRefused, match="CVAT") as refused:
            plan_persons(write(tmp_path, images, crowds, crowd=crowd))
        assert "--crowd persons" in refused.value.remedy
    dataset = build(plan_persons(write(tmp_path, images, crowds, crowd="persons")), tmp_path / "D")
    assert len(dataset) == 2 and area_of(dataset) == 200
    assert dataset.table["persons"].to_pylist() == [1, 1]


def test_one_crowd_among_persons_is_filtered_as_before(tmp_path: Path) -> None:
    rle = {"size": [HEIGHT, WIDTH], "counts": [0, 200, HEIGHT * WIDTH - 200]}
    plan = plan_persons(write(tmp_path, [image(1), image(2)], [person(1), person(2, iscrowd=1, segmentation=rle)]))
    assert len(plan.items) == 1 and plan.filtered == {"crowd": 1}


@pytest.mark.parametrize("side", [0, None, "left out", "40"], ids=str)
def test_a_size_that_is_not_stated_is_taken_from_the_file_and_told(tmp_path: Path, side: object) -> None:
    unstated = image(1, width=side, height=side if side != "40" else "20")
    plan = plan_persons(write(tmp_path, [unstated, image(2)], [person(1, iscrowd=None), person(2)]))
    dataset = build(plan, tmp_path / "D")
    assert dataset.table["width"].to_pylist() == [WIDTH] * 2 and dataset.table["height"].to_pylist() == [HEIGHT] * 2
    assert area_of(dataset) == area_of(dataset, row=1) == 200
    assert "1 images is not stated" in plan.notes["told"][0]


def test_a_side_that_is_stated_must_be_that_of_the_file(tmp_path: Path) -> None:
    plan = plan_persons(write(tmp_path, [image(1, height=0, width=WIDTH // 2)], [person(1)]))
    assert [str(line.code) for line in plan.quarantined] == ["SIZE_MISMATCH"]


def test_an_unstated_size_of_an_image_that_exif_turns_or_that_is_missing_is_set_aside(tmp_path: Path) -> None:
    from io import BytesIO

    from PIL import Image as Picture

    exif, stream = Picture.Exif(), BytesIO()
    exif[0x0112] = 6
    Picture.new("RGB", (WIDTH, HEIGHT)).save(stream, "JPEG", exif=exif)
    images = [image(1, width=0, height=0), image(2, width=0, height=0)]
    files = {"1.jpg": stream.getvalue(), "3.jpg": jpeg()}
    plan = plan_persons(write(tmp_path, images, [person(1), person(2)], files=files))
    assert [str(line.code) for line in plan.quarantined] == ["LABEL_FRAME", "MISSING_FILE"]


@pytest.mark.parametrize("segmentation", [[], None, "left out", [[]]], ids=str)
def test_a_file_of_boxes_is_refused_once(tmp_path: Path, segmentation: object) -> None:
    boxes = [person(n, bbox=[4, 2, 20, 10], segmentation=segmentation) for n in range(1, 15)]
    boxes = [{name: value for name, value in one.items() if value != "left out"} for one in boxes]
    selection = write(tmp_path, [image(n) for n in range(1, 15)], boxes)
    with pytest.raises(InputRefused, match="boxes but no outlines"):
        plan_persons(selection)
    of_backgrounds = BackgroundSelection(
        annotations=selection.annotations, images=selection.images, supercategories="any"
    )
    assert plan_backgrounds(of_backgrounds).filtered == {"person": 14}  # they need no outline


def test_a_panoptic_file_is_refused_naming_the_one_that_is_wanted(tmp_path: Path) -> None:
    parts = [{"id": 7, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9], "area": 81}]
    selection = write(tmp_path, [image(1)], [])
    content = json.loads(selection.annotations[0].read_text())
    content["annotations"] = [{"image_id": 1, "file_name": "1.png", "segments_info": parts}]
    selection.annotations[0].write_text(json.dumps(content))
    with pytest.raises(InputRefused, match="panoptic") as refused:
        plan_persons(selection)
    assert "instances_" in refused.value.remedy


def test_shares_of_the_frame_are_told_as_such_and_no_small_person(tmp_path: Path) -> None:
    shares = [[number / (WIDTH if place % 2 == 0 else HEIGHT) for place, number in enumerate(BOX[0])]]
    plan = plan_persons(write(tmp_path, [image(1), image(2)], [person(1, segmentation=shares), person(2)]))
    assert len(plan.items) == 1 and not plan.filtered
    (line,) = plan.quarantined
    assert str(line.code) == "ZERO_AREA" and "shares" in line.reason and "multiply" in line.hint


def test_paths_of_windows_are_read_with_slashes_and_none_leads_out(tmp_path: Path) -> None:
    names = ["cam\\1.jpg", "..\\2.jpg", "C:\\photos\\3.jpg", "\\\\server\\4.jpg"]
    images = [image(number, file_name=name) for number, name in enumerate(names, start=1)]
    files = {"cam/1.jpg": jpeg()}
    (tmp_path / "2.jpg").write_bytes(jpeg())
    plan = plan_persons(write(tmp_path, images, [person(n) for n in range(1, 5)], files=files))
    assert [item.id for item in plan.items] == ["images_cam_1"]
    assert [str(line.code) for line in plan.quarantined] == ["PATH_ESCAPE"] * 3
    assert len(build(plan, tmp_path / "D")) == 1


def test_unicode_forms_of_a_name_are_one_name_and_other_names_are_told(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é.jpg")
    files = {decomposed: jpeg(), "IMG_1.jpg": jpeg(1), "my photo.jpg": jpeg(2), "écran.jpg": jpeg(3)}
    names = [unicodedata.normalize("NFC", "é.jpg"), "IMG_1.JPG", "my%20photo.jpg", "%C3%A9cran.jpg", "gone.jpg"]
    images = [image(number, file_name=name) for number, name in enumerate(names, start=1)]
    plan = plan_persons(write(tmp_path, images, [person(n) for n in range(1, 6)], files=files))
    dataset = build(plan, tmp_path / "D")
    assert len(dataset) == 1 and dataset.table["source_id"].to_pylist() == ["1"]
    lines = {line.record_id: line for line in read_quarantine(tmp_path / "D")}
    for number, near in {"2": "IMG_1.jpg", "3": "my photo.jpg", "4": "écran.jpg"}.items():
        assert str(lines[number].code) == "MISSING_FILE" and repr(near) in lines[number].reason
    assert "there is" not in lines["5"].reason


def test_linked_images_are_refused_once_and_followed_where_the_user_says(tmp_path: Path) -> None:
    selection = write(tmp_path, [image(1), image(2)], [person(1), person(2)], files={"unused.jpg": jpeg(9)})
    (tmp_path / "blobs").mkdir()
    for number in (1, 2):
        (tmp_path / f"blobs/{number}").write_bytes(jpeg(number))
        (tmp_path / f"images/{number}.jpg").symlink_to(tmp_path / f"blobs/{number}")
    with pytest.raises(InputRefused, match="symbolic links") as refused:
        plan_persons(selection)
    assert f"--follow-links {tmp_path / 'blobs'}" in refused.value.remedy
    followed = PersonSelection(
        annotations=selection.annotations, images=selection.images, follow_links=(tmp_path / "blobs",)
    )
    dataset = build(plan_persons(followed), tmp_path / "D")
    assert [dataset.path(path).read_bytes() for path in dataset.table["image"].to_pylist()] == [jpeg(1), jpeg(2)]


def test_copies_that_an_augmentation_made_share_a_group(tmp_path: Path) -> None:
    names = ["a_jpg.rf.01ab.jpg", "a_jpg.rf.77.jpg", "b_jpg.rf.01ab.jpg"]
    images = [image(number, file_name=name) for number, name in enumerate(names, start=1)]
    plan = plan_persons(write(tmp_path, images, [person(n) for n in range(1, 4)]))
    groups = build(plan, tmp_path / "D").table["group"].to_pylist()
    assert groups[0] == groups[1] != groups[2]
