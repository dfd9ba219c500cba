"""Folders of images and masks or alphas become a dataset; whatever is no sound pair is set aside by name."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine
from curation.dataset.sample import Plan
from curation.errors import ConfigurationProblem, InputRefused
from curation.sources.image_label_folders import PairsSettings, plan_pairs
from tests.places import REAL_DATA

H, W = 60, 40
REAL = REAL_DATA / "data"


def photo(*, seed: int = 0, size: tuple[int, int] = (H, W)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def person(*, top: int = 10, size: tuple[int, int] = (H, W)) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[top:, 8:32] = 255
    return mask


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def put(root: Path, **files: bytes) -> Path:
    """Write files; `__` in a name stands for the slash, the last `_` for the dot."""
    for name, data in files.items():
        stem, _, suffix = name.rpartition("_")
        path = root / f"{stem.replace('__', '/')}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def build(plan: Plan, out: Path) -> tuple[Dataset, Card]:
    options = BuildOptions(runner=RunnerOptions(workers=0), max_quarantine="100%")
    card = build_dataset(plan, out=out, options=options)
    return read_dataset(out), card


def settings(tmp_path: Path, **more: object) -> PairsSettings:
    return PairsSettings(images=tmp_path / "images", **({"masks": tmp_path / "masks"} | more))  # type: ignore[arg-type]


def test_pairs_are_made_by_name_and_images_stay_as_they_are(tmp_path: Path) -> None:
    put(tmp_path / "images", b_jpg=photo(seed=2), a_jpg=photo(seed=1))
    put(tmp_path / "masks", a_png=png(person(top=5)), b_png=png(person(top=30)))
    dataset, _ = build(plan_pairs(settings(tmp_path, source="own", split="val", license="CC0")), tmp_path / "D")
    rows = dataset.table.to_pylist()
    assert [row["id"] for row in rows] == ["a", "b"]
    for row, top, seed in zip(rows, (5, 30), (1, 2), strict=True):
        assert dataset.path(row["image"]).read_bytes() == photo(seed=seed)
        assert np.array_equal(cv2.imread(str(dataset.path(row["mask"])), cv2.IMREAD_UNCHANGED), person(top=top))
        assert row["person_area"] == pytest.approx((H - top) * 24 / (H * W))
        assert (row["source"], row["split"], row["license"]) == ("own", "val", "CC0")
        assert (row["width"], row["height"], row["group"]) == (W, H, f"own/{row['id']}@{row['sha256'][:8]}")
        assert row["alpha"] is row["trimap"] is row["persons"] is None


def test_sub_folders_belong_to_the_name(tmp_path: Path) -> None:
    put(tmp_path / "images", one__x_jpg=photo(), two__x_jpg=photo())
    put(tmp_path / "masks", one__x_png=png(person()), three__x_png=png(person()))
    dataset, card = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["one__x"]
    assert dataset.table["source_id"].to_pylist() == ["one/x"]
    assert card.counts.quarantined == {"NO_MASK": 1, "ORPHAN_MASK": 1}


def test_masks_inside_the_images_folder_are_not_taken_for_images(tmp_path: Path) -> None:
    images = tmp_path / "images"
    put(images, x_jpg=photo(), masks__x_png=png(person()))
    dataset, card = build(plan_pairs(PairsSettings(images=images, masks=images / "masks")), tmp_path / "D")
    assert len(dataset) == card.counts.considered == 1


def test_every_defect_has_its_code_and_the_rest_goes_on(tmp_path: Path) -> None:
    good, jpg = png(person()), photo()
    defects = {
        "lonely": (jpg, None),
        "orphan": (None, good),
        "cut": (jpg[: len(jpg) // 2], good),
        "html": (b"<html>404</html>", good),
        "size": (photo(size=(W, H)), good),
        "off_by_one": (jpg, png(person(size=(H - 1, W)))),
        "values": (jpg, png(np.where(person() > 0, 7, 3).astype(np.uint8))),
        "jpeg_mask": (jpg, cv2.imencode(".jpg", person())[1].tobytes()),
        "specks": (jpg, png(np.eye(H, W, dtype=np.uint8) * (np.arange(H) < 2)[:, None].astype(np.uint8))),
        "full": (jpg, png(np.full((H, W), 255, np.uint8))),
        "nothing": (jpg, b""),
        "good": (jpg, good),
    }
    for name, (image, mask) in defects.items():
        if image is not None:
            put(tmp_path / "images", **{f"{name}_jpg": image})
        if mask is not None:
            put(tmp_path / "masks", **{f"{name}_png": mask})
    dataset, card = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["good"]
    codes = {Path(record.file).stem: str(record.code) for record in read_quarantine(tmp_path / "D")}
    assert codes == {
        "lonely": "NO_MASK",
        "orphan": "ORPHAN_MASK",
        "cut": "TRUNCATED",
        "html": "NOT_IMAGE",
        "size": "SIZE_MISMATCH",
        "off_by_one": "SIZE_MISMATCH",
        "values": "MASK_VALUES",
        "jpeg_mask": "MASK_VALUES",
        "specks": "EMPTY_ALPHA",
        "full": "FULL_ALPHA",
        "nothing": "NOT_IMAGE",
    }
    assert card.counts.considered == len(defects)


@pytest.mark.parametrize("with_channel", [True, False])
def test_alphas_are_rgba_cut_outs_or_gray_mattes(tmp_path: Path, with_channel: bool) -> None:
    alpha = cv2.GaussianBlur(person(), (0, 0), 2)
    label = np.dstack([np.full((H, W, 3), 90, np.uint8), alpha]) if with_channel else alpha
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "alphas", a_png=png(label))
    plan = plan_pairs(
        PairsSettings(images=tmp_path / "images", alphas=tmp_path / "alphas", threshold=100, trimap_kernel="auto")
    )
    dataset, _ = build(plan, tmp_path / "D")
    (row,) = dataset.table.to_pylist()
    stored = {
        name: cv2.imread(str(dataset.path(row[name])), cv2.IMREAD_UNCHANGED) for name in ("alpha", "mask", "trimap")
    }
    assert np.array_equal(stored["alpha"], alpha)
    assert np.array_equal(stored["mask"], np.where(alpha > 100, 255, 0))
    assert (stored["trimap"][(alpha > 0) & (alpha < 255)] == 128).all()
    assert row["soft"] == pytest.approx(np.mean((alpha > 0) & (alpha < 255)))


def test_links_pipes_and_folders_named_like_images_are_unreadable(tmp_path: Path) -> None:
    put(tmp_path / "images", good_jpg=photo())
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(photo())
    (tmp_path / "images/link.jpg").symlink_to(outside)
    (tmp_path / "images/folder.jpg").mkdir()
    os.mkfifo(tmp_path / "images/pipe.jpg")
    for name in ("good", "link", "folder", "pipe"):
        put(tmp_path / "masks", **{f"{name}_png": png(person())})
    dataset, card = build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["good"]
    assert card.counts.quarantined == {"UNREADABLE": 3}


@pytest.mark.parametrize("stem", ["a:b", "what?", "back\\slash", "x" * 201, "ü" * 101])
def test_a_name_that_other_file_systems_cannot_hold_is_set_aside(tmp_path: Path, stem: str) -> None:
    put(tmp_path / "images", good_jpg=photo(), **{f"{stem}_jpg": photo()})
    put(tmp_path / "masks", good_png=png(person()), **{f"{stem}_png": png(person())})
    plan = plan_pairs(settings(tmp_path))
    assert [item.id for item in plan.items] == ["good"]
    assert [str(record.code) for record in plan.quarantined] == ["NAME"]


@pytest.mark.parametrize(("first", "second"), [("x.jpg", "x.png"), ("A.jpg", "a.jpg")])
def test_two_images_of_one_id_are_refused_naming_both(tmp_path: Path, first: str, second: str) -> None:
    for name in (first, second):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / name).write_bytes(photo())
        put(tmp_path / "masks", **{f"{Path(name).stem}_png": png(person())})
    with pytest.raises(InputRefused) as refused:
        plan_pairs(settings(tmp_path))
    assert first in str(refused.value)
    assert second in str(refused.value)


def test_two_paths_that_give_one_id_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "images", a__b_jpg=photo())
    put(tmp_path / "masks", a__b_png=png(person()))
    (tmp_path / "images/a__b.jpg").write_bytes(photo())
    (tmp_path / "masks/a__b.png").write_bytes(png(person()))
    with pytest.raises(InputRefused, match="two files claim"):
        plan_pairs(settings(tmp_path))


def test_folders_without_a_pair_are_refused_with_examples(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", b_png=png(person()))
    with pytest.raises(InputRefused, match="no image has a label of the same name") as refused:
        plan_pairs(settings(tmp_path))
    assert "a.jpg" in str(refused.value)
    assert "b.png" in str(refused.value)


def test_settings_that_cannot_work_are_refused_before_a_file_is_opened(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(person()))
    masks = tmp_path / "masks"
    for wrong in (
        {"masks": None},
        {"masks": masks, "alphas": masks},
        {"threshold": 255},
        {"threshold": -1},
        {"trimap_kernel": "six"},
        {"trimap_kernel": "0"},
        {"trimap_kernel": "501"},
        {"source": "a\nb"},
        {"limit": -1},
    ):
        with pytest.raises(ConfigurationProblem):
            plan_pairs(settings(tmp_path, **wrong))
    with pytest.raises(InputRefused, match="one folder"):
        plan_pairs(settings(tmp_path, masks=tmp_path / "images"))


def test_masks_and_alphas_together_or_neither_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    with pytest.raises(ConfigurationProblem, match=r"^neither --masks nor --alphas is given"):
        plan_pairs(settings(tmp_path, masks=None))
    with pytest.raises(ConfigurationProblem, match=r"^both --masks and --alphas are given"):
        plan_pairs(settings(tmp_path, masks=folder, alphas=folder))


def test_a_limit_keeps_the_first_by_id_and_counts_the_rest(tmp_path: Path) -> None:
    for name in "dbca":
        put(tmp_path / "images", **{f"{name}_jpg": photo()})
        put(tmp_path / "masks", **{f"{name}_png": png(person())})
    dataset, card = build(plan_pairs(settings(tmp_path, limit=3)), tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["a", "b", "c"]
    assert card.counts.filtered == {"limit": 1}


def test_a_trimap_that_leaves_no_certain_person_is_set_aside(tmp_path: Path) -> None:
    put(tmp_path / "images", a_jpg=photo())
    put(tmp_path / "masks", a_png=png(person()))
    _, card = build(plan_pairs(settings(tmp_path, trimap_kernel="40")), tmp_path / "D")
    assert Counter(card.counts.quarantined) == {"TRIMAP": 1}


@pytest.mark.parametrize(("size", "helps"), [((90, 60), True), ((W, H), False)])
def test_a_label_of_another_size_is_set_aside_with_a_hint_of_fit_where_that_helps(
    tmp_path: Path, size: tuple[int, int], helps: bool
) -> None:
    put(tmp_path / "images", a_jpg=photo(size=size))
    put(tmp_path / "masks", a_png=png(person()))
    build(plan_pairs(settings(tmp_path)), tmp_path / "D")
    (record,) = read_quarantine(tmp_path / "D")
    assert (str(record.code), "--fit" in record.hint) == ("SIZE_MISMATCH", helps)


def test_the_refusal_says_how_many_fit_would_help_and_what_was_refused_is_in_nobodys_way(tmp_path: Path) -> None:
    sizes = [(H, W)] * 3 + [(90, 60)] * 9 + [(W, H)] * 2
    names = [f"{number:02}" for number in range(len(sizes))]
    put(tmp_path / "images", **{f"{name}_jpg": photo(size=size) for name, size in zip(names, sizes, strict=True)})
    put(tmp_path / "masks", **{f"{name}_png": png(person()) for name in names})
    options = BuildOptions(runner=RunnerOptions(workers=0))
    with pytest.raises(InputRefused, match=r"11 inputs are broken, 10 are allowed; --fit .*: 9 of these; e\.g"):
        build_dataset(plan_pairs(settings(tmp_path)), out=tmp_path / "D", options=options)
    card = build_dataset(plan_pairs(settings(tmp_path, fit=True)), out=tmp_path / "D", options=options)
    assert (card.counts.selected, card.counts.quarantined) == (12, {"SIZE_MISMATCH": 2})


def test_with_fit_a_label_of_the_same_shape_is_scaled_and_any_other_is_set_aside(tmp_path: Path) -> None:
    put(tmp_path / "images", same_jpg=photo(size=(90, 60)), other_jpg=photo(size=(60, 90)))
    put(tmp_path / "masks", same_png=png(person()), other_png=png(person()))
    dataset, card = build(plan_pairs(settings(tmp_path, fit=True)), tmp_path / "D")
    assert card.counts.quarantined == {"SIZE_MISMATCH": 1}
    mask = cv2.imread(str(tmp_path / "D" / dataset.table["mask"][0].as_py()), cv2.IMREAD_UNCHANGED)
    truth = np.zeros((90, 60), np.uint8)
    truth[15:, 12:48] = 255  # person() at one and a half times its size
    assert mask.shape == truth.shape
    assert set(np.unique(mask)) == {0, 255}
    assert (mask != truth).mean() < 0.01


@pytest.mark.real
@pytest.mark.skipif(not (REAL / "portraits").is_dir(), reason=f"no real portraits in {REAL}")
def test_real_portraits_with_masks_of_other_sizes_are_all_taken_with_fit(tmp_path: Path) -> None:
    folder = REAL / "portraits"
    plan = plan_pairs(PairsSettings(images=folder / "images", masks=folder / "masks", fit=True))
    dataset, card = build(plan, tmp_path / "D")
    assert (card.counts.considered, card.counts.selected) == (200, 200)
    row = dataset.table.filter(dataset.table["id"].to_numpy(zero_copy_only=False) == "0053").to_pylist()[0]
    assert (row["width"], row["height"]) == (1100, 734)
    assert cv2.imread(str(tmp_path / "D" / row["mask"]), cv2.IMREAD_UNCHANGED).shape == (734, 1100)
