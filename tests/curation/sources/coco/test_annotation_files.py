"""Pairs of a COCO annotation file and its images folder."""

import json
import shutil
from pathlib import Path

import pytest

from curation.errors import InputRefused
from curation.quarantine import Code
from curation.sources.coco import BackgroundSelection, PersonSelection, plan_backgrounds, plan_persons
from curation.sources.coco import annotation_files as sources
from tests.curation.sources.coco.test_persons import LARGE, SMALL, person, write


def test_ids_of_two_pairs_must_differ(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)]])
    twice = PersonSelection(annotations=selection.annotations * 2, images=selection.images * 2)
    with pytest.raises(InputRefused, match="train2017_000000000001"):
        plan_persons(twice)
    other = PersonSelection(annotations=selection.annotations * 2, images=(*selection.images, tmp_path / "val2017"))
    with pytest.raises(InputRefused, match="no such folder"):
        plan_persons(other)
    shutil.copytree(selection.images[0], tmp_path / "val2017")
    plan = plan_persons(other)
    assert [item.id for item in plan.items] == ["train2017_000000000001", "val2017_000000000001"]
    assert [source.name.split("@")[0] for source in plan.sources] == ["coco/train2017", "coco/val2017"]


@pytest.mark.parametrize("is_preview", [True, False])
def test_folders_that_differ_only_in_case_give_one_id_to_some_file_systems(tmp_path: Path, is_preview: bool) -> None:
    selection = write(tmp_path, [[person(LARGE)]])
    shutil.copytree(selection.images[0], tmp_path / "TRAIN2017")
    folders = (*selection.images, tmp_path / "TRAIN2017")
    pairs = PersonSelection(annotations=selection.annotations * 2, images=folders)
    with pytest.raises(InputRefused, match="upper and lower case"):
        plan_persons(pairs, is_preview=is_preview)


def test_a_folder_without_any_of_the_images_is_refused_and_the_right_one_is_named(tmp_path: Path) -> None:
    selection = write(tmp_path, [[person(LARGE)], [person(SMALL)]])
    outer = PersonSelection(annotations=selection.annotations, images=(tmp_path,))
    with pytest.raises(InputRefused, match="none of the 2 images") as caught:
        plan_persons(outer)
    assert caught.value.where == str(tmp_path)
    assert f"it is in {tmp_path / 'train2017'}" in caught.value.remedy
    assert len(plan_persons(outer, is_preview=True).items) == 1
    with pytest.raises(InputRefused, match="none of the 2 images"):
        plan_backgrounds(BackgroundSelection(annotations=outer.annotations, images=outer.images))
    (tmp_path / "train2017" / "000000000001.jpg").unlink()
    assert len(plan_persons(selection).items) == 1, "one image that is there is enough"


@pytest.mark.parametrize(
    ("first", "second"),
    [("A.jpg", "a.jpg"), ("a.jpg", "A.png"), ("\u00e9.jpg", "e\u0301.jpg"), ("s/a.jpg", "s_A.jpg")],
)
def test_files_that_some_file_system_takes_for_one_are_both_set_aside(tmp_path: Path, first: str, second: str) -> None:
    selection = write(tmp_path, [[person(LARGE)]] * 3)
    content = json.loads(selection.annotations[0].read_text())
    for record, name in zip(content["images"], (first, second), strict=False):
        record["file_name"] = name
    selection.annotations[0].write_text(json.dumps(content))
    plan = plan_persons(selection)
    assert [(line.code, line.record_id) for line in plan.quarantined] == [(Code.DUP_ID, "1"), (Code.DUP_ID, "2")]
    assert [item.id for item in plan.items] == ["train2017_000000000003"]


@pytest.mark.parametrize("name", ["a?.jpg", "a*.jpg", "a|b.jpg", "<b>.jpg", 'a"b.jpg', "a/b?.jpg", "ab:c.jpg"])
def test_a_name_that_not_every_file_system_holds_is_set_aside(tmp_path: Path, name: str) -> None:
    selection = write(tmp_path, [[person(LARGE)]] * 2)
    text = selection.annotations[0].read_text().replace('"000000000001.jpg"', json.dumps(name))
    selection.annotations[0].write_text(text)
    assert [line.code for line in plan_persons(selection).quarantined] == [Code.NAME]


def test_a_folder_is_needed_for_each_annotation_file(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="1 annotation files and 0 images folders"):
        plan_persons(PersonSelection(annotations=(tmp_path / "a.json",), images=()))


def test_annotations_are_counted_for_each_image_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_ANNOTATIONS_PER_IMAGE", 3)
    selection = write(tmp_path, [[person(LARGE)] * 2, [person(LARGE)] * 2, [person(LARGE)] * 4, [person(LARGE)] * 3])
    # the second image's id has the remainder of the first's, the last is below zero
    ids = {1: 5, 2: 5 + 65_536, 3: 9, 4: -(2**40)}
    content = json.loads(selection.annotations[0].read_text())
    for image in content["images"]:
        image["id"] = ids[image["id"]]
    for annotation in content["annotations"]:
        annotation["image_id"] = ids[annotation["image_id"]]
    selection.annotations[0].write_text(json.dumps(content))
    plan = plan_persons(selection)
    assert sorted(item.payload.image_id for item in plan.items) == sorted(ids[number] for number in (1, 2, 4))
    assert [line.record_id for line in plan.quarantined] == ["9"]
