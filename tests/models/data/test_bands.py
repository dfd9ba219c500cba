"""Bands of trimaps widened by hand-counted pixels, and the warning of bands that are too narrow to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.data.bands import warnings_of_bands, widened
from models.data.choose_samples import SampleChoice, choose_samples
from models.data.images import Draw, ImageOptions, LabelledImages
from tests.models.data.discs import disc_dataset

ROW = np.array([[0, 0, 0, 0, 1, 2, 2, 2, 2, 255]], np.uint8)


def test_a_band_grows_on_both_sides_and_over_nothing_that_is_ignored() -> None:
    assert widened(ROW, kernel="5").tolist() == [[0, 0, 1, 1, 1, 1, 1, 2, 2, 255]]
    assert widened(ROW, kernel="none").tolist() == ROW.tolist()
    label = np.repeat(np.repeat(np.array([[0, 0, 1, 2, 2]], np.uint8), 40, axis=1), 80, axis=0)  # 80 x 200
    assert (widened(label, kernel="auto") == 1).sum() == 80 * (40 + 2 * 5)  # a fortieth of 200 on each side


def test_narrow_bands_are_warned_of_and_those_that_train_are_wide(tmp_path: Path) -> None:
    disc = disc_dataset(tmp_path / "d", ["a", "b"], size=(160, 160))
    judge = disc_dataset(tmp_path / "v", ["v"], size=(160, 160))
    chosen = choose_samples([disc], validation=[judge], choice=SampleChoice(classes=3))
    (told,) = warnings_of_bands(chosen.training, kernel="none")
    assert str(tmp_path / "d") in told and "--trimap-kernel auto" in told
    assert warnings_of_bands(chosen.training, kernel="auto") == []
    options = ImageOptions(classes=3, input_size=(160, 160), policy="none", seed=0, trimap_kernel="auto")
    images = LabelledImages(chosen.training, validation=chosen.validation, options=options)
    for draw in (Draw(epoch=0, index=0), Draw(epoch=None, index=0)):
        example = images[draw]
        share = float((example.label == 1).mean())  # type: ignore[union-attr]
        assert share > 0.05


@pytest.mark.parametrize("kernel", ["0", "wide", "501", "-1"])
def test_kernels_that_widen_nothing_are_refused(kernel: str) -> None:
    from models.training.settings import TrainSettings

    with pytest.raises(ValueError, match="trimap_kernel"):
        TrainSettings(network="unet_shufflenet", classes=3, trimap_kernel=kernel)
