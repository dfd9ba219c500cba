"""The work of `curate simulate`: label a little, train, measure, choose what to label next, and again.

What every selection has in common is done first: teachers are asked, then, for each seed, the first training and all
that is chosen after it. From there on each selection goes its own way with each seed, and as many of them work side by
side as there are processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa

from labeling.selection.select import Strategy
from pipelines.command_line.options import RunOptions
from pipelines.experiments.simulation_choice import next_labels
from pipelines.experiments.simulation_processes import side_by_side
from pipelines.experiments.simulation_steps import Simulation, Step, trained
from pipelines.experiments.simulation_teachers import taught
from pipelines.experiments.trials import FAILURES
from reports.experiments.simulation_table import Curve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulated:
    """What came of a simulation: a curve for each strategy and seed, and, where labels were made wrong, the scores with
    all labels right, by seed, or why there are none."""

    curves: Sequence[Curve]
    right: Mapping[int, pa.Table]
    problems: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Begun:
    """A first step: its scores and what each strategy labels next, or why it failed."""

    step: Step
    table: pa.Table | None = None
    chosen: Mapping[Strategy, list[str]] = field(default_factory=dict)
    problem: str = ""


def simulated(simulation: Simulation, *, run: RunOptions) -> Simulated:
    """Run every strategy with every seed, or continue it; a failure is recorded in the curves that it ends.

    Raises what stops all: EnvironmentProblem, a teacher that is refused.
    """
    simulation = replace(simulation, taught=taught(simulation, run=run))
    first: list[Callable[..., _Begun | pa.Table | str]] = [partial(_begun, seed) for seed in simulation.seeds]
    if simulation.wrong is not None:
        first += [partial(_right, seed) for seed in simulation.seeds]
        for seed in simulation.seeds:
            simulation.given(simulation.first(seed))  # made once: several trainings of a seed begin at the same time
    found = side_by_side(first, simulation=simulation, run=run, name="first trainings")
    begun = [one for one in found if isinstance(one, _Begun)]
    right = dict(zip(simulation.seeds, found[len(begun) :]))
    ways = [partial(_curve, one, strategy) for one in begun for strategy in simulation.strategies]
    curves = side_by_side(ways, simulation=simulation, run=run, name="selections")
    return Simulated(
        curves=curves,
        right={seed: one for seed, one in right.items() if isinstance(one, pa.Table)},
        problems={seed: one for seed, one in right.items() if isinstance(one, str)},
    )


def _begun(seed: int, *, simulation: Simulation, run: RunOptions) -> _Begun:
    """Take the first step with a seed."""
    step = simulation.first(seed)
    try:
        table = trained(step, simulation=simulation, run=run)
        chosen = next_labels(step, strategies=simulation.strategies, simulation=simulation, run=run)
    except FAILURES as error:
        return _Begun(step=step, problem=error.cause)
    return _Begun(step=step, table=table, chosen=chosen)


def _right(seed: int, *, simulation: Simulation, run: RunOptions) -> pa.Table | str:
    """Train with all labels right, and return the scores, or why that failed."""
    try:
        return trained(simulation.all_right(seed), simulation=simulation, run=run)
    except FAILURES as error:
        return error.cause


def _curve(begun: _Begun, strategy: Strategy, *, simulation: Simulation, run: RunOptions) -> Curve:
    """Return the curve of one strategy with one seed, as far as it came."""
    step, labels, tables, found, problem = begun.step, list[int](), list[pa.Table](), list[int](), begun.problem
    if begun.table is not None:
        labels, tables, found = [len(step.labelled)], [begun.table], [0]
        wrong = set(simulation.given(step).files)
        following = begun.chosen[strategy]
        try:
            for number in range(1, simulation.rounds + 1):
                step = step.after(following, strategy=strategy, number=number)
                tables.append(trained(step, simulation=simulation, run=run))
                labels.append(len(step.labelled))
                found.append(len(wrong.intersection(step.labelled)))
                if number < simulation.rounds:
                    following = next_labels(step, strategies=[strategy], simulation=simulation, run=run)[strategy]
        except FAILURES as error:
            problem = error.cause
    return Curve(
        strategy=strategy,
        seed=begun.step.seed,
        labels=labels,
        scores=tables,
        found=found if simulation.wrong is not None else (),
        problem=problem,
    )
