"""`curate simulate`: hidden labels stay hidden, curves begin alike, and a stopped simulation goes on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pytest

from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import decode_image
from labeling.selection.select import Strategy
from pipelines.command_line.options import RunOptions
from pipelines.experiments import simulation_choice as choice
from pipelines.experiments import simulation_steps as simulation
from pipelines.experiments.simulate import simulate
from pipelines.experiments.simulate_flags import SimulateFlags
from pipelines.experiments.simulation_choice import chosen_by
from pipelines.experiments.simulation_plan import planned_simulation
from pipelines.experiments.simulation_pool import VISIBLE
from pipelines.experiments.simulation_teachers import taught
from pipelines.experiments.trials import Trial
from tests.models.data.discs import disc_dataset, write_png
from tests.models.tiny_onnx import write_tiny_onnx
from tests.pipelines.conftest import prepare_once
from tests.reports.scored_tables import scored

RUN = RunOptions(workers=0, device="cpu", quiet=True)
DRY = RunOptions(workers=0, device="cpu", quiet=True, dry_run=True)
NAMES = [f"t{number:02}" for number in range(12)]
SPLITS = {"t08": "val", "t09": "test", "t10": "test", "t11": "test"}
ROWS = {name: {"split": split} for name, split in SPLITS.items()}


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    disc_dataset(tmp_path / "discs", NAMES, rows=ROWS)
    return tmp_path / "discs"


def flags(discs: Path, **values: Any) -> SimulateFlags:
    config = discs.parent / "settings.yaml"
    config.write_text(
        "network: unet_shufflenet\ninput_size: [32, 32]\nema: 0.5\n"
        "stages: [{epochs: 1, batch_size: 2, augmentation: none}]\n"
    )
    given: dict[str, Any] = {"start": 2, "budget": 2, "rounds": 1, "seeds": (0,), "config": config, "data": (discs,)}
    return SimulateFlags(**{**given, "out": discs.parent / "out", **values})


@pytest.mark.usefixtures("checked_once")
def test_labels_are_uncovered_by_a_selection_that_never_sees_one(discs: Path) -> None:
    lightened(discs)
    settings = flags(discs, select=("uncertainty",))
    result = simulate(settings, run=RUN)
    assert result.exit_code == 0, result.summary
    assert [one["strategy"] for one in result.data["strategies"]] == ["random", "uncertainty"]
    assert {one["miou"][0]["mean"] for one in result.data["strategies"]} == {
        result.data["strategies"][0]["miou"][0]["mean"]
    }
    assert re.search(r"took [0-9.]+ minutes; all trainings together, one after the other: [0-9.]+", result.summary)
    out = discs.parent / "out" / "seed-0"
    for strategy in ("random", "uncertainty"):
        start, grown = (
            set(read_dataset(out / one / "labels").table["id"].to_pylist()) for one in ("start", f"{strategy}/1")
        )
        assert len(start) == 2 and len(grown) == 4 and start < grown <= set(NAMES[:8])
    teacher = write_tiny_onnx(discs.parent / "teacher.onnx")
    asked = [settings, flags(discs, teacher=(teacher,), select=("threshold", "diverse"))]
    before = [chosen_again(one, start=out / "start") for one in asked]
    assert before[1]["threshold"] == farthest(discs, models=(teacher, out / "start" / "model"), known=start)
    hide_behind_other_masks(discs)
    assert [chosen_again(one, start=out / "start") for one in asked] == before
    with pytest.raises(InputRefused, match="other data"):
        simulate(settings, run=RUN)


def farthest(discs: Path, *, models: tuple[Path, Path], known: set[str]) -> list[str]:
    """Return the two of the unknown discs on which two models differ most, by the mean IoU of person and background."""
    found = {}
    for name in set(NAMES[:8]) - known:
        image = decode_image((discs / "images" / f"{name}.png").read_bytes(), file=name)
        ready = [prepare_once(model, options=RUN.predicting).predictor(threads=1) for model in models]
        one, other = (predictor.predict([image])[0] >= 0.5 for predictor in ready)
        pairs = ((one, other), (~one, ~other))
        found[name] = np.mean([(a & b).sum() / (a | b).sum() if (a | b).any() else 1.0 for a, b in pairs])
    return sorted(found, key=lambda name: (found[name], name))[:2]


def chosen_again(settings: SimulateFlags, *, start: Path) -> dict[str, list[str]]:
    """Return what selections choose after the start, with nothing kept of what they chose before, or teachers said."""
    shutil.rmtree(settings.out / "teachers", ignore_errors=True)
    whole = planned_simulation(settings, run=RUN)
    whole = replace(whole, taught=taught(whole, run=RUN))
    step = replace(whole.first(0), folder=start)
    asked: list[Strategy] = ["uncertainty", "views", "diverse", "mixed", "random"]
    asked += ["threshold", "verdict"] if settings.teacher else []
    found = chosen_by(asked, step=step, simulation=whole, run=RUN)
    shutil.rmtree(start / "pool")
    return dict(found)


def lightened(discs: Path, *, but: str = "") -> None:
    """Lighten the dark ground of the images: what a drawn teacher says of darker ones is not finite."""
    dataset = read_dataset(discs)
    digests = []
    for name in dataset.table["image"].to_pylist():
        image = decode_image((discs / name).read_bytes(), file=name)
        if Path(name).stem != but:
            write_png(discs / name, np.maximum(image, 40))
        digests.append(sha256((discs / name).read_bytes()).hexdigest())
    table = dataset.table.set_column(dataset.table.column_names.index("sha256"), "sha256", pa.array(digests))
    write_dataset(discs, card=dataset.card, table=table, quarantine=read_quarantine(discs))


def hide_behind_other_masks(discs: Path) -> None:
    """Change the masks of all that may be labelled, and what the manifest tells of them."""
    dataset = read_dataset(discs)
    for name in NAMES[:8]:
        write_png(discs / "masks" / f"{name}.png", np.full((48, 40), 255, np.uint8))
    areas = [1.0 if name in NAMES[:8] else 0.2 for name in dataset.table["id"].to_pylist()]
    persons = pa.array([0 if name in NAMES[:8] else 1 for name in dataset.table["id"].to_pylist()], pa.int32())
    table = dataset.table.set_column(dataset.table.column_names.index("person_area"), "person_area", pa.array(areas))
    table = table.set_column(table.column_names.index("persons"), "persons", persons)
    write_dataset(discs, card=dataset.card, table=table, quarantine=read_quarantine(discs))


@pytest.fixture
def without_training(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put made-up scores in place of trainings and predictions; give the names of the trainings, as they are done."""
    done: list[str] = []

    def run_trial(trial: Trial, *, run: RunOptions) -> pa.Table:
        done.append(trial.name)
        number = len(trial.plan.chosen[0].training)
        return scored([0.5 + number / 100, 0.6 + number / 50])

    def predicted(shown: Any, **_: Any) -> list[dict[str, Any]]:
        rows = [row for part in shown.parts for row in part.rows]
        return [
            row | {"is_finite": True, "miou": None, "uncertainty_boundary": int(row["id"][1:]) / 99} for row in rows
        ]

    monkeypatch.setattr(simulation, "run_trial", run_trial)
    monkeypatch.setattr(choice, "_scored", predicted)
    monkeypatch.setattr(choice, "identify", lambda path: path)  # nothing was trained
    return done


