"""`curate train`: what its flags mean, and what it says. The training itself is tested beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from curation.errors import ConfigurationProblem, InputRefused
from models.training.settings import Stage, TrainSettings, settings_text
from pipelines.options import RunOptions
from pipelines.train import TrainFlags, train
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
