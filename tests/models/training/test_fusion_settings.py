"""Fusion in the settings of a training: off it changes nothing, on it is part of what a training is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from curation.errors import ConfigurationProblem
from models.training.runs import RunOptions, plan_training, train
from models.training.settings import Stage, TrainSettings, settings_from, settings_text, training_id
from tests.curation.fusion_data import grounds, persons

NEW = ("fusion_ratio", "backgrounds")


def without_fusion(settings: TrainSettings) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(settings)
    told["stages"] = [{k: v for k, v in stage.items() if k not in NEW} for stage in told["stages"]]
    return told


@pytest.mark.parametrize("stage", [Stage(), Stage(backgrounds=("g",), fusion_ratio=0)])
def test_a_training_without_fusion_has_the_id_and_the_config_that_it_had_before_there_was_any(stage: Stage) -> None:
    settings = TrainSettings(network="n", stages=(stage,))
    before = msgspec.json.encode([without_fusion(settings), {"d": "1"}], order="deterministic")
    assert training_id(settings, data={"d": "1"}) == hashlib.sha256(before).hexdigest()[:16]
    assert yaml.safe_load(settings_text(settings)) == yaml.safe_load(yaml.safe_dump(without_fusion(settings)))


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


def test_a_training_with_fusion_hangs_on_its_backgrounds_and_gives_the_same_weights_again(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a", "b", "c"])
    persons(tmp_path / "v", ["e"])
    grounds(tmp_path / "g", ["x", "y"])
    data, val, back = (str(tmp_path / name) for name in ("p", "v", "g"))
    weights = []
    for name, ratio in (("one", 0.5), ("two", 0.5), ("off", 0.0)):
        stage = Stage(data=(data,), epochs=2, batch_size=2, fusion_ratio=ratio, backgrounds=(back,))
        plan = plan_training(
            TrainSettings(network="unet_shufflenet", input_size=(32, 32), val=(val,), stages=(stage,), ema=0.5)
        )
        assert (back in plan.data) == (ratio > 0)
        train(plan, out=tmp_path / name, options=RunOptions(), told=lambda _: None)
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]
