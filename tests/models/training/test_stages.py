"""What an epoch is said to take, and when its curves are drawn; what the weights become is tested in `test_runs`."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.training import stages
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.train import plan_training, train
from tests.models.data.discs import disc_dataset

JUDGING_S = 4.0
EPOCHS = 6


class Clock:
    """Stands still, but while a network is judged, and tells which curves are drawn."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.drawn: list[int] = []
        self._judge, self._draw = stages.judge, stages.write_curves
        patch.setattr(stages, "time", SimpleNamespace(monotonic=lambda: self.now))
        patch.setattr(stages, "judge", self.judge)
        patch.setattr(stages, "write_curves", self.draw)

    def judge(self, *given: Any, **named: Any) -> Any:
        self.now += JUDGING_S
        return self._judge(*given, **named)

    def draw(self, folder: Path, *, rows: list[Any]) -> None:
        self.drawn.append(len(rows))
        self._draw(folder, rows=rows)


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of a training that is done."""
    disc_dataset(tmp_path / "discs", ["t1", "t2"])
    disc_dataset(tmp_path / "judge", ["v1"])
    settings = TrainSettings(
        network="unet_shufflenet",
        input_size=(32, 32),
        val=(str(tmp_path / "judge"),),
        stages=(Stage(data=(str(tmp_path / "discs"),), epochs=EPOCHS, batch_size=2),),
    )
    clock = Clock(monkeypatch)
    train(plan_training(settings), out=tmp_path / "run", options=TrainingOptions(), told=lambda progress: None)
    return clock


@pytest.mark.usefixtures("clock")
def test_the_seconds_of_an_epoch_hold_its_validation(tmp_path: Path) -> None:
    with (tmp_path / "run" / "history.csv").open(newline="") as stream:
        assert [float(row["seconds"]) for row in csv.DictReader(stream)] == [JUDGING_S] * EPOCHS


def test_curves_are_drawn_at_once_then_seldom_and_whole_at_the_end(clock: Clock) -> None:
    assert clock.drawn == [1, 4, EPOCHS]
