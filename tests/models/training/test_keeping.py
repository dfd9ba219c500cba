"""Which weights of a training are kept: those that the images that judge like best, or the last."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from curation.errors import InputRefused
from models.training.settings import Stage
from tests.models.data.discs import disc_dataset
from tests.models.training.test_train import TRAIN_IDS, history, settings_for, trained, weights


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    disc_dataset(tmp_path / "discs", TRAIN_IDS)
    disc_dataset(tmp_path / "judge", ["v1", "v2"])
    return tmp_path / "discs", tmp_path / "judge"


def test_the_last_weights_do_not_depend_on_the_images_that_judge(data: tuple[Path, Path], tmp_path: Path) -> None:
    disc_dataset(tmp_path / "wrong", ["w1"])
    mask = str(tmp_path / "wrong" / "masks" / "w1.png")
    cv2.imwrite(mask, 255 - cv2.imread(mask, cv2.IMREAD_GRAYSCALE))
    stage = Stage(data=(str(data[0]),), epochs=10, batch_size=3, learning_rate=1e-2, augmentation="none")

    def kept(keep: str, judge: Path) -> bytes:
        out = tmp_path / f"{keep}-{judge.name}"
        trained(settings_for((data[0], judge), stages=(stage,), keep=keep, ema=0.5, checkpoint_every_steps=1000), out)
        return weights(out)

    right, wrong = data[1], tmp_path / "wrong"
    assert kept("best", right) != kept("best", wrong)
    assert kept("last", right) == kept("last", wrong)
    last = json.loads((tmp_path / "last-wrong" / "metrics.json").read_text())
    assert last["epoch"] == 10
    with pytest.raises(InputRefused, match="other settings: ema, keep"):  # the best is not written down
        trained(settings_for((data[0], wrong), stages=(stage,), checkpoint_every_steps=1000), tmp_path / "last-wrong")
    assert last["miou_image"] < max(float(row["val_miou"]) for row in history(tmp_path / "last-wrong"))
