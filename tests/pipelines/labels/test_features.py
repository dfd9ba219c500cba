from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.errors import Interrupted
from curation.images.pixels import encode_gray, encode_image
from labeling.findings import Findings
from labeling.selection.next_samples import next_samples, predicted_features
from models.evaluation.choose_sets import Model, identify
from pipelines.command_line.options import RunOptions
from pipelines.labels.features import own_features
from tests.models.deep_onnx import CHANNELS, STRIDE, deep_model
from tests.models.prediction.drawn_models import SIZE, write_onnx

RUN = RunOptions(workers=1, quiet=True)
ROWS = [{"id": str(number), "image": f"{number}.png"} for number in range(6)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Dark images but for one with stripes, and one and the same prediction for all of them but the first."""
    rng = np.random.default_rng(0)
    (tmp_path / "predictions").mkdir()
    for number in range(6):
        image = rng.integers(0, 10, (*SIZE, 3), dtype=np.uint8)
        if number == 4:
            image[:, ::2] = 230
        (tmp_path / f"{number}.png").write_bytes(encode_image(image))
        prediction = np.full(SIZE, 255 if number == 0 else 0, np.uint8)
        (tmp_path / "predictions" / f"{number}.png").write_bytes(encode_gray(prediction))
    kernel = np.random.default_rng(1).normal(size=(CHANNELS, 3, STRIDE, STRIDE)).astype(np.float32)
    write_onnx(tmp_path, deep_model(kernel))
    return tmp_path


def looked(data: Path, *, source: Model | None) -> tuple[Any, list[str]]:
    warnings: list[str] = []
    findings = Findings(folder=data, rows={}, model="model", source=source)
    found = own_features(ROWS, place=lambda row: (data, row["image"]), findings=findings, run=RUN, warn=warnings.append)
    return found, warnings


def test_samples_are_told_apart_by_what_the_model_sees_not_by_what_it_predicts(data: Path) -> None:
    found, warnings = looked(data, source=identify(data / "model.onnx"))
    assert found.shape == (6, CHANNELS) and warnings == []
    findings = Findings(folder=data, rows={}, model="model")
    picks = [
        {
            row["id"]
            for row in next_samples(
                ROWS, findings=findings, strategy="diverse", budget=2, rng=rng, features_of=features_of
            )
        }
        for rng in [np.random.default_rng(0)]
        for features_of in (lambda _: found, None)
    ]
    assert picks[0] == {"0", "4"} and "4" not in picks[1]


def test_a_model_that_is_gone_changed_or_unknown_gives_its_place_to_its_predictions(data: Path) -> None:
    source = identify(data / "model.onnx")
    wanted = predicted_features(ROWS, findings=Findings(folder=data, rows={}, model="model"))
    with (data / "model.yaml").open("ab") as card:
        card.write(b"# changed\n")
    changed = looked(data, source=source)
    shutil.move(data / "model.onnx", data / "elsewhere.onnx")
    gone = looked(data, source=source)
    unknown = looked(data, source=None)
    for (found, warnings), reason in ((changed, "not what it was"), (gone, "no such model"), (unknown, "which model")):
        np.testing.assert_array_equal(found, wanted)
        assert len(warnings) == 1 and reason in warnings[0]


def test_who_interrupts_is_heard(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise Interrupted("stopped")

    monkeypatch.setattr("models.prediction.prepare.prepare", interrupted)
    with pytest.raises(Interrupted):
        looked(data, source=identify(data / "model.onnx"))
