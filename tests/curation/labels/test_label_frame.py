"""Labels of images that EXIF turns: whether they lie as the image is stored or shown is told, never guessed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_dataset, read_quarantine
from curation.dataset.sample import Plan
from curation.labels.label_frame import edge_ranks
from curation.quarantine import Code, QuarantineRecord
from curation.sources.aifenge import AifengeSettings, plan_aifenge
from curation.sources.image_label_folders import PairsSettings, plan_pairs
from curation.sources.portrait2000 import Portrait2000Settings, plan_portrait2000

ORIENTATION = 0x0112
Picture = NDArray[np.uint8]
TO_STORED = {  # what Pillow has to do to a shown picture, for EXIF to undo: the inverse of ImageOps.exif_transpose
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_90,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_270,
}


def scene(*, height: int = 200, width: int = 200, seed: int = 0) -> tuple[Picture, Picture]:
    """Draw a person off the middle before a busy wall, and its mask, as shown."""
    rng = np.random.default_rng(seed)
    wall = cv2.resize(rng.integers(60, 160, (12, 12, 3), dtype=np.uint8), (width, height))
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (70, 70), 30, 255, -1)
    cv2.ellipse(mask, (80, height), (50, 95), 0, 0, 360, 255, -1)
    picture = np.asarray(wall, np.uint8).copy()
    picture[mask > 0] = (230, 60, 40)
    return picture, mask


def stored(array: Picture, *, orientation: int) -> Picture:
    return np.asarray(PIL.Image.fromarray(array).transpose(TO_STORED[orientation]))


def jpeg(picture: Picture, *, orientation: int) -> bytes:
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = orientation
    stream = io.BytesIO()
    PIL.Image.fromarray(picture).save(stream, "JPEG", quality=95, exif=exif)
    return stream.getvalue()


def png(array: Picture) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def put(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def build(plan: Plan, out: Path) -> tuple[list[dict[str, Any]], list[QuarantineRecord]]:
    build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0), max_quarantine="100%"))
    return read_dataset(out).table.to_pylist(), list(read_quarantine(out))


def pairs(root: Path, *, out: str, frame: Any = None) -> tuple[list[dict[str, Any]], list[QuarantineRecord]]:
    settings = PairsSettings(images=root / "images", masks=root / "masks", label_frame=frame)
    return build(plan_pairs(settings), root / out)


@pytest.mark.parametrize("orientation", TO_STORED)
def test_a_label_that_is_not_turned_is_told_and_the_option_turns_it(tmp_path: Path, orientation: int) -> None:
    picture, mask = scene()
    put(tmp_path / "images", "a.jpg", jpeg(stored(picture, orientation=orientation), orientation=orientation))
    put(tmp_path / "masks", "a.png", png(stored(mask, orientation=orientation)))
    rows, (record,) = pairs(tmp_path, out="asked")
    assert not rows
    assert record.code is Code.LABEL_FRAME
    assert f"orientation {orientation}" in record.reason
    assert "--label-frame stored" in record.hint
    (row,), lines = pairs(tmp_path, out="stored", frame="stored")
    assert not lines
    assert np.array_equal(cv2.imread(str(tmp_path / "stored" / row["mask"]), cv2.IMREAD_UNCHANGED), mask)
    (row,), lines = pairs(tmp_path, out="shown", frame="shown")
    assert not lines
    as_given = stored(mask, orientation=orientation)
    assert np.array_equal(cv2.imread(str(tmp_path / "shown" / row["mask"]), cv2.IMREAD_UNCHANGED), as_given)


@pytest.mark.parametrize("orientation", TO_STORED)
def test_a_label_that_is_turned_with_its_image_is_taken_without_a_word(tmp_path: Path, orientation: int) -> None:
    picture, mask = scene(seed=orientation)
    put(tmp_path / "images", "a.jpg", jpeg(stored(picture, orientation=orientation), orientation=orientation))
    put(tmp_path / "masks", "a.png", png(mask))
    (row,), lines = pairs(tmp_path, out="D")
    assert not lines
    assert np.array_equal(cv2.imread(str(tmp_path / "D" / row["mask"]), cv2.IMREAD_UNCHANGED), mask)


def test_where_nothing_tells_the_frame_the_pair_is_taken_and_that_is_said(tmp_path: Path) -> None:
    picture, mask = scene()
    flat = np.full_like(picture, 120)
    put(tmp_path / "images", "a.jpg", jpeg(flat, orientation=3))
    put(tmp_path / "masks", "a.png", png(mask))
    (row,), (record,) = pairs(tmp_path, out="D")
    assert np.array_equal(cv2.imread(str(tmp_path / "D" / row["mask"]), cv2.IMREAD_UNCHANGED), mask)
    assert record.code is Code.LABEL_FRAME
    assert "is not known" in record.reason
    assert read_dataset(tmp_path / "D").card.records == {"LABEL_FRAME": 1}
    assert pairs(tmp_path, out="shown", frame="shown")[1] == []


def test_a_label_that_is_the_same_in_both_frames_is_no_question(tmp_path: Path) -> None:
    mask = np.zeros((200, 200), np.uint8)
    cv2.circle(mask, (100, 100), 60, 255, -1)
    mask = np.maximum(mask, mask[:, ::-1])
    put(tmp_path / "images", "a.jpg", jpeg(np.full((200, 200, 3), 120, np.uint8), orientation=2))
    put(tmp_path / "masks", "a.png", png(mask))
    assert pairs(tmp_path, out="D")[1] == []


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_size_that_tells_the_frame_names_the_option_and_it_works(tmp_path: Path, orientation: int) -> None:
    picture, mask = scene(height=240, width=180)
    put(tmp_path / "images", "a.jpg", jpeg(stored(picture, orientation=orientation), orientation=orientation))
    put(tmp_path / "masks", "a.png", png(stored(mask, orientation=orientation)))
    rows, (record,) = pairs(tmp_path, out="asked")
    assert not rows
    assert record.code is Code.SIZE_MISMATCH
    assert "--label-frame stored" in record.hint
    (row,), _ = pairs(tmp_path, out="stored", frame="stored")
    assert (row["width"], row["height"]) == (180, 240)
    assert np.array_equal(cv2.imread(str(tmp_path / "stored" / row["mask"]), cv2.IMREAD_UNCHANGED), mask)
    put(tmp_path / "masks", "a.png", png(mask))
    _, (record,) = pairs(tmp_path, out="wrong", frame="stored")
    assert record.code is Code.SIZE_MISMATCH
    assert "--label-frame shown" in record.hint


def test_aifenge_and_portrait2000_ask_the_same_question_and_take_the_same_answer(tmp_path: Path) -> None:
    picture, mask = scene()
    alpha = np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.0), np.uint8)
    image, label = jpeg(stored(picture, orientation=3), orientation=3), stored(alpha, orientation=3)
    cutout = png(np.dstack([np.full((200, 200, 3), 9, np.uint8), label]))
    put(tmp_path / "A/clip_img/1/clip_00000000", "1-1.jpg", image)
    put(tmp_path / "A/matting/1/matting_00000000", "1-1.png", cutout)
    put(tmp_path / "P", "00001.jpg", image)
    put(tmp_path / "P", "00001_matte.png", png(label))
    for name, frame in (("asked", None), ("stored", "stored")):
        plans = [
            plan_aifenge(AifengeSettings(root=tmp_path / "A", label_frame=frame)),  # type: ignore[arg-type]
            plan_portrait2000(Portrait2000Settings(root=tmp_path / "P", label_frame=frame)),  # type: ignore[arg-type]
        ]
        for plan in plans:
            out = tmp_path / f"{plan.command}-{name}"
            rows, lines = build(plan, out)
            assert [record.code for record in lines] == ([] if frame else [Code.LABEL_FRAME])
            for row in rows:
                assert np.array_equal(cv2.imread(str(out / row["alpha"]), cv2.IMREAD_UNCHANGED), alpha)
            assert len(rows) == (1 if frame else 0)


def test_edge_ranks_are_swapped_with_the_labels_and_average_where_there_is_no_outline() -> None:
    picture, mask = scene()
    other = np.ascontiguousarray(mask[::-1])
    one, two = edge_ranks(picture, one=mask, other=other)
    assert edge_ranks(picture, one=other, other=mask) == (two, one)
    assert 0.9 < one <= 1 and two < one
    assert edge_ranks(picture, one=np.zeros_like(mask), other=np.full_like(mask, 255)) == (0.5, 0.5)
