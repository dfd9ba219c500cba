"""The work of `curate simulate`: label a little, train, measure, choose what to label next, and again.

    <out>/seed-0/start/            the first labels, the same for every selection
    <out>/seed-0/uncertainty/1/    after the first round of a selection, and so on

Each holds `labels` (the dataset so far), `model` (with its scores on the tests), and `next-<selection>.json`.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, sha256_of, write_durable
from labeling.findings import Findings
from labeling.selection.select import Features, Strategy, select
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import EvaluationSet, Model, identify
from models.evaluation.score_dataset import Part, ScoreOptions, Work, score_parts
from models.training.settings import TrainSettings
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar, tell
from pipelines.experiments.simulation_pool import Pool
from pipelines.experiments.trials import FAILURES, Trial, planned_training, run_trial
from pipelines.labels.features import own_features
from pipelines.loop.config import TestSet
from reports.experiments.simulation_table import Curve

RANDOM: Final = "random"
LABELS, MODEL, SCORED = "labels", "model", "pool"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """What is simulated: `start` labels, then `rounds` times `budget` more, by each strategy, with each seed."""

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

    @property
    def labels(self) -> list[int]:
        """How many labels there are after each round."""
        return [self.start + number * self.budget for number in range(self.rounds + 1)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """One training of a simulation: with which labels, in which folder."""

    folder: Path
    name: str
    seed: int
    labelled: tuple[str, ...]


def simulated(simulation: Simulation, *, run: RunOptions) -> list[Curve]:
    """Run every strategy with every seed, or continue it, and return the curves; a failure is recorded in its curve."""
    curves = []
    for seed in simulation.seeds:
        labelled = tuple(simulation.pool.first(count=simulation.start, seed=seed))
        folder = simulation.out / f"seed-{seed}"
        first = Step(folder=folder / "start", name=f"seed {seed}, start", seed=seed, labelled=labelled)
        try:
            table = _trained(first, simulation=simulation, run=run)
            chosen = _next(first, strategies=simulation.strategies, simulation=simulation, run=run)
        except FAILURES as error:
            problem = error.cause
            curves += [Curve(strategy=one, seed=seed, problem=problem) for one in simulation.strategies]
            continue
        for strategy in simulation.strategies:
            found = _curve(first, strategy=strategy, following=chosen[strategy], simulation=simulation, run=run)
            curves.append(found.begun_with(simulation.start, table=table))
    return curves


def _curve(
    first: Step, *, strategy: Strategy, following: Sequence[str], simulation: Simulation, run: RunOptions
) -> Curve:
    """Return the curve of one strategy after the start, as far as it came."""
    labels: list[int] = []
    tables: list[pa.Table] = []
    labelled = first.labelled
    try:
        for number in range(1, simulation.rounds + 1):
            labelled = (*labelled, *following)
            step = Step(
                folder=first.folder.with_name(strategy) / str(number),
                name=f"seed {first.seed}, {strategy}, {len(labelled)} labels",
                seed=first.seed,
                labelled=labelled,
            )
            tables.append(_trained(step, simulation=simulation, run=run))
            labels.append(len(labelled))
            if number < simulation.rounds:
                following = _next(step, strategies=[strategy], simulation=simulation, run=run)[strategy]
    except FAILURES as error:
        problem = error.cause
        return Curve(strategy=strategy, seed=first.seed, labels=labels, scores=tables, problem=problem)
    return Curve(strategy=strategy, seed=first.seed, labels=labels, scores=tables)


def _trained(step: Step, *, simulation: Simulation, run: RunOptions) -> pa.Table:
    """Train on the labels of a step, and give the scores on the tests."""
    options = BuildOptions(runner=run.runner, overwrite=run.overwrite, max_quarantine=run.max_quarantine)
    build_dataset(simulation.pool.plan_labelled(step.labelled), out=step.folder / LABELS, options=options)
    stages = tuple(
        msgspec.structs.replace(stage, data=(str(step.folder / LABELS),)) for stage in simulation.settings.stages
    )
    settings = msgspec.structs.replace(simulation.settings, stages=stages, seed=step.seed)
    trial = Trial(plan=planned_training(settings), out=step.folder / MODEL, test=simulation.test, name=step.name)
    return run_trial(trial, run=run)


def _next(
    step: Step, *, strategies: Sequence[Strategy], simulation: Simulation, run: RunOptions
) -> dict[Strategy, list[str]]:
    """Return what each strategy labels after a step; what was chosen before is kept."""
    key = sha256_of("\n".join(sorted(step.labelled)).encode("utf-8", "surrogatepass"))[:16]
    chosen: dict[Strategy, list[str]] = {}
    for strategy in strategies:
        known = None if run.overwrite else _read_choice(_choice_file(step, strategy), key=key)
        chosen[strategy] = (
            known if known is not None else chosen_by(strategy, step=step, simulation=simulation, run=run)
        )
        told = {"labelled": key, "ids": chosen[strategy]}
        write_durable(_choice_file(step, strategy), msgspec.json.encode(told) + b"\n")
    if (step.folder / SCORED).exists():
        shutil.rmtree(step.folder / SCORED)  # the predictions are as large as the pool
    return chosen


def chosen_by(strategy: Strategy, *, step: Step, simulation: Simulation, run: RunOptions) -> list[str]:
    """Return the ids that a strategy labels next, from images and predictions alone: every label is hidden from it."""
    rng = np.random.default_rng([step.seed, len(step.labelled)])
    if strategy == RANDOM:
        known = set(step.labelled)
        blank: list[dict[str, Any]] = [{"id": id_} for id_ in simulation.pool.ids if id_ not in known]
        return select(blank, strategy=strategy, budget=simulation.budget, rng=rng)
    hidden = _Hidden.at(step, pool=simulation.pool)
    rows = _scored(hidden, step=step, run=run, with_views=strategy == "views")
    features = _features(rows, hidden=hidden, step=step, run=run) if strategy in ("diverse", "mixed") else None
    return select(rows, strategy=strategy, budget=simulation.budget, rng=rng, features=features)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hidden:
    """The images that have no label at a step, its model, and the folder for what the model says of them."""

    parts: Sequence[Part]
    model: Model
    folder: Path

    @classmethod
    def at(cls, step: Step, *, pool: Pool) -> _Hidden:
        out = step.folder / SCORED
        return cls(parts=pool.hidden(step.labelled, out=out), model=identify(step.folder / MODEL), folder=out)


def _scored(hidden: _Hidden, *, step: Step, run: RunOptions, with_views: bool) -> list[Mapping[str, Any]]:
    """Return what the model of a step says of the images that have no label yet, and of views of them if asked."""
    predict = CheckedModel(hidden.model, options=replace(run.predicting, with_scales=with_views))
    number = sum(len(part.rows) for part in hidden.parts)
    with progress_bar(f"{step.name}, pool", total=number, run=run) as show:
        options = ScoreOptions(
            workers=run.workers, max_quarantine=run.max_quarantine, progress=lambda done, _: show(done)
        )
        asked = "-views" if with_views else ""
        work = Work(folder=hidden.folder / "work", run=f"{hidden.model.sha256[:16]}{asked}")
        rows: list[Mapping[str, Any]] = score_parts(
            hidden.parts, predict=predict, work=work, options=options
        ).table.to_pylist()
    return rows


def _features(rows: Sequence[Mapping[str, Any]], *, hidden: _Hidden, step: Step, run: RunOptions) -> Features:
    """Return what the model of a step makes of images that have no label yet."""
    places = {row["id"]: (part.place.dataset, str(row["image"])) for part in hidden.parts for row in part.rows}
    return own_features(
        rows,
        place=lambda row: places[row["id"]],
        findings=Findings(folder=hidden.folder, rows={}, model=step.name, source=hidden.model),
        run=run,
        warn=lambda reason: tell(f"warning: {reason}", run=run),
    )


def _choice_file(step: Step, strategy: Strategy) -> Path:
    make_folder(step.folder)
    return step.folder / f"next-{strategy}.json"


def _read_choice(file: Path, *, key: str) -> list[str] | None:
    """Return a choice that was made with these very labels, None without one."""
    try:
        found = msgspec.json.decode(read_file(file))
        ids: Collection[str] = found["ids"] if found["labelled"] == key else ()
    except (BadRecord, msgspec.DecodeError, KeyError, TypeError):
        return None
    return list(ids) or None
