"""portrait2000: portraits and mattes side by side, alone or in folders for training and testing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.card import Card
from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import InputRefused
from curation.sources.portrait2000 import Portrait2000Settings, plan_portrait2000

H, W = 80, 60


def matte_of(number: int) -> np.ndarray:
    mask = np.zeros((H, W), np.uint8)
    cv2.circle(mask, (W // 2, H // 2), 12 + number, 255, -1)
    return cv2.GaussianBlur(mask, (0, 0), 2)


def portrait(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (H, W, 3), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def put_pair(folder: Path, number: int, *, channels: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    matte = matte_of(number)
    stored = np.dstack([matte] * 3) if channels == 3 else matte
    (folder / f"{number:05d}.png").write_bytes(portrait(number))
    (folder / f"{number:05d}_matte.png").write_bytes(cv2.imencode(".png", stored)[1].tobytes())


def build(root: Path, out: Path) -> tuple[Dataset, Card]:
    plan = plan_portrait2000(Portrait2000Settings(root=root))
    card = build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return read_dataset(out), card


@pytest.mark.parametrize("channels", [1, 3])
def test_a_matte_becomes_alpha_mask_and_trimap(tmp_path: Path, channels: int) -> None:
    put_pair(tmp_path / "root", 7, channels=channels)
    dataset, _ = build(tmp_path / "root", tmp_path / "D")
    (row,) = dataset.table.to_pylist()
    assert (row["id"], row["split"]) == ("00007", None)
    assert row["group"] == f"portrait2000/00007@{row['sha256'][:8]}", "the parts that train and test both count from 1"
    stored = {name: cv2.imread(str(dataset.path(row[name])), -1) for name in ("alpha", "mask", "trimap")}
    assert np.array_equal(stored["alpha"], matte_of(7))
    assert np.array_equal(stored["mask"], np.where(matte_of(7) >= 128, 255, 0))
    assert set(np.unique(stored["trimap"])) == {0, 128, 255}
    assert dataset.path(row["image"]).read_bytes() == portrait(7)


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("training", "testing")])
def test_folders_give_the_split_and_keep_equal_numbers_apart(tmp_path: Path, train: str, test: str) -> None:
    put_pair(tmp_path / "root" / train, 1)
    put_pair(tmp_path / "root" / train, 2)
    put_pair(tmp_path / "root" / test, 1)
    dataset, _ = build(tmp_path / "root", tmp_path / "D")
    assert dataset.table.select(["id", "split"]).to_pylist() == [
        {"id": "test-00001", "split": "test"},
        {"id": "train-00001", "split": "train"},
        {"id": "train-00002", "split": "train"},
    ]


def test_lonely_files_broken_mattes_and_folders_not_read_are_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for number in (1, 2, 3, 4):
        put_pair(root, number)
    (root / "00002.png").unlink()
    (root / "00003_matte.png").unlink()
    colour = np.dstack([matte_of(4), matte_of(4), 255 - matte_of(4)])
    (root / "00004_matte.png").write_bytes(cv2.imencode(".png", colour)[1].tobytes())
    put_pair(root / "backup", 9)
    dataset, card = build(root, tmp_path / "D")
    assert dataset.table["id"].to_pylist() == ["00001"]
    assert card.counts.quarantined == {"MASK_VALUES": 1, "NO_MASK": 1, "ORPHAN_MASK": 1}
    assert card.notes["folders_not_looked_into"] == {"backup": 2}


def test_a_root_without_mattes_is_refused_saying_what_is_there(tmp_path: Path) -> None:
    put_pair(tmp_path / "deeper" / "train", 1)
    with pytest.raises(InputRefused, match=r"expected <n>.png and <n>_matte.png .* there is deeper"):
        plan_portrait2000(Portrait2000Settings(root=tmp_path))
