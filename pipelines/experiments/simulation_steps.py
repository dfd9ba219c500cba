"""What a simulation consists of: its settings, and one training of it with the labels that are known by then.

    <out>/seed-0/start/            the first labels, the same for every selection
    <out>/seed-0/uncertainty/1/    after the first round of a selection, and so on
    <out>/seed-0/wrong/            masks with errors, where labels were made wrong
    <out>/seed-0/right/            where labels were made wrong: all of them right
    <out>/teachers/                what teachers say of all images

Each step holds `labels` (the dataset so far), `model` (with its scores on the tests), and `next-<selection>.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from curation.building.build_dataset import BuildOptions, build_dataset
from labeling.selection.select import Features, Strategy
from models.evaluation.choose_sets import EvaluationSet, Model
from models.training.settings import TrainSettings
from pipelines.command_line.options import RunOptions
from pipelines.experiments.simulation_pool import NOTHING_GIVEN, Given, Pool
from pipelines.experiments.trials import Trial, planned_training, run_trial
from pipelines.experiments.wrong_labels import wrong_labels
from pipelines.loop.config import TestSet

RANDOM: Final = "random"
LABELS, MODEL = "labels", "model"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taught:
    """What teachers say of the pool, computed once.

    `predictions` are folders, one for each teacher. `labels` is a dataset of the pool with the mask of their mean, None
    where the labels that are there are looked at. `features` are those of the first teacher, in the order of the pool;
    None where no selection asks for them.
    """

    predictions: Sequence[Path]
    labels: Path | None
    features: Features | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """What is simulated: `start` labels, then `rounds` times `budget` more, by each strategy, with each seed.

    With a share of `wrong` labels all are there from the start, these are made wrong, and a label that is chosen is
    looked at, and right from then on.
    """

    pool: Pool
    settings: TrainSettings
    test: Sequence[TestSet]
    sets: Sequence[EvaluationSet]
    strategies: Sequence[Strategy]
    seeds: Sequence[int]
    start: int
    budget: int
    rounds: int
    out: Path
    wrong: float | None = None
    teachers: Sequence[Model] = ()
    taught: Taught | None = None

    @property
    def labels(self) -> list[int]:
        """How many labels there are after each round; with wrong ones, how many were looked at."""
        return [self.start + number * self.budget for number in range(self.rounds + 1)]

    def first(self, seed: int) -> Step:
        """Return the first step with a seed."""
        labelled = tuple(self.pool.first(count=self.start, seed=seed))
        return Step(folder=self.folder(seed) / "start", name=f"seed {seed}, start", seed=seed, labelled=labelled)

    def all_right(self, seed: int) -> Step:
        """Return the step in which every label was looked at."""
        folder = self.folder(seed) / "right"
        return Step(folder=folder, name=f"seed {seed}, all labels right", seed=seed, labelled=self.pool.ids)

    def folder(self, seed: int) -> Path:
        """Return the folder of all steps with a seed."""
        return self.out / f"seed-{seed}"

    def given(self, step: Step) -> Given:
        """Return the labels that stand in the place of true ones at a step."""
        if self.wrong is None:
            return NOTHING_GIVEN
        files = wrong_labels(self.pool, share=self.wrong, seed=step.seed, folder=self.folder(step.seed) / "wrong")
        known = set(step.labelled)
        left = {id_: file for id_, file in files.items() if id_ not in known}
        return Given(files=left, told={"wrong": self.wrong, "seed": step.seed}) if left else NOTHING_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One training of a simulation: with which labels known, in which folder."""

    folder: Path
    name: str
    seed: int
    labelled: tuple[str, ...]

    def after(self, more: Sequence[str], *, strategy: Strategy, number: int) -> Step:
        """Return the step of this number of a strategy, with more labels."""
        labelled = (*self.labelled, *more)
        return Step(
            folder=(self.folder.with_name(strategy) if number == 1 else self.folder.parent) / str(number),
            name=f"seed {self.seed}, {strategy}, {len(labelled)} labels",
            seed=self.seed,
            labelled=labelled,
        )


def trained(step: Step, *, simulation: Simulation, run: RunOptions) -> pa.Table:
    """Train on the labels of a step, and return the scores on the tests."""
    options = BuildOptions(runner=run.runner, overwrite=run.overwrite, max_quarantine=run.max_quarantine)
    ids = step.labelled if simulation.wrong is None else simulation.pool.ids
    plan = simulation.pool.plan_labelled(ids, given=simulation.given(step))
    build_dataset(plan, out=step.folder / LABELS, options=options)
    stages = tuple(
        msgspec.structs.replace(stage, data=(str(step.folder / LABELS),)) for stage in simulation.settings.stages
    )
    settings = msgspec.structs.replace(simulation.settings, stages=stages, seed=step.seed)
    trial = Trial(plan=planned_training(settings), out=step.folder / MODEL, test=simulation.test, name=step.name)
    return run_trial(trial, run=run)
