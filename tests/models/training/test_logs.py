from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from models.training.logs import Logs
from models.training.validate import Shown

pytest.importorskip("mlflow", reason="mlflow is not installed")
pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages


def shown() -> list[Shown]:
    gray = np.zeros((8, 8), np.uint8)
    return [Shown(image=np.zeros((8, 8, 3), np.uint8), prediction=gray, label=gray)]


def test_a_training_that_was_stopped_goes_on_in_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for epoch in (1, 2):
        logs = Logs(["mlflow"], folder=tmp_path, settings={"stages.0.epochs": "2"})  # a new process for each epoch
        logs.tell({"stage": "main", "epoch": epoch, "step": epoch * 10, "loss": 1 / epoch}, shown=shown())
    logs.end()
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        assert database.execute("select status, count(*) from runs group by status").fetchall() == [("FINISHED", 1)]
        found = database.execute("select key, step, value from metrics order by step").fetchall()
        told = database.execute("select key, value from params").fetchall()
    assert found == [("loss", 10, 1.0), ("loss", 20, 0.5)]
    assert told == [("stages.0.epochs", "2")]
    assert len(list((tmp_path / "mlflow").rglob("*.png"))) == 2
