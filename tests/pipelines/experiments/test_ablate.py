"""`curate ablate`: from a file to the table, stopped and gone on with, with arms that fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from curation.errors import ConfigurationProblem, InputRefused
from pipelines.command_line.options import RunOptions
from pipelines.experiments import run_ablation as ablation
from pipelines.experiments.ablate import AblateFlags, ablate
from pipelines.experiments.ablation_config import EXAMPLE
from pipelines.experiments.trials import Trial
from tests.models.data.discs import disc_dataset
from tests.reports.scored_tables import scored

RUN = RunOptions(workers=0, device="cpu", quiet=True)
DRY = RunOptions(workers=0, device="cpu", quiet=True, dry_run=True)
EVIL = '"><script>alert(1)</script>'
SPLITS = {"t4": {"split": "val"}, "t5": {"split": "test"}, "t6": {"split": "test"}, "t7": {"split": "test"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    disc_dataset(tmp_path / "discs", [f"t{number}" for number in range(8)], rows=SPLITS)
    return tmp_path


def write(folder: Path, *arms: dict[str, Any], seeds: tuple[int, ...] = (0, 1), test: str = "discs") -> AblateFlags:
    """Write a configuration of arms on the discs, and give the flags."""
    stage = {"data": ["discs"], "epochs": 1, "batch_size": 2, "augmentation": "none"}
    train = {"network": "unet_shufflenet", "input_size": [32, 32], "ema": 0.5, "stages": [stage]}
    told = {"train": train, "test": [{"data": test}], "seeds": list(seeds), "arms": list(arms)}
    (folder / "ablation.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    return AblateFlags(config=folder / "ablation.yaml")


@pytest.mark.usefixtures("checked_once")
def test_arms_are_trained_measured_and_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverges = {"name": "diverges", "change": {"learning_rate": 1e30, "epochs": 3, "warmup": 0}}
    flags = write(folder, {"name": "base"}, {"name": EVIL, "change": {"learning_rate": 0.1}}, diverges, seeds=(3,))
    real, done = ablation.run_trial, []

    def until_the_second(trial: Trial, *, run: RunOptions) -> Any:
        if len(done) == 1:
            raise KeyboardInterrupt
        done.append(trial.out / "model.safetensors")
        return real(trial, run=run)

    monkeypatch.setattr(ablation, "run_trial", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        ablate(flags, run=RUN)
    before = [path.stat().st_mtime_ns for path in done]
    monkeypatch.setattr(ablation, "run_trial", real)
    result = ablate(flags, run=RUN)
    assert [path.stat().st_mtime_ns for path in done] == before
    check_numbers(folder / "ablation", told=result.data)
    assert result.exit_code == 3
    assert result.data["arms"][2]["seeds"] == []
    assert all("the loss is" in why for why in result.data["arms"][2]["problems"].values())
    page = (folder / "ablation" / "ablation.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page
    files = {path: path.read_bytes() for path in (folder / "ablation").glob("ablation.*")}
    assert len(files) == 5
    states = ablate(flags, run=DRY).data["arms"]
    assert [one["seeds"] for one in states[:2]] == [{"3": "done"}] * 2
    monkeypatch.setattr("models.training.train._work", lambda *_, **__: pytest.fail("it trains again"))
    arms = ({"name": "base"}, {"name": EVIL, "change": {"learning_rate": 0.1}})
    assert ablate(write(folder, *arms, seeds=(3,)), run=RUN).exit_code == 0


def check_numbers(out: Path, *, told: dict[str, Any]) -> None:
    """Compare with what pandas makes of the scores."""
    mious = {
        (arm["name"], seed): pd.read_parquet(out / name / "scores" / "scores.parquet").set_index("id")["miou"]
        for arm in told["arms"]
        for name, seed in zip(arm["folders"], told["seeds"], strict=True)
        if arm["seeds"]
    }
    for arm in told["arms"][:2]:
        means = [mious[arm["name"], seed].mean() for seed in told["seeds"]]
        assert arm["miou"]["mean"] == pytest.approx(np.mean(means))
        assert arm["miou"]["std"] is None
    change = told["arms"][1]["change"]
    by_seed = [mious[EVIL, seed] - mious["base", seed] for seed in told["seeds"]]
    assert change["images"]["difference"] == pytest.approx(np.mean(by_seed))
    assert change["gained"] == sum(one.mean() > 0 for one in by_seed)
    stored = json.loads((out / "ablation.json").read_bytes())
    assert stored["arms"][1]["change"]["images"]["low"] == change["images"]["low"]


def test_an_arm_that_fails_does_not_stop_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trial(trial: Trial, *, run: RunOptions) -> Any:
        if trial.out.name == "shaky-1":
            raise InputRefused("the loss is nan", where=trial.out, remedy="x")
        return scored([0.8, 0.9])

    monkeypatch.setattr(ablation, "run_trial", run_trial)
    missing = {"name": "missing", "change": {"data": ["nowhere"]}}
    result = ablate(write(folder, {"name": "base"}, missing, {"name": "shaky"}, {"name": "last"}), run=RUN)
    base, gone, shaky, last = result.data["arms"]
    assert result.exit_code == 3
    assert [arm["seeds"] for arm in (base, gone, shaky, last)] == [[0, 1], [], [0], [0, 1]]
    assert "no dataset here" in gone["problems"]["0"]
    assert "the loss is nan" in shaky["problems"]["1"]
    assert "failed: shaky, seed 1" in result.summary


def test_arms_with_other_steps_or_the_same_settings_are_told(folder: Path) -> None:
    arms = ({"name": "base"}, {"name": "longer", "change": {"epochs": 5}}, {"name": "same"})
    result = ablate(write(folder, *arms), run=DRY)
    # four samples train, two in a batch
    assert [arm["steps"] for arm in result.data["arms"]] == [2, 10, 2]
    assert result.data["arms"][0]["seeds"] == {"0": "to do", "1": "to do"}
    assert "different numbers of steps (2 to 10)" in result.warnings[0]
    assert "'base' and 'same' have the same settings" in result.warnings[1]
    assert not (folder / "ablation").exists()


def test_steps_count_batches_that_are_joined(folder: Path) -> None:
    arm = {"name": "a", "change": {"accumulate": 2, "batch_size": 1, "epochs": 3}}
    assert ablate(write(folder, arm), run=DRY).data["arms"][0]["steps"] == 6


def test_samples_that_show_what_a_test_shows_do_not_train(folder: Path) -> None:
    seen = disc_dataset(folder / "seen", ["a"], rows={"a": {"group": "discs/t0"}})
    assert len(seen) == 1
    (arm,) = ablate(
        AblateFlags(config=with_split(write(folder, {"name": "base"}, test="seen").config, split="all")), run=DRY
    ).data["arms"]
    assert "1 samples that train share a photograph or a group with the test sets, e.g. t0" in arm["problem"]


def with_split(config: Path, *, split: str) -> Path:
    told = yaml.safe_load(config.read_text())
    told["test"][0]["split"] = split
    config.write_text(yaml.safe_dump(told))
    return config


def test_settings_that_cannot_train_stop_before_the_first_arm(folder: Path) -> None:
    with pytest.raises(ConfigurationProblem, match=r"arm 'bad': .*dyce"):
        ablate(write(folder, {"name": "base"}, {"name": "bad", "change": {"losses": {"dyce": 1}}}), run=RUN)
    with pytest.raises(ConfigurationProblem, match="--device"):
        ablate(write(folder, {"name": "base"}), run=RunOptions(workers=0, device="gpu"))


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    (folder / "ablation").mkdir()
    (folder / "ablation" / "letter.txt").write_text("dear")
    with pytest.raises(InputRefused, match="no ablation"):
        ablate(write(folder, {"name": "base"}), run=RUN)


def test_the_example_is_written_once(tmp_path: Path) -> None:
    flags = AblateFlags(config=tmp_path / "a.yaml", example=True)
    ablate(flags, run=RUN)
    first, _, rest = flags.config.read_bytes().partition(b"\n")
    assert (b"$schema=a.schema.json" in first, rest) == (True, EXAMPLE.read_bytes())
    flags.config.write_text("mine")
    with pytest.raises(InputRefused, match="not overwritten"):
        ablate(flags, run=RUN)
