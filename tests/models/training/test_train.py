"""A training that is stopped anywhere ends with the weights of one that was not; and what a run folder promises."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from curation.images.pixels import decode_image
from curation.storage.claimed_folder import lock_file
from curation.storage.lock import exclusive
from models.prediction.weights import load_network
from models.training.progress import Progress
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.settings_text import settings_text
from models.training.train import Report, plan_training, train
from tests.models.data.discs import disc_dataset

TINY = "unet_shufflenet"
SIZE = (32, 32)
TRAIN_IDS = [f"t{number}" for number in range(6)]


class Stopped(Exception):
    """Stands for a kill: nothing is written after it."""


@pytest.fixture
def data(tmp_path: Path) -> tuple[Path, Path]:
    disc_dataset(tmp_path / "discs", TRAIN_IDS)
    disc_dataset(tmp_path / "judge", ["v1", "v2"])
    return tmp_path / "discs", tmp_path / "judge"


def settings_for(data: tuple[Path, Path], *, stages: tuple[Stage, ...] | None = None, **changes: Any) -> TrainSettings:
    first, judge = data
    stage = Stage(data=(str(first),), epochs=2, batch_size=2, learning_rate=3e-3)
    told = {"network": TINY, "input_size": SIZE, "val": (str(judge),), "checkpoint_every_steps": 1, **changes}
    return TrainSettings(stages=stages or (stage,), **told)


def trained(
    settings: TrainSettings,
    out: Path,
    *,
    told: Callable[[Progress], None] = lambda progress: None,
    **options: Any,
) -> Report:
    return train(plan_training(settings), out=out, options=TrainingOptions(**options), told=told)


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def stop_at(batch: int) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if progress.batches == batch:
            raise Stopped

    return told


def two_stages(data: tuple[Path, Path]) -> tuple[Stage, ...]:
    return (
        Stage(name="one", data=(str(data[0]),), epochs=1, batch_size=3, optimizer="sgd", schedule="poly"),
        Stage(name="two", data=(str(data[0]),), epochs=2, batch_size=2, accumulate=2, frozen=("encoder",)),
    )


def test_stopped_after_any_batch_and_resumed_the_weights_are_bit_identical(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = settings_for(data)
    trained(settings, tmp_path / "whole")
    for batch in range(1, 7):
        out = tmp_path / f"stopped{batch}"
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
        trained(settings, out)
        assert weights(out) == weights(tmp_path / "whole"), f"stopped after batch {batch}"
        assert history(out) == history(tmp_path / "whole")


def test_stages_with_accumulation_and_frozen_parts_resume_bit_identically(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = settings_for(data, stages=two_stages(data))
    trained(settings, tmp_path / "whole")
    out = tmp_path / "stopped"
    for batch in (1, 3, 4, 6):
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
    trained(settings, out)
    assert weights(out) == weights(tmp_path / "whole")


def history(out: Path) -> list[dict[str, str]]:
    with (out / "history.csv").open(newline="") as stream:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


def test_killed_at_a_random_moment_the_next_run_goes_on_to_the_same_weights(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    settings = settings_for(data)
    trained(settings, tmp_path / "whole")
    config, out = tmp_path / "config.yaml", tmp_path / "killed"
    config.write_bytes(settings_text(settings))
    command = [sys.executable, "-m", "pipelines.command_line.cli", "train", "--config", str(config), "--out", str(out)]
    command += ["--workers", "0", "--device", "cpu", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    wait_for_checkpoint(out, process=process)
    time.sleep(random.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert subprocess.run(command, env=environment, timeout=300).returncode == 0
    assert weights(out) == weights(tmp_path / "whole")


def wait_for_checkpoint(out: Path, *, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while process.poll() is None and not any((out / "checkpoints").glob("[0-9]*.safetensors")):
        assert time.monotonic() < end, "no checkpoint was written"
        time.sleep(0.02)


def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_is_used(data: tuple[Path, Path], tmp_path: Path) -> None:
    settings = settings_for(data)
    trained(settings, tmp_path / "whole")
    out = tmp_path / "damaged"
    with pytest.raises(Stopped):
        trained(settings, out, told=stop_at(5))
    newest = max((out / "checkpoints").glob("[0-9]*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    report = trained(settings, out)
    assert len(report.complaints) == 1
    assert str(newest) in report.complaints[0]
    assert newest.with_suffix(".damaged").exists()
    assert weights(out) == weights(tmp_path / "whole")


def test_a_finished_training_is_left_as_it_is(data: tuple[Path, Path], tmp_path: Path) -> None:
    settings, out = settings_for(data), tmp_path / "run"
    first = trained(settings, out)
    before = (out / "model.safetensors").stat().st_mtime_ns
    again = trained(settings, out, told=stop_at(1))
    assert again.was_done
    assert again.metrics == first.metrics
    assert (out / "model.safetensors").stat().st_mtime_ns == before


def test_a_finished_model_that_is_damaged_is_made_again_from_its_checkpoints(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    settings, out = settings_for(data), tmp_path / "run"
    trained(settings, out)
    whole = weights(out)
    content = bytearray(whole)
    content[len(content) // 2] ^= 1
    (out / "model.safetensors").write_bytes(content)
    assert not trained(settings, out, told=stop_at(1)).was_done
    assert weights(out) == whole


def test_settings_that_cannot_train_leave_the_folder_free_for_others(data: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="nowhere"):
        trained(settings_for(data, weights="nowhere"), tmp_path / "run")
    assert trained(settings_for(data), tmp_path / "run").metrics["steps"] == 6


def test_other_settings_are_refused_naming_what_differs_and_overwrite_trains_anew(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    trained(settings_for(data), out)
    old = weights(out)
    with pytest.raises(InputRefused, match="other settings: seed"):
        trained(settings_for(data, seed=1), out)
    with pytest.raises(Stopped):
        trained(settings_for(data, seed=1), out, told=stop_at(1), overwrite=True)
    assert (out / "previous" / "model.safetensors").read_bytes() == old
    trained(settings_for(data, seed=1), out)
    assert weights(out) != old
    assert not (out / "previous").exists()


def test_changed_data_is_refused_unless_allowed(data: tuple[Path, Path], tmp_path: Path) -> None:
    settings, out = settings_for(data), tmp_path / "run"
    with pytest.raises(Stopped):
        trained(settings, out, told=stop_at(2))
    disc_dataset(data[0], [*TRAIN_IDS[:-1], "new"])
    with pytest.raises(InputRefused, match="data changed") as caught:
        trained(settings, out)
    assert "--allow-changed-data" in caught.value.remedy
    assert trained(settings, out, allow_changed_data=True).metrics["steps"] == 6


def test_two_runs_in_one_folder_are_one_too_many(data: tuple[Path, Path], tmp_path: Path) -> None:
    with exclusive(lock_file(tmp_path / "run")), pytest.raises(EnvironmentProblem):
        trained(settings_for(data), tmp_path / "run")


def test_a_run_folder_holds_all_that_it_promises_and_the_model_loads(data: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    report = trained(settings_for(data), out, logs=("tensorboard",))
    network, card = load_network(out)
    assert card.network == TINY
    assert card.input_size == SIZE
    assert sum(parameter.numel() for parameter in network.parameters()) > 0
    assert json.loads((out / "metrics.json").read_text()) == report.metrics
    assert len(history(out)) == 2
    assert b"<svg" in (out / "curves.svg").read_bytes()
    rows = decode_image((out / "samples.png").read_bytes(), file="samples.png")
    assert rows.shape == (2 * SIZE[0], 3 * SIZE[1] + 8, 3)
    assert list((out / "tensorboard").glob("events*"))


def test_frozen_parts_keep_their_weights_and_statistics(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), epochs=1, batch_size=2, frozen=("encoder",))
    start = tmp_path / "start"
    trained(settings_for(data), start)
    trained(settings_for(data, stages=(stage,), weights=str(start), ema=0.0), tmp_path / "run")
    before, after = load_file(start / "model.safetensors"), load_file(tmp_path / "run" / "model.safetensors")
    same = {name: bool((before[name] == after[name]).all()) for name in before if "num_batches" not in name}
    assert all(value for name, value in same.items() if name.startswith("encoder."))
    assert not all(value for name, value in same.items() if not name.startswith("encoder."))


def test_the_network_learns_discs(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), epochs=30, batch_size=3, learning_rate=1e-2, augmentation="none")
    report = trained(settings_for(data, stages=(stage,), ema=0.8, checkpoint_every_steps=1000), tmp_path / "run")
    assert report.metrics["miou_image"] > 0.7


def test_a_loss_that_is_not_finite_stops_with_the_step_and_a_remedy(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), epochs=4, batch_size=2, learning_rate=1e30, optimizer="sgd", warmup=0.0)
    with pytest.raises(InputRefused, match="the loss is") as caught:
        trained(settings_for(data, stages=(stage,)), tmp_path / "run")
    assert "--learning-rate" in caught.value.remedy


def test_a_broken_sample_is_named(data: tuple[Path, Path], tmp_path: Path) -> None:
    broken = data[0] / "masks" / "t3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(InputRefused) as caught:
        trained(settings_for(data), tmp_path / "run")
    assert "t3.png" in str(caught.value)


def test_training_stops_when_validation_no_longer_improves(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), epochs=50, batch_size=3, learning_rate=1e-9, schedule="constant")
    settings = settings_for(data, stages=(stage,), patience=2, ema=0.0, checkpoint_every_steps=1000)
    assert trained(settings, tmp_path / "run").metrics["steps"] < 2 * 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": "nosuch"}, "no network 'nosuch'"),
        ({"stages": (Stage(data=("x",), losses={"nosuch": 1.0}),)}, "no loss 'nosuch'"),
        ({"stages": (Stage(data=("x",), augmentation="nosuch"),)}, "no augmentation 'nosuch'"),
        ({"stages": (Stage(),)}, "names no data"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_written(
    data: tuple[Path, Path], change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationProblem, match=said):
        plan_training(settings_for(data, **change))


def test_a_part_that_the_network_does_not_have_cannot_be_frozen(data: tuple[Path, Path], tmp_path: Path) -> None:
    stage = Stage(data=(str(data[0]),), frozen=("nosuch",))
    with pytest.raises(ConfigurationProblem, match="no part 'nosuch'") as caught:
        trained(settings_for(data, stages=(stage,)), tmp_path / "run")
    assert "encoder" in caught.value.remedy


def test_the_plan_counts_batches_of_all_stages(data: tuple[Path, Path]) -> None:
    settings = settings_for(data, stages=two_stages(data))
    assert plan_training(settings).batches == 1 * 2 + 2 * 3
