"""Masks cut from predictions: exact, made again only when the prediction changed, and never in the dataset."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from curation.quarantine import BadRecord
from labeling.browsing.pictures import cut_mask, pictures_of
from tests.labeling.browsing.test_fiftyone_dataset import dataset


def png(values: list[list[int]]) -> bytes:
    stream = BytesIO()
    PIL.Image.fromarray(np.array(values, np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def test_a_probability_is_cut_at_one_half(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(png([[0, 127, 128, 255]]))
    made = cut_mask(tmp_path / "p.png", target=tmp_path / "m.png")
    assert np.asarray(PIL.Image.open(made)).tolist() == [[0, 0, 255, 255]]


def test_a_mask_is_made_again_only_when_its_prediction_changed(tmp_path: Path) -> None:
    source, target = tmp_path / "p.png", tmp_path / "m.png"
    source.write_bytes(png([[0, 255]]))
    cut_mask(source, target=target)
    first = target.stat().st_ino
    cut_mask(source, target=target)
    assert target.stat().st_ino == first
    source.write_bytes(png([[255, 0]]))
    os.utime(source, ns=(1, 1))  # older than before, as a restored file is
    cut_mask(source, target=target)
    assert np.asarray(PIL.Image.open(target)).tolist() == [[255, 0]]


def test_a_prediction_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRecord):
        cut_mask(tmp_path / "none.png", target=tmp_path / "m.png")


def test_a_broken_prediction_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    home = tmp_path / "d"
    (home / "predictions").mkdir(parents=True)
    (home / "predictions/1.png").write_bytes(png([[0, 255]]))
    (home / "predictions/2.png").write_bytes(b"no picture")
    names = ["predictions/1.png", "predictions/2.png", "../outside.png", None]
    told: list[int] = []
    made, broken = pictures_of(
        dataset(home, "1", "2", "3", "4", prediction=names), folder=tmp_path / "own", workers=2, progress=told.append
    )
    assert [path is not None for path in made.predicted] == [True, False, False, False]
    assert len(broken) == 2
    assert told == [1, 2, 3, 4]
    assert sorted(path.name for path in home.rglob("*.png")) == ["1.png", "2.png"], "nothing is added to the dataset"


def test_masks_of_samples_that_have_gone_are_deleted(tmp_path: Path) -> None:
    home = tmp_path / "d"
    (home / "predictions").mkdir(parents=True)
    for name in ("1", "2"):
        (home / f"predictions/{name}.png").write_bytes(png([[0, 255]]))
    both = dataset(home, "1", "2", prediction=["predictions/1.png", "predictions/2.png"])
    one = dataset(home, "1", prediction=["predictions/1.png"])
    for shown in (both, one):
        pictures_of(shown, folder=tmp_path / "own", workers=0, progress=lambda done: None)
    assert len(list((tmp_path / "own").rglob("*.png"))) == 1
