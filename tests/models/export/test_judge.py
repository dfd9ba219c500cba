from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from curation.errors import InputRefused
from models.card import ModelCard
from models.export.export_onnx import Checked
from models.export.judge import Verdict, judged, refuse_moved
from models.prediction.predictor import EnginePredictor
from tests.models.small_card import CARD as UNET

CARD: ModelCard = msgspec.structs.replace(UNET, input_size=(10, 10), mean=(0, 0, 0), std=(1, 1, 1))
"""Log-odds of one class, of a picture that is taken as it is."""


class Given:
    """An engine that gives the same log-odds (10, 10) for every image."""

    batch = 1

    def __init__(self, odds: Any) -> None:
        self._odds = np.asarray(odds, np.float32)[None, None]

    def run(self, inputs: Any, places: Any = None) -> Any:
        return self._odds


def half(value: float = 5.0) -> Any:
    """Return log-odds whose left half is person."""
    odds = np.full((10, 10), -value)
    odds[:, :5] = value
    return odds


def verdict(before: Any, after: Any, *, label: Any = None) -> Verdict:
    picture = Checked(name="one", image=np.zeros((10, 10, 3), np.uint8), label=label)
    first, second = (EnginePredictor(Given(odds), card=CARD, name=name) for odds, name in ((before, "a"), (after, "b")))
    return judged(first, second, card=CARD, pictures=[picture])


def test_against_labels_it_is_the_fall_of_miou_that_counts() -> None:
    label = np.where(half() > 0, np.uint8(255), np.uint8(0))
    worse = half()
    worse[0, :5] = -5  # 5 of 50 pixels of the person are lost: IoU 45/50 and 50/55
    found = verdict(half(), worse, label=label)
    assert found.before == 1 and found.after == pytest.approx((45 / 50 + 50 / 55) / 2)
    assert found.loss == pytest.approx(1 - (45 / 50 + 50 / 55) / 2)
    assert not found.is_kept(0.005) and found.is_kept(0.2)
    better = verdict(worse, half(), label=label)
    assert better.loss is not None and better.loss < 0 and better.is_kept(0.005)


def test_a_fall_of_exactly_what_is_allowed_is_refused() -> None:
    facts = {"images": 1, "labelled": 1, "masks": 0.9, "worst": ()}
    assert not Verdict(before=0.75, after=0.5, **facts).is_kept(0.25)
    assert Verdict(before=0.75, after=0.5, **facts).is_kept(0.26)


def test_without_labels_the_masks_must_be_nearly_those_of_fp32() -> None:
    worse = half()
    worse[0, :5] = -5
    found = verdict(half(), worse)
    assert found.loss is None and found.masks == pytest.approx((45 / 50 + 50 / 55) / 2)
    assert not found.is_kept(1.0)
    assert verdict(half(), half(4.0)).is_kept(0.005)


@pytest.mark.parametrize("size", [1e-2, 1.0, 1e4])
def test_what_rounding_decides_does_not_count_however_large_log_odds_are(size: float) -> None:
    before, after = half(size), half(size)
    before[:, 5], after[:, 5] = 5e-5 * size, -5e-5 * size  # one column of each ten lies at the threshold
    assert verdict(before, after).masks == 1.0
    after[:, 5] = -2e-4 * size
    assert verdict(after, before).masks < 0.95


def refusal(*, layers: list[tuple[str, float]] | None, is_int8: bool) -> InputRefused:
    worse = half()
    worse[0, :5] = -5
    with pytest.raises(InputRefused) as refused:
        refuse_moved(
            verdict(half(), worse),
            max_loss=0.005,
            layers=lambda: layers,
            what="onnx in int8" if is_int8 else "ncnn in fp32",
            is_int8=is_int8,
            file=Path("unet.onnx"),
        )
    return refused.value


def test_what_helps_is_told_of_the_form_and_layers_without_their_names_are_none() -> None:
    int8, ncnn = refusal(layers=[], is_int8=True), refusal(layers=None, is_int8=False)
    assert "--calibrate" in int8.remedy and "without --int8" in int8.remedy
    assert "int8" not in ncnn.remedy and "--calibrate" not in ncnn.remedy and "another form" in ncnn.remedy
    assert "in this form they have other names" in ncnn.reason


def test_a_file_that_is_refused_names_images_and_layers() -> None:
    refused = refusal(layers=[("/stage4/Conv", 0.271)], is_int8=True)
    said = str(refused)
    assert "unet.onnx: onnx in int8 does not predict" in said and "nothing was written" in said
    assert "one (0.905)" in said and "/stage4/Conv (by 27%)" in said and refused.exit_code == 4
    assert "(allowed: 0.995 or more)" in said


def test_an_export_whose_numbers_are_not_finite_is_refused() -> None:
    with pytest.raises(InputRefused, match="not finite"):
        verdict(half(), np.full((10, 10), np.nan))