def test_a_stopped_simulation_goes_on_with_the_same_choices(discs: Path, without_training: list[str]) -> None:
    settings = flags(discs, rounds=3, seeds=(0, 1))
    whole = simulate(settings, run=RUN)
    assert len(without_training) == 2 * (1 + 2 * 3)
    for broken_at in (1, 3, 9):
        out = discs.parent / f"out-{broken_at}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(simulation, "run_trial", stopping_at(broken_at, then=simulation.run_trial))
            with pytest.raises(KeyboardInterrupt):
                simulate(flags(discs, rounds=3, seeds=(0, 1), out=out), run=RUN)
        again = simulate(flags(discs, rounds=3, seeds=(0, 1), out=out), run=RUN)
        assert again.data | {"out": ""} == whole.data | {"out": ""}
        for name in ("seed-0/uncertainty/3", "seed-1/random/2"):
            here, there = (read_dataset(one / name / "labels").table for one in (out, discs.parent / "out"))
            assert here["id"].to_pylist() == there["id"].to_pylist()


def stopping_at(number: int, *, then: Callable[..., Any]) -> Callable[..., Any]:
    calls: list[int] = []

    def run_trial(trial: Trial, *, run: RunOptions) -> Any:
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return then(trial, run=run)

    return run_trial


def test_the_most_uncertain_of_what_is_hidden_come_first(discs: Path, without_training: list[str]) -> None:
    simulate(flags(discs), run=RUN)
    start, grown = (
        set(read_dataset(discs.parent / "out" / "seed-0" / one / "labels").table["id"].to_pylist())
        for one in ("start", "uncertainty/1")
    )
    assert grown - start == set(sorted(set(NAMES[:8]) - start)[-2:])


