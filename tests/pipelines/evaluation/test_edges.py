"""What `curate evaluate` says of edges, and of models of three classes, on pictures whose red is their true alpha."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.building.workers import RunnerOptions
from curation.images.pixels import decode_gray
from pipelines.command_line.options import RunOptions
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from pipelines.evaluation.report import read_report
from reports.rounds.alpha_crops import alpha_crops, softest
from reports.rounds.read_evaluation import read_evaluated
from reports.rounds.report_page import write_run_report
from tests.models.drawn import Sample, drawn_dataset
from tests.models.networks.built_network import write_red_run
from tests.models.tiny_onnx import write_tiny_onnx

pytestmark = pytest.mark.usefixtures("checked_once")
SIZE = (240, 180)


def evaluated(model: Path, *, data: Path, out: Path, **flags: Any) -> dict[str, Any]:
    settings = EvaluateFlags(model=model, data=(data,), out=out, badcases=0, **flags)
    result = evaluate(settings, run=RunOptions(workers=0, quiet=True))
    assert result.exit_code == 0
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_bytes())
    return metrics


def soft_person() -> np.ndarray:
    person = cv2.ellipse(np.zeros(SIZE, np.uint8), (90, 150), (60, 110), 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(person, (0, 0), 1.5)


def test_an_edge_is_scored_against_the_prediction_of_the_same_model(tmp_path: Path) -> None:
    alpha = soft_person()
    mask = np.where(alpha > 127, np.uint8(255), np.uint8(0))
    drawn_dataset(tmp_path / "d", [Sample(id="a", prediction=alpha, mask=mask, files={"alpha": alpha})])
    model = write_tiny_onnx(tmp_path / "red.onnx")  # it sees 40 x 30 pixels, and so a coarse outline
    metrics = evaluated(model, data=tmp_path / "d", out=tmp_path / "guided", edge="guided", baseline=model)
    assert metrics["edge"] == "guided"
    guided, plain = (
        pq.read_table(folder / "scores.parquet").to_pylist()[0]
        for folder in (tmp_path / "guided", tmp_path / "guided" / "baseline")
    )
    matted = evaluated(model, data=tmp_path / "d", out=tmp_path / "matted", edge="matting")["all"]["summary"]
    assert matted["matting"]["sad"] < guided["sad"] < plain["sad"] / 2
    assert matted["edge"]["halo"] <= guided["halo"] < plain["halo"] / 2
    assert abs(guided["burr"]) < 0.05
    assert guided["trimap_miou"] is None and matted["trimap"] == {}
    (crop,) = alpha_crops(read_evaluated(tmp_path / "guided"), number=5)
    assert [tile.name for tile in crop.tiles] == ["image", "true alpha", "red", "red"]
    truth, without, with_edge = (drawn(tile.address) for tile in crop.tiles[1:])
    assert (truth == alpha[softest(alpha, side=224)]).all()
    assert (truth != without).sum() > (truth != with_edge).sum()
    page = tmp_path / "report.html"
    write_run_report(read_report(tmp_path / "guided"), out=page, runner=RunnerOptions(workers=0))
    assert "Alphas at the hair" in page.read_text() and crop.tiles[1].address in page.read_text()


def drawn(address: str) -> np.ndarray:
    return decode_gray(base64.b64decode(address.partition("base64,")[2]), file="tile")


def test_a_model_of_three_classes_is_judged_by_its_trimap(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, 160), (96, 1)).astype(np.uint8)
    band = (ramp > 0.3 * 255) & (ramp < 0.7 * 255)
    trimap = np.where(band, np.uint8(128), np.where(ramp > 127, np.uint8(255), np.uint8(0)))
    labels = {"alpha": ramp, "trimap": trimap}
    drawn_dataset(tmp_path / "d", [Sample(id="a", prediction=ramp, mask=ramp // 128 * 255, files=labels)])
    run = write_red_run(tmp_path / "run", classes=3, size=(96, 160))
    found = evaluated(run, data=tmp_path / "d", out=tmp_path / "out")["all"]["summary"]["trimap"]
    assert found["trimap_miou"] > 0.85 and found["unknown_recall"] > 0.85
    assert found["soft_covered"] == pytest.approx(0.4, abs=0.06)  # of a ramp that is soft everywhere
