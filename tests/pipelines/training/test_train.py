"""`curate train`: what its flags mean, and what it says. The training itself is tested beside it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from curation.errors import ConfigurationProblem, InputRefused
from models.training.settings import DEFAULT_LOSSES, Stage, TrainSettings
from models.training.settings_text import settings_text
from pipelines.command_line.options import RunOptions
from pipelines.experiments.simulate_flags import SimulateFlags
from pipelines.training.train import _settings as settings_of_flags
from pipelines.training.train import train
from pipelines.training.train_flags import TrainFlags
from tests.curation.fusion.fusion_data import persons
from tests.models.data.discs import disc_dataset

QUIET = RunOptions(workers=0, device="cpu", quiet=True)
DRY = RunOptions(workers=0, device="cpu", quiet=True, dry_run=True)


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    disc_dataset(tmp_path / "discs", [f"t{number}" for number in range(5)], rows={"t4": {"split": "val"}})
    return tmp_path / "discs"


def config_of(out: Path) -> dict[str, object]:
    settings: dict[str, object] = yaml.safe_load((out / "config.yaml").read_text())["settings"]
    return settings


def test_flags_reach_the_training(discs: Path, tmp_path: Path) -> None:
    flags = TrainFlags(
        data=(discs,),
        out=tmp_path / "run",
        network="unet_shufflenet",
        input_size="32x48",
        epochs=1,
        batch_size=2,
        learning_rate=0.25e-3,
        loss="focal=2,dice",
        augmentation="none",
        ema=0.5,
    )
    result = train(flags, run=RunOptions(workers=0, device="cpu", quiet=True, seed=7))
    settings = config_of(tmp_path / "run")
    (stage,) = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["settings"]["stages"]
    assert (settings["input_size"], settings["seed"], settings["ema"]) == ([32, 48], 7, 0.5)
    assert stage["losses"] == {"focal": 2.0, "dice": 1.0}
    assert (stage["epochs"], stage["batch_size"], stage["learning_rate"]) == (1, 2, 0.25e-3)
    assert result.data["training"] == [4]
    assert result.data["validation"] == 1
    again = train(flags, run=RunOptions(workers=0, device="cpu", quiet=True, seed=7))
    assert "finished before" in again.summary


def test_a_dry_run_tells_and_writes_nothing(discs: Path, tmp_path: Path) -> None:
    flags = TrainFlags(data=(discs,), out=tmp_path / "run", network="unet_shufflenet", epochs=3, batch_size=3)
    result = train(flags, run=DRY)
    assert result.data["batches"] == 3 * 2
    assert result.data["stages"][0]["training"] == 4
    assert not (tmp_path / "run").exists()


def test_flags_of_practitioners_reach_the_stage(discs: Path, tmp_path: Path) -> None:
    flags = TrainFlags(
        data=(discs,),
        out=tmp_path / "run",
        network="deeplabv3plus",
        atrous_rates="4,8,12",
        output_stride=8,
        auxiliary_weight=0.3,
        optimizer="sgd",
        momentum=0.9,
        nesterov=True,
        weight_decay=0.1,
        warmup=0.2,
        class_weights="1,2.5",
        augmentation="patch",
        patch_px=300,
        vertical_flip=True,
        batch_norm="frozen",
        batch_norm_parts=("encoder",),
    )
    settings = settings_of_flags(flags, run=DRY)
    (stage,) = settings.stages
    assert (settings.atrous_rates, settings.output_stride, settings.auxiliary_weight) == ((4, 8, 12), 8, 0.3)
    assert (stage.optimizer, stage.momentum, stage.nesterov, stage.weight_decay) == ("sgd", 0.9, True, 0.1)
    assert (stage.warmup, stage.class_weights, stage.patch_px, stage.vertical_flip) == (0.2, (1.0, 2.5), 300, True)
    assert (stage.augmentation, stage.batch_norm, stage.batch_norm_parts) == ("patch", "frozen", ("encoder",))
    plain = settings_of_flags(TrainFlags(out=tmp_path / "run", network="enet", optimizer="adam"), run=DRY)
    assert plain.stages == (Stage(optimizer="adam"),)


def test_alphas_that_are_left_aside_and_batches_of_one_are_told_by_a_dry_run(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a", "b", "c"], rows={"c": {"split": "val"}})
    given: dict[str, Any] = {"data": (tmp_path / "p",), "out": tmp_path / "run", "network": "unet_shufflenet"}
    assert "2 of 2 samples have alphas that are not used; --labels alpha" in train(TrainFlags(**given), run=DRY).summary
    assert "alphas" not in train(TrainFlags(labels="alpha", **given), run=DRY).summary
    with pytest.raises(ConfigurationProblem, match="batches of 1 image"):
        train(TrainFlags(batch_size=1, **given), run=DRY)


def test_a_dry_run_refuses_to_freeze_what_is_not_there(discs: Path, tmp_path: Path) -> None:
    flags = TrainFlags(data=(discs,), out=tmp_path / "run", network="unet_shufflenet", freeze=("nosuch",))
    with pytest.raises(ConfigurationProblem, match="no part 'nosuch'"):
        train(flags, run=DRY)


def test_flags_override_every_stage_of_a_config(discs: Path, tmp_path: Path) -> None:
    stages = (Stage(name="a", data=(str(discs),), epochs=4), Stage(name="b", data=(str(discs),), epochs=5))
    config = tmp_path / "config.yaml"
    config.write_bytes(settings_text(TrainSettings(network="enet", stages=stages, seed=3)))
    flags = TrainFlags(config=config, out=tmp_path / "run", network="unet_shufflenet", epochs=2, batch_size=4)
    result = train(flags, run=DRY)
    assert result.data["network"] == "unet_shufflenet"
    assert [stage["name"] for stage in result.data["stages"]] == ["a", "b"]
    assert result.data["batches"] == 2 * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": None}, "no network"),
        ({"input_size": "big"}, "no size"),
        ({"loss": "dice=much"}, "--loss"),
        ({"class_weights": "1,much"}, "--class-weights"),
        ({"class_weights": "1"}, "class_weights must be 2 numbers"),
        ({"atrous_rates": "6,x,18"}, "--atrous-rates"),
        ({"atrous_rates": "6,12,18"}, "unet_shufflenet has no atrous_rates"),
        ({"output_stride": 12}, "output_stride"),
        ({"labels": "alpha"}, "no alphas"),
        ({"labels": "alpha", "classes": 3}, "labels: alpha is for 1 class"),
        ({"nesterov": True}, "nesterov is for the optimizer sgd"),
        ({"batch_norm": "frozen", "batch_norm_parts": ("nosuch",)}, "no part 'nosuch'"),
        ({"epochs": 0}, "epochs must be"),
        ({"classes": 2}, "classes"),
        ({"weights": "nowhere"}, "nowhere"),
    ],
)
def test_wrong_flags_are_refused(discs: Path, tmp_path: Path, change: dict[str, object], said: str) -> None:
    given: dict[str, object] = {"data": (discs,), "out": tmp_path / "run", "network": "unet_shufflenet", **change}
    with pytest.raises((ConfigurationProblem, InputRefused), match=said):
        train(TrainFlags(**given), run=QUIET)  # type: ignore[arg-type]
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("device", "more", "said"),
    [
        ("tpu", {}, "tpu"),
        ("cuda:99", {}, "torch finds [0-9]+ GPUs"),
        ("cuda:x", {}, "unknown"),
        ("cuda:0", {"devices": 2}, "cannot train|torch finds 0 GPUs"),
        ("cpu", {"devices": 0}, "--devices 0"),
        ("cpu", {"nodes": -1}, "--nodes -1"),
    ],
)
def test_devices_that_are_none_are_refused(
    discs: Path, tmp_path: Path, device: str, more: dict[str, Any], said: str
) -> None:
    flags = TrainFlags(data=(discs,), out=tmp_path / "run", network="unet_shufflenet", **more)
    with pytest.raises(ConfigurationProblem, match=said):
        train(flags, run=RunOptions(workers=0, device=device, quiet=True))
    assert not (tmp_path / "run").exists()


IN_OTHER_WORDS = frozenset({"val", "fusion_ratio"})
"""What their defaults depend on stands in words."""


@pytest.mark.parametrize("flags", [TrainFlags, SimulateFlags])
def test_the_defaults_that_the_help_tells_are_those_of_the_settings(flags: type) -> None:
    fields = [field for kind in (Stage, TrainSettings) for field in msgspec.structs.fields(kind)]
    held: dict[str, Any] = {field.name: field.default for field in fields if field.name not in IN_OTHER_WORDS}
    held["loss"] = ",".join(f"{name}={weight:g}" for name, weight in DEFAULT_LOSSES)
    held["input_size"] = "x".join(map(str, held["input_size"]))
    held["precision"] = held["precision"].partition("-")[0]
    told = {
        field.name: match[1]
        for field in dataclasses.fields(flags)
        if field.name in held and (match := re.search(r"\[default: ([^\]]+)\]$", field.metadata["meaning"]))
    }
    assert {"epochs", "input_size"} <= told.keys()
    assert told == {name: str(held[name]) for name in told}