def test_a_chain_that_fails_does_not_stop_the_others(
    discs: Path, without_training: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = simulation.run_trial

    def run_trial(trial: Trial, *, run: RunOptions) -> Any:
        if "uncertainty" in trial.name or "seed 1" in trial.name:
            raise InputRefused("the loss is nan", where="there", remedy="x")
        return real(trial, run=run)

    monkeypatch.setattr(simulation, "run_trial", run_trial)
    result = simulate(flags(discs, seeds=(0, 1)), run=RUN)
    random, uncertainty = result.data["strategies"]
    assert result.exit_code == 3
    assert list(random["problems"]) == ["1"] and sorted(uncertainty["problems"]) == ["0", "1"]
    assert random["area"] is not None and uncertainty["area"] is None
    assert "ended early: uncertainty, seed 0: there: the loss is nan" in result.summary


def test_what_is_hidden_shows_nothing_of_its_label(discs: Path) -> None:
    whole = planned_simulation(flags(discs), run=RUN)
    assert whole.pool.ids == tuple(NAMES[:8])
    (part,) = whole.pool.hidden(["t00"], out=discs.parent)
    assert [row["id"] for row in part.rows] == NAMES[1:8]
    assert {name for row in part.rows for name, value in row.items() if value is not None} <= set(VISIBLE)


def test_what_shows_the_same_as_a_test_is_not_in_the_pool(tmp_path: Path) -> None:
    rows = ROWS | {"t00": {"group": "one"}, "t09": {"group": "one", "split": "test"}, "t01": {"mask": None}}
    disc_dataset(tmp_path / "discs", NAMES, rows=rows)
    result = simulate(flags(tmp_path / "discs"), run=DRY)
    assert result.data["pool"] == 6
    assert result.data["left_out"] == {"other_split": 4, "without_mask": 1, "in_validation": 1}
    assert result.data["trainings"] == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"select": ("threshold",)}, "would use the labels"),
        ({"select": ("verdict",)}, "would use the labels"),
        ({"start": 0}, "--start 0"),
        ({"wrong": 0.2}, "--start is for hidden labels"),
        ({"wrong": 1.0, "start": None}, "--wrong 1 is not between 0 and 1"),
        ({"wrong": 0.2, "start": None, "rounds": 9}, "9 times 2 more are 18, but only 8"),
        ({"seeds": (1, 1)}, "--seeds"),
        ({"rounds": 9}, "2 labels and 9 times 2 more are 20, but only 8"),
        ({"config": None}, "no network is named"),
        ({"input_size": "big"}, "no size"),
        ({"epochs": 0}, "epochs must be"),
    ],
)
def test_what_simulates_nothing_is_refused(discs: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises((click.UsageError, InputRefused, ConfigurationProblem), match=said):
        simulate(flags(discs, **values), run=RUN)


def test_settings_that_name_data_are_refused(discs: Path) -> None:
    config = discs.parent / "named.yaml"
    config.write_text(f"network: unet_shufflenet\nstages: [{{data: [{discs}]}}]\n")
    with pytest.raises(ConfigurationProblem, match="names data"):
        simulate(flags(discs, config=config), run=RUN)


def test_hidden_labels_do_not_judge(tmp_path: Path) -> None:
    disc_dataset(tmp_path / "discs", NAMES, rows={"t09": {"split": "test"}})
    with pytest.raises(InputRefused, match="nothing to validate on but labels that are hidden"):
        simulate(flags(tmp_path / "discs"), run=RUN)


def test_a_folder_holds_one_simulation_and_takes_more_rounds(discs: Path, without_training: list[str]) -> None:
    simulate(flags(discs), run=RUN)
    assert len(simulate(flags(discs, rounds=2), run=RUN).data["labels"]) == 3
    with pytest.raises(InputRefused, match="other budget"):
        simulate(flags(discs, budget=3), run=RUN)
    (discs.parent / "out" / "plan.json").write_text("{")
    with pytest.raises(InputRefused, match="damaged"):
        simulate(flags(discs), run=RUN)
    simulate(flags(discs, budget=3), run=RunOptions(workers=0, device="cpu", quiet=True, overwrite=True))
    (discs.parent / "own").mkdir()
    (discs.parent / "own" / "letter").write_text("dear")
    with pytest.raises(InputRefused, match="no simulation"):
        simulate(flags(discs, out=discs.parent / "own"), run=RUN)
