"""Fusion in the settings of a training: off it changes nothing, on it is part of what a training is."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from curation.errors import ConfigurationProblem
from models.training.settings import Stage, TrainingOptions, TrainSettings, settings_from
from models.training.settings_text import settings_text, training_id
from models.training.train import plan_training, train
from tests.curation.fusion.fusion_data import grounds, persons
from tests.models.training.test_train import Stopped, history, stop_at, trained, wait_for_checkpoint, weights

KEYS = "network classes input_size weights seed val stages ema patience precision checkpoint_every_steps limit"
STAGE_KEYS = (
    "name data where epochs batch_size accumulate learning_rate optimizer momentum weight_decay schedule warmup losses "
    "augmentation frozen"
)
"""Those that every training has been told with, from the first on; beside them stood a weight of auxiliary heads."""


def as_before(settings: TrainSettings) -> dict[str, Any]:
    """Return settings as they were told when there was neither fusion nor anything that came after it."""
    told: dict[str, Any] = msgspec.to_builtins(settings)
    stages = [{name: stage[name] for name in STAGE_KEYS.split()} for stage in told["stages"]]
    return {name: told[name] for name in KEYS.split()} | {"stages": stages}


@pytest.mark.parametrize("stage", [Stage(), Stage(backgrounds=("g",), fusion_ratio=0)])
def test_a_training_has_the_id_and_the_config_that_it_had_before_there_was_fusion_and_more(
    stage: Stage,
) -> None:
    settings = TrainSettings(network="n", stages=(stage,))
    told = as_before(settings)
    before = msgspec.json.encode([told | {"auxiliary_weight": 0.4}, {"d": "1"}], order="deterministic")
    assert training_id(settings, data={"d": "1"}) == hashlib.sha256(before).hexdigest()[:16]
    assert yaml.safe_load(settings_text(settings)) == yaml.safe_load(yaml.safe_dump(told))


def test_fusion_is_part_of_what_a_training_is() -> None:
    stages = [Stage(backgrounds=("g",), fusion_ratio=ratio) for ratio in (0.0, 0.3, 0.5)]
    ids = {training_id(TrainSettings(network="n", stages=(stage,)), data={}) for stage in stages}
    assert len(ids) == 3
    fused = TrainSettings(network="n", stages=(stages[1],))
    assert settings_from(settings_text(fused), where=Path("here")) == fused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network: n\nstages: [{fusion_ratio: 1.5, backgrounds: [g]}]", "fusion_ratio must be from 0 to 1"),
        ("network: n\nstages: [{fusion_ratio: 0.3}]", "needs backgrounds"),
        ("network: n\nclasses: 3\nstages: [{fusion_ratio: 0.3, backgrounds: [g]}]", "fusion_ratio is for 1 class"),
    ],
)
def test_a_fusion_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationProblem, match=said):
        settings_from(text.encode(), where=Path("config.yaml"))


def fusing(folder: Path, *, ratio: float = 0.5) -> TrainSettings:
    """Draw persons and backgrounds, and give the settings of a training that fuses them.

    All batches are of two samples: of one alone, at this size, a batch norm leaves nothing but rounding.
    """
    if not folder.exists():
        persons(folder / "p", ["a", "b", "c", "d"])
        persons(folder / "v", ["e"])
        grounds(folder / "g", ["x", "y"])
    data, val, back = (str(folder / name) for name in ("p", "v", "g"))
    stage = Stage(data=(data,), epochs=2, batch_size=2, fusion_ratio=ratio, backgrounds=(back,))
    return TrainSettings(
        network="unet_shufflenet", input_size=(32, 32), val=(val,), stages=(stage,), ema=0.5, checkpoint_every_steps=1
    )


def test_a_training_with_fusion_hangs_on_its_backgrounds_and_gives_the_same_weights_again(tmp_path: Path) -> None:
    made = []
    for name, ratio in (("one", 0.5), ("two", 0.5), ("off", 0.0)):
        plan = plan_training(fusing(tmp_path / "data", ratio=ratio))
        assert (str(tmp_path / "data" / "g") in plan.data) == (ratio > 0)
        train(plan, out=tmp_path / name, options=TrainingOptions(), told=lambda _: None)
        made.append(weights(tmp_path / name))
    assert made[0] == made[1] != made[2]


def test_stopped_after_any_batch_and_resumed_a_training_with_fusion_ends_with_the_same_bits(tmp_path: Path) -> None:
    settings = fusing(tmp_path / "data")
    trained(settings, tmp_path / "whole")
    for batch in (1, 2, 3):
        out = tmp_path / f"stopped{batch}"
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
        trained(settings, out)
        assert weights(out) == weights(tmp_path / "whole"), f"stopped after batch {batch}"
        assert history(out) == history(tmp_path / "whole")


@pytest.mark.nightly  # test_train.py kills a training without fusion
def test_killed_the_same_command_goes_on_to_the_bits_of_one_that_was_not(tmp_path: Path) -> None:
    settings, config = fusing(tmp_path / "data"), tmp_path / "config.yaml"
    config.write_bytes(settings_text(settings))
    command = [sys.executable, "-m", "pipelines.command_line.cli", "train", "--config", str(config)]
    command += ["--workers", "0", "--device", "cpu", "--quiet", "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], env=environment, check=True)
    process = subprocess.Popen([*command, str(killed)], env=environment)
    wait_for_checkpoint(killed, process=process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, str(killed)], env=environment, check=True)
    assert weights(killed) == weights(whole)
