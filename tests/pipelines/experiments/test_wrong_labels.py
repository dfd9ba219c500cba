"""`curate simulate --wrong`: labels are made wrong, those that are looked at are right, and the gap is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.images.pixels import decode_mask
from pipelines.experiments import simulation_choice as choice
from pipelines.experiments import simulation_steps as steps
from pipelines.experiments.simulate import simulate
from pipelines.experiments.simulation_plan import planned_simulation
from pipelines.experiments.trials import Trial
from pipelines.experiments.wrong_labels import wrong_labels
from tests.models.data.discs import disc_dataset
from tests.pipelines.experiments.test_simulate import DRY, NAMES, ROWS, RUN, flags
from tests.reports.scored_tables import scored

POOL = NAMES[:8]


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    disc_dataset(tmp_path / "discs", NAMES, rows=ROWS)
    return tmp_path / "discs"


def right_labels(discs: Path, *, labels: Path) -> set[str]:
    """Return the ids of a dataset whose masks are those that were drawn."""
    rows = read_dataset(labels).table.to_pylist()
    assert [row["id"] for row in rows] == POOL
    return {
        row["id"]
        for row in rows
        if np.array_equal(_mask(labels / row["mask"]), _mask(discs / "masks" / f"{row['id']}.png"))
    }


def _mask(file: Path) -> Any:
    return decode_mask(file.read_bytes(), file=str(file))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, discs: Path) -> None:
    """Put in place of a training a score that rises with the labels that are right, the same for every seed."""

    def run_trial(trial: Trial, **_: Any) -> pa.Table:
        right = len(right_labels(discs, labels=trial.out.parent / "labels"))
        return scored([0.1 + 0.1 * right, 0.1 * right])

    def predicted(shown: Any, **_: Any) -> list[dict[str, Any]]:
        """Find wrong labels as one would who knew them, the first by id first, and then the others."""
        rows = [row for part in shown.parts for row in part.rows]
        right = right_labels(discs, labels=shown.parts[0].place.dataset)
        return [row | {"is_finite": True, "miou": 0.9 if row["id"] in right else 0.1} for row in rows]

    monkeypatch.setattr(steps, "run_trial", run_trial)
    monkeypatch.setattr(choice, "_scored", predicted)
    monkeypatch.setattr(choice, "identify", lambda path: path)


@pytest.mark.usefixtures("counted")
def test_what_is_looked_at_is_right_from_then_on_and_the_gap_is_told(discs: Path) -> None:
    settings = flags(discs, start=None, wrong=0.5, budget=2, rounds=1, seeds=(0, 1, 2), select=("threshold",))
    result = simulate(settings, run=RUN)
    assert result.exit_code == 0 and result.data["labels"] == [0, 2]
    random, threshold = result.data["strategies"]
    out = discs.parent / "out" / "seed-0"
    given, mended, whole = (
        right_labels(discs, labels=out / one / "labels") for one in ("start", "threshold/1", "right")
    )
    assert len(given) == 4 and whole == set(POOL)
    assert mended - given == set(sorted(set(POOL) - given)[:2])
    # 2 of 4 wrong labels, and with each the score rises as much: half of the gap, with every seed
    assert threshold["wrong_found"]["values"] == (2.0, 2.0, 2.0)
    assert [threshold["recovered"][name] for name in ("value", "low", "high")] == pytest.approx([0.5, 0.5, 0.5])
    assert random["wrong_found"]["mean"] < 2 and random["recovered"]["value"] == pytest.approx(
        random["wrong_found"]["mean"] / 4
    )
    assert result.data["right"]["mean"] == pytest.approx(0.85)
    assert "50 % (50 to 50 %)" in result.summary and "all labels right: 0.8500" in result.summary
    page = (discs.parent / "out" / "simulation.html").read_text()
    assert "labels looked at" in page and "50 % of them with an error" in page and "all labels right" in page


@pytest.mark.usefixtures("counted")
def test_the_same_labels_are_wrong_for_every_selection_and_in_every_run(discs: Path) -> None:
    settings = flags(discs, start=None, wrong=0.25, seeds=(0, 1), select=("threshold",))
    simulate(settings, run=RUN)
    folder = discs.parent / "out"
    files = {file: file.read_bytes() for file in folder.glob("seed-*/wrong/*.png")}
    assert len(files) == 4
    assert {file.name for file in files if "seed-0" in str(file)} != {f.name for f in files if "seed-1" in str(f)}
    next(iter(files)).unlink()  # as in a run that was killed while it planted
    again = simulate(settings, run=RUN)
    assert {file: file.read_bytes() for file in files} == files and again.exit_code == 0
    with pytest.raises(InputRefused, match="other wrong"):
        simulate(flags(discs, start=None, wrong=0.5, seeds=(0, 1)), run=RUN)


@pytest.mark.usefixtures("counted")
def test_where_right_labels_cannot_be_trained_on_that_is_said(discs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = steps.run_trial

    def run_trial(trial: Trial, **more: Any) -> Any:
        if "all labels right" in trial.name:
            raise InputRefused("the loss is nan", where="there", remedy="x")
        return counted(trial, **more)

    monkeypatch.setattr(steps, "run_trial", run_trial)
    result = simulate(flags(discs, start=None, wrong=0.25, select=("threshold",)), run=RUN)
    assert result.exit_code == 3 and result.data["right"] is None
    assert all(one["recovered"] is None for one in result.data["strategies"])
    assert "ended early: all labels right, seed 0: there: the loss is nan" in result.summary
    assert "the loss is nan" in (discs.parent / "out" / "simulation.html").read_text()


def test_a_wrong_label_tells_nothing_of_the_true_one(discs: Path) -> None:
    """But for its image: area, alpha and trimap are those of the true mask."""
    whole = planned_simulation(flags(discs, start=None, wrong=0.25), run=RUN)
    step = whole.first(0)
    plan = whole.pool.plan_labelled(whole.pool.ids, given=whole.given(step))
    wrong = set(wrong_labels(whole.pool, share=0.25, seed=0, folder=whole.folder(0) / "wrong"))
    for name in plan.folders:
        (discs.parent / "made" / name).mkdir(parents=True)
    for item in plan.items:
        sample = plan.work(item, discs.parent / "made").sample
        assert sample is not None
        drawn = np.count_nonzero(_mask(discs.parent / "made" / str(sample.mask))) / (48 * 40)
        if item.id in wrong:
            assert sample.trimap is None and sample.person_area == pytest.approx(drawn)
        else:
            assert sample.trimap is not None


def test_what_cannot_be_made_wrong_is_refused(discs: Path) -> None:
    config = discs.parent / "alphas.yaml"
    config.write_text("network: unet_shufflenet\nstages: [{labels: alpha}]\n")
    with pytest.raises(ConfigurationProblem, match="errors are planted in masks alone"):
        simulate(flags(discs, start=None, wrong=0.25, config=config), run=RUN)
    whole = planned_simulation(flags(discs, start=None, wrong=0.5), run=RUN)
    for name in POOL:
        (discs / "masks" / f"{name}.png").write_bytes(b"no picture")
    with pytest.raises(InputRefused, match=r"t0\d\.png"):
        wrong_labels(whole.pool, share=0.5, seed=0, folder=discs.parent / "wrong")


def test_a_simulation_of_wrong_labels_says_so_before_it_begins(discs: Path) -> None:
    result = simulate(flags(discs, start=None, wrong=0.25), run=DRY)
    assert "8 samples with labels, of which 25 % are made wrong" in result.summary
    assert result.data["trainings"] == 4  # given, right, random, verdict
