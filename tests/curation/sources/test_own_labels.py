"""Labels as people and other tools leave them: other values, other names, JPEG, links, and images of nobody."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_quarantine
from curation.errors import ConfigurationProblem, InputRefused
from curation.sources.image_label_folders import plan_pairs
from tests.curation.sources.test_image_label_folders import H, W, build, person, photo, png, put, settings
from tests.places import REAL_DATA

REAL = REAL_DATA / "data"


def test_a_mask_of_zero_alone_makes_a_sample_that_shows_nobody(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(seed=1), b_jpg=photo(seed=2))
    put(tmp_path / "masks", a_png=png(person()), b_png=png(np.zeros((H, W), np.uint8)))
    for kind in ("masks", "alphas"):
        given = {"masks": None, "alphas": None} | {kind: tmp_path / "masks"}
        dataset, card = build(plan_pairs(settings(tmp_path, trimap_kernel="3", **given)), tmp_path / f"D-{kind}")
        rows = dataset.table.to_pylist()
        assert [row["persons"] for row in rows] == [None, 0] and card.counts.quarantined == {}
        assert (rows[1]["person_area"], rows[1]["alpha"], rows[1]["trimap"]) == (0, None, None)
        assert not cv2.imread(str(dataset.path(rows[1]["mask"])), cv2.IMREAD_UNCHANGED).any()


def test_what_is_wrong_with_a_mask_is_not_told_as_of_an_alpha(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(), b_jpg=photo())
    specks = np.zeros((H, W), np.uint8)
    specks[0, :2] = 255
    put(tmp_path / "masks", a_png=png(specks), b_png=png(np.full((H, W), 255, np.uint8)))
    build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    for record in read_quarantine(tmp_path / "D"):
        assert "alpha" not in record.reason + record.hint and "cut" not in record.hint


def read_masks(dataset: Dataset) -> dict[str, np.ndarray]:
    return {
        row["id"]: cv2.imread(str(dataset.path(row["mask"])), cv2.IMREAD_UNCHANGED) for row in dataset.table.to_pylist()
    }


def test_a_given_threshold_takes_masks_saved_as_jpeg_and_leaves_masks_of_one_as_they_are(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(), b_jpg=photo(), c_jpg=photo())
    shown = cv2.GaussianBlur(person(), (3, 3), 0)
    put(tmp_path / "masks", a_jpg=cv2.imencode(".jpg", person())[1].tobytes(), b_png=png(person() // 255))
    put(tmp_path / "masks", c_png=png(shown))
    dataset, _ = build(plan_pairs(settings(tmp_path, threshold=127)), tmp_path / "D")
    masks = read_masks(dataset)
    assert np.array_equal(masks["a"], person()) and np.array_equal(masks["b"], person())
    assert np.array_equal(masks["c"] > 0, shown > 127)
    alphas = plan_pairs(settings(tmp_path, masks=None, alphas=tmp_path / "masks", threshold=127))
    dataset, _ = build(alphas, tmp_path / "E")
    assert {"a", "c"} <= set(dataset.table["id"].to_pylist())


def test_a_threshold_above_every_value_is_told_and_makes_no_empty_mask(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(person() // 255 * 100))
    build(plan_pairs(settings(tmp_path, threshold=127)), tmp_path / "D")
    (record,) = read_quarantine(tmp_path / "D")
    assert str(record.code) == "MASK_VALUES" and "above the threshold 127" in record.reason


@pytest.mark.parametrize(
    ("values", "asked", "ignored"),
    [((0, 2), "2", 0), ((0, 254), "254", 0), ((0, 15), "15", 255), ((0, 255), "255", 128), ((255, 0), "0", 0)],
)
def test_person_value_says_which_value_is_the_person(
    tmp_path: Path, values: tuple[int, int], asked: str, ignored: int
) -> None:
    stored = np.where(person() > 0, np.uint8(values[1]), np.uint8(values[0]))
    if ignored:
        stored[:4] = ignored
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(stored))
    plan = plan_pairs(settings(tmp_path, person_value=asked))
    dataset, _ = build(plan, tmp_path / "D")
    assert np.array_equal(read_masks(dataset)["a"], person())
    row = dataset.table.to_pylist()[0]
    if ignored:
        there = cv2.imread(str(dataset.path(row["ignore"])), cv2.IMREAD_UNCHANGED)
        assert (there[:4] == 128).all() and not there[4:].any()
    else:
        assert row.get("ignore") is None
    assert asked in plan.notes["told"][0]


def test_values_of_a_palette_are_its_classes(tmp_path: Path) -> None:
    from PIL import Image as Picture

    stored = np.where(person() > 0, 15, 0).astype(np.uint8)
    stored[:2] = 255
    picture = Picture.fromarray(stored, "P")
    picture.putpalette([value for index in range(256) for value in (index * 7 % 256, index * 31 % 256, 90)])
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks/a.png")
    put(tmp_path / "images", a_jpg=photo())
    dataset, _ = build(plan_pairs(settings(tmp_path, person_value="15")), tmp_path / "D")
    assert np.array_equal(read_masks(dataset)["a"], person())


@pytest.mark.parametrize(
    ("stored", "remedy"),
    [
        (np.where(person() > 0, 254, 0), "--person-value 254"),
        (np.where(person() > 0, 255, 0) + 128 * (np.indices((H, W))[0] < 3), "--person-value 255"),
        (np.where(person() > 0, 15, 0) + 255 * (np.indices((H, W))[0] < 3), "--person-value V"),
        (cv2.GaussianBlur(person(), (25, 25), 0), "--alphas"),
    ],
)
def test_the_hint_for_other_values_names_the_option_that_takes_them(
    tmp_path: Path, stored: np.ndarray, remedy: str
) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(stored.astype(np.uint8)))
    build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    (record,) = read_quarantine(tmp_path / "D")
    assert str(record.code) == "MASK_VALUES" and remedy in record.hint


@pytest.mark.parametrize(
    "wrong", [{"person_value": "x"}, {"person_value": "9-3"}, {"group_by": "("}, {"group_by": "z"}]
)
def test_options_for_values_and_groups_that_mean_nothing_are_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(person()))
    with pytest.raises(ConfigurationProblem):
        plan_pairs(settings(tmp_path, **wrong))


@pytest.mark.parametrize(
    ("name", "option", "given"),
    [
        ("a_mask_png", "--label-suffix _mask", {"label_suffix": "_mask"}),
        ("mask-a_png", "--label-prefix mask-", {"label_prefix": "mask-"}),
        ("a-seg_png", "--label-suffix -seg", {"label_suffix": "-seg.png"}),
    ],
)
def test_other_names_of_labels_are_told_and_taken(
    tmp_path: Path, name: str, option: str, given: dict[str, str]
) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", **{name: png(person())})
    with pytest.raises(InputRefused) as refused:
        plan_pairs(settings(tmp_path))
    assert option in refused.value.remedy
    put(tmp_path / "masks", a_edge_png=png(person()))
    dataset, card = build(plan_pairs(settings(tmp_path, **given)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["a"] and card.counts.filtered == {"other_file": 1}


def test_labels_called_like_the_whole_image_file_are_taken(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(), b_jpg=photo(seed=3))
    put(tmp_path / "masks", **{"a.jpg_png": png(person()), "b_png": png(person())})
    dataset, _ = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["a", "b"]


def test_labels_beside_their_images_are_told_apart_by_their_suffix(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(), a_mask_png=png(person()))
    plan = plan_pairs(settings(tmp_path, masks=tmp_path / "images", label_suffix="_mask"))
    dataset, card = build(plan, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["a"] and card.counts.considered == 1


@pytest.mark.parametrize("by", ["folder", "^(clip[0-9])/"])
def test_frames_of_a_clip_share_a_group(tmp_path: Path, by: str) -> None:
    for number in range(2):
        for frame in range(3):
            put(tmp_path / "images", **{f"clip{number}__{frame}_jpg": photo(seed=frame)})
            put(tmp_path / "masks", **{f"clip{number}__{frame}_png": png(person())})
    dataset, _ = build(plan_pairs(settings(tmp_path, source="own", group_by=by)), tmp_path / "D")
    assert dataset.table["group"].to_pylist() == ["own/clip0"] * 3 + ["own/clip1"] * 3


def test_copies_that_an_augmentation_made_share_a_group(tmp_path: Path) -> None:
    for name in ("a_jpg.rf.0a1b", "a_jpg.rf.77", "b_jpg.rf.0a1b", "c"):
        put(tmp_path / "images", **{f"{name}_jpg": photo()})
        put(tmp_path / "masks", **{f"{name}_png": png(person())})
    dataset, _ = build(plan_pairs(settings(tmp_path, source="own")), tmp_path / "D")
    assert dataset.table["group"].to_pylist()[:3] == ["own/a_jpg"] * 2 + ["own/b_jpg"]


def test_a_folder_of_links_is_refused_once_and_followed_into_the_named_folder_alone(tmp_path: Path) -> None:
    put(tmp_path / "blobs", a_jpg=photo(), b_jpg=photo(seed=2))
    put(tmp_path / "elsewhere", c_jpg=photo(seed=3))
    (tmp_path / "images").mkdir()
    for name, place in {"a": "blobs", "b": "blobs", "c": "elsewhere"}.items():
        (tmp_path / f"images/{name}.jpg").symlink_to(tmp_path / place / f"{name}.jpg")
        put(tmp_path / "masks", **{f"{name}_png": png(person())})
    with pytest.raises(InputRefused, match="symbolic links") as refused:
        plan_pairs(settings(tmp_path))
    assert "--follow-links" in refused.value.remedy
    plan = plan_pairs(settings(tmp_path, follow_links=(tmp_path / "blobs",)))
    dataset, card = build(plan, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["a", "b"] and card.counts.quarantined == {"UNREADABLE": 1}
    for row, seed in zip(dataset.table.to_pylist(), (0, 2), strict=True):
        path = dataset.path(row["image"])
        assert path.read_bytes() == photo(seed=seed) and not path.is_symlink()


def test_folders_behind_links_are_entered_once(tmp_path: Path) -> None:
    put(tmp_path / "blobs/clip", a_jpg=photo())
    (tmp_path / "blobs/clip/again").symlink_to(tmp_path / "blobs/clip")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/clip").symlink_to(tmp_path / "blobs/clip")
    put(tmp_path / "masks/clip", a_png=png(person()))
    plan = plan_pairs(settings(tmp_path, follow_links=(tmp_path / "blobs",)))
    assert [item.id for item in plan.items] == ["clip__a"] and not plan.quarantined


def test_a_person_value_that_no_mask_holds_is_refused_with_the_values_that_they_hold(tmp_path: Path) -> None:
    for name in "abc":
        put(tmp_path / "images", **{f"{name}_jpg": photo()})
        put(tmp_path / "masks", **{f"{name}_png": png(person() // 255 * (15 if name == "a" else 254))})
    for asked in ("255", "16-253"):
        with pytest.raises(InputRefused, match="none of the 3 masks") as caught:
            plan_pairs(settings(tmp_path, person_value=asked, limit=1))
        assert all(
            told in str(caught.value) for told in (asked.replace("-", " to "), "0 (in 3), 254 (in 2), 15 (in 1)")
        )
        assert caught.value.where == str(tmp_path / "masks")


def test_a_person_value_is_looked_for_no_further_than_the_first_mask_that_holds_it(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo(), b_jpg=photo())
    put(tmp_path / "masks", a_png=b"no picture", b_png=png(person() // 255 * 15))
    assert len(plan_pairs(settings(tmp_path, person_value="15")).items) == 2  # what is broken is set aside later
    put(tmp_path / "masks", b_png=b"no picture")
    assert len(plan_pairs(settings(tmp_path, person_value="15")).items) == 2
