"""One training and what it is worth: a run folder, with its evaluation on the test sets inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import pyarrow as pa

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, InputRefused
from models.evaluation.choose_sets import SplitChoice, identify
from models.evaluation.evaluation_folder import METRICS
from models.evaluation.score_table import read_scores
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bars
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from pipelines.loop.config import TestSet
from pipelines.training.train import training_options

if TYPE_CHECKING:
    from models.training.settings import TrainSettings
    from models.training.train import TrainingPlan

EVALUATION: Final = "scores"
FAILURES: Final = (InputRefused, ConfigurationProblem)
"""What one training of several can end with, while the others go on: its data, or its settings."""

State = Literal["done", "begun", "to do"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A training in the folder `out`, to be measured on `test`, and how a progress bar calls it."""

    plan: TrainingPlan
    out: Path
    test: Sequence[TestSet]
    name: str

    @property
    def steps(self) -> int:
        """The number of optimizer steps; a stage that stops early takes fewer."""
        found = 0
        for stage, chosen in zip(self.plan.settings.stages, self.plan.chosen, strict=True):
            batches = -(-len(chosen.training) // stage.batch_size)
            found += stage.epochs * -(-batches // stage.accumulate)
        return found


def planned_training(settings: TrainSettings) -> TrainingPlan:
    """Return the samples of a training; raises InputRefused and ConfigurationProblem."""
    from models.training.train import plan_training

    return plan_training(settings)


def state_of(trial: Trial) -> State:
    """Say how far a trial is. Raises InputRefused when its folder holds another training."""
    from models.training.run_folder import CONFIG, finished_metrics

    plan = trial.plan
    found = finished_metrics(trial.out, settings=plan.settings, data=plan.data, allow_changed_data=False)
    if found is not None and (trial.out / EVALUATION / METRICS).exists():
        return "done"
    return "begun" if (trial.out / CONFIG).exists() else "to do"


def run_trial(trial: Trial, *, run: RunOptions) -> pa.Table:
    """Train and measure, or continue that, and return the scores of all test images.

    What is done is left as it is; measured again is a model, or a test set, that changed since.
    """
    from models.training.train import train

    with progress_bars(run=run) as show:
        train(
            trial.plan,
            out=trial.out,
            options=training_options(run),
            told=lambda progress: show(trial.name, progress.batches, total=trial.plan.batches, unit="batch"),
            asking=lambda what, done, total: show(f"{trial.name}, {what}", done, total=total),
        )
    return measured(trial.out, test=trial.test, run=run)


def measured(model: Path, *, test: Sequence[TestSet], run: RunOptions) -> pa.Table:
    """Return the scores of a model on the test sets, from the folder `scores` inside it, or made there."""
    out = model / EVALUATION
    splits: tuple[SplitChoice, ...] = tuple(one.split for one in test)
    flags = EvaluateFlags(
        model=model,
        data=tuple(Path(one.data) for one in test),
        split=splits,
        out=out,
        badcases=0,
        no_predictions=True,
    )
    again = run.overwrite or _is_stale(out, model=model, test=test, run=run)
    evaluate(flags, run=replace(run, overwrite=again, dry_run=False))
    names = [Path(one.data).resolve().name for one in test]
    folders = [out] if len(names) == 1 else [out / name for name in names]
    return pa.concat_tables([read_scores(folder) for folder in folders])


def _is_stale(out: Path, *, model: Path, test: Sequence[TestSet], run: RunOptions) -> bool:
    """Tell whether the evaluation that is there is of another model, or of other test data, or not whole.

    To replace one that is not whole drops only what is of another model or other data.
    """
    try:
        found = msgspec.json.decode((out / METRICS).read_bytes())
        sets = {name: entry["manifest_sha256"] for name, entry in found["sets"].items()}
        was = (found["model"]["sha256"], sets, found["choice"]["split"], found["choice"]["limit"], found["seed"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return True
    splits = ", ".join(one.split for one in test)
    folders = [Path(one.data) for one in test]
    now_sets = {folder.resolve().name: read_dataset(folder).card.manifest_sha256 for folder in folders}
    return was != (identify(model).sha256, now_sets, splits, run.limit, run.seed)
