"""COCO backgrounds: the supercategories asked for, and no person of any kind."""

from pathlib import Path

import pytest

from curation.errors import InputRefused
from curation.labels.frame_metres import frame_metres
from curation.sources.coco import BackgroundSelection, plan_backgrounds
from tests.curation.sources.coco.test_persons import SMALL, person, run, write


def test_backgrounds_have_the_supercategory_and_no_person_of_any_kind(tmp_path: Path) -> None:
    images = [
        [person(SMALL, category_id=14)],
        [person(SMALL, category_id=84), person(SMALL)],
        [person(SMALL, category_id=84), person([], iscrowd=1)],
        [person(SMALL, category_id=62)],
        [],
        [person(None, category_id=84)],
    ]
    pair = write(tmp_path, images)
    plan = plan_backgrounds(BackgroundSelection(annotations=pair.annotations, images=pair.images))
    assert [item.payload.image_id for item in plan.items] == [1, 6]
    assert plan.filtered == {"person": 2, "no_supercategory": 2}
    [sample, _] = [outcome.sample for outcome in run(plan, tmp_path / "out")]
    assert sample is not None
    assert (sample.mask, sample.person_area, sample.persons) == (None, 0.0, 0)
    assert sample.license == f"unknown (id 3 of {plan.sources[0].name})"
    limited = plan_backgrounds(BackgroundSelection(annotations=pair.annotations, images=pair.images, limit=1))
    assert limited.filtered == {"person": 2, "no_supercategory": 2, "limit": 1}


def test_a_background_counts_the_broken_annotations_of_its_image(tmp_path: Path) -> None:
    odd = person(SMALL, category_id=84, id="odd")
    images = [[person(SMALL, category_id=14)], [person(SMALL, category_id=84), odd, odd | {"iscrowd": 9}]]
    pair = write(tmp_path, images)
    plan = plan_backgrounds(BackgroundSelection(annotations=pair.annotations, images=pair.images))
    samples = [outcome.sample for outcome in run(plan, tmp_path / "out")]
    assert [sample.extra["broken_parts"] for sample in samples if sample is not None] == [0, 2]
    assert [line.image_id for line in plan.records] == ["2", "2"]


def test_the_metres_of_a_frame_follow_from_the_nearest_thing_of_a_known_size() -> None:
    """A bed of 2.1 m on half of the height shows 4.2 m; a cup of 11 cm on a tenth of it, 1.1 m."""
    assert frame_metres([("bed", 240), ("cup", 48), ("unicorn", 480)], height_px=480) == pytest.approx(1.1)
    assert frame_metres([("bed", 240), ("cup", 0)], height_px=480) == pytest.approx(4.2)
    assert frame_metres([("unicorn", 480)], height_px=480) is None


def test_a_background_knows_how_many_metres_it_shows(tmp_path: Path) -> None:
    """A book of 25 cm is 5 pixels long, of 20 of the frame; crowds and broken outlines tell nothing."""
    images = [
        [person(SMALL, category_id=84), person([[0, 0, 1]], category_id=84)],
        [person(SMALL, category_id=62)],
        [person([], category_id=84, iscrowd=1)],
    ]
    pair = write(tmp_path, images)
    plan = plan_backgrounds(BackgroundSelection(annotations=pair.annotations, images=pair.images))
    samples = [outcome.sample for outcome in run(plan, tmp_path / "out")]
    told = [sample.extra["frame_metres"] for sample in samples if sample is not None]
    assert told == [20 * 0.25 / 5, None]


@pytest.mark.parametrize("wanted", ["indor", ""])
def test_an_unknown_supercategory_is_refused_with_those_present(tmp_path: Path, wanted: str) -> None:
    pair = write(tmp_path, [[]])
    with pytest.raises(InputRefused) as caught:
        plan_backgrounds(BackgroundSelection(annotations=pair.annotations, images=pair.images, supercategories=wanted))
    assert "furniture, indoor, outdoor, person" in caught.value.remedy


def test_files_that_no_record_names_are_told_by_kind_but_not_looked_at(tmp_path: Path) -> None:
    pair = write(tmp_path, [[person(SMALL, category_id=62)], [person(SMALL, category_id=62)]])
    (folder,) = pair.images
    (folder / "more").mkdir()
    for name, data in {"x.jpg": b"x", "more/y.heif": b"", "z.MOV": b"\0\0\0\x14ftypqt  "}.items():
        (folder / name).write_bytes(data)
    selection = BackgroundSelection(annotations=pair.annotations, images=pair.images)
    plan = plan_backgrounds(selection)
    assert plan.notes["files_without_record"] == {
        str(folder): {
            "image": {"count": 2, "names": ["more/y.heif", "x.jpg"]},
            "video": {"count": 1, "names": ["z.MOV"]},
        }
    }
    assert plan.considered == 2
    assert "files_without_record" not in plan_backgrounds(selection, is_preview=True).notes
