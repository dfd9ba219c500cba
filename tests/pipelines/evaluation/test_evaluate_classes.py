"""`curate evaluate` and `curate export` of a network that tells parts of a person apart."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from curation.dataset.dataset import read_quarantine
from curation.errors import InputRefused
from models.training.settings import Stage, TrainSettings
from pipelines.command_line.options import Result, RunOptions
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from pipelines.training.export import ExportFlags, export
from tests.models.data.class_maps import NAMES, class_dataset
from tests.models.data.discs import disc_dataset, write_png
from tests.models.training.test_train import trained


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a network that was hardly trained: it is wrong in many ways."""
    folder = tmp_path_factory.mktemp("model")
    class_dataset(folder / "p", ["a", "b", "c", "d"])
    class_dataset(folder / "v", ["x"])
    stage = Stage(data=(str(folder / "p"),), labels="classes", epochs=2, batch_size=2, learning_rate=0.03)
    settings = TrainSettings(
        network="unet_shufflenet",
        classes=4,
        input_size=(32, 32),
        ema=0.0,
        val=(str(folder / "v"),),
        stages=(stage,),
    )
    trained(settings, folder / "run")
    return folder / "run"


def run(model: Path, *data: Path, out: Path) -> Result:
    options = RunOptions(workers=0, device="cpu", quiet=True)
    return evaluate(EvaluateFlags(model=model, data=data, out=out, badcases=0), run=options)


def test_counts_are_those_of_the_maps_that_were_kept(model: Path, tmp_path: Path) -> None:
    class_dataset(tmp_path / "test", ["t", "u", "w"])
    write_png(tmp_path / "test" / "classes" / "w.png", np.full((48, 40), 77, np.uint8))
    result = run(model, tmp_path / "test", out=tmp_path / "scores")
    facts = json.loads((tmp_path / "scores" / "metrics.json").read_text())["sets"]["test"]["classes"]
    assert (facts["images"], facts["broken"], facts["names"]) == (2, 1, list(NAMES))
    maps = {
        folder: [cv2.imread(str(tmp_path / folder / f"{id_}.png"), 0) for id_ in "tu"]
        for folder in ("test/classes", "scores/classes")
    }
    expected = confusion_matrix(
        np.ravel(maps["test/classes"]), np.ravel(maps["scores/classes"]), labels=range(len(NAMES))
    )
    assert (np.array(facts["confusion"]) == expected).all()
    assert any("values above 3" in line.reason for line in read_quarantine(tmp_path / "scores"))
    assert "mean IoU of classes" in result.summary
    assert "l_eye" in (tmp_path / "scores" / "confusion.svg").read_text()
    picture = cv2.imread(str(tmp_path / "scores" / "classes.png"))
    assert picture.shape[0] > 2 * 256, "two samples, one above the other"


def test_the_exported_file_gives_the_same_classes(model: Path, tmp_path: Path) -> None:
    class_dataset(tmp_path / "test", ["t", "u"])
    export(ExportFlags(model=model, onnx=tmp_path / "m.onnx"), run=RunOptions(device="cpu", quiet=True, limit=2))
    for name, path in (("run", model), ("onnx", tmp_path / "m.onnx")):
        run(path, tmp_path / "test", out=tmp_path / name)
    ours, theirs = (
        np.array(json.loads((tmp_path / name / "metrics.json").read_text())["sets"]["test"]["classes"]["confusion"])
        for name in ("run", "onnx")
    )
    assert np.abs(ours - theirs).sum() <= 4, "a pixel may lie between two classes"


def test_data_without_class_maps_is_scored_by_person_alone(model: Path, tmp_path: Path) -> None:
    disc_dataset(tmp_path / "discs", ["a"])
    result = run(model, tmp_path / "discs", out=tmp_path / "scores")
    assert "1 samples have no class map" in result.summary
    facts = json.loads((tmp_path / "scores" / "metrics.json").read_text())["sets"]["discs"]
    assert "iou" not in facts["classes"]
    assert facts["summary"]["miou_image"] is not None


def test_class_maps_that_mean_something_else_are_refused(model: Path, tmp_path: Path) -> None:
    class_dataset(tmp_path / "other", ["a"], names=("background", "coat", "l_eye", "r_eye"))
    with pytest.raises(InputRefused, match="class 1 is called 'coat' here, and 'skin' by the model"):
        run(model, tmp_path / "other", out=tmp_path / "scores")
    assert not (tmp_path / "scores").exists()
