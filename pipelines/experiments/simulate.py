"""`curate simulate`: which way to choose what is labelled next would have paid, on data whose labels are known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.command_line.options import Result, RunOptions
from pipelines.experiments.simulate_flags import SimulateFlags

if TYPE_CHECKING:
    from pipelines.experiments.run_simulation import Simulation


def simulate(settings: SimulateFlags, *, run: RunOptions) -> Result:
    """Hide the labels of labelled data, reveal those that a selection chooses, train, measure, and reveal more.

    Every selection is compared with random, from the same first labels. The output is simulation.html with mIoU by
    number of labels, simulation.csv and .json, and each training. A selection sees images and predictions, never a
    label. The same command continues where it was stopped; more rounds, seeds or selections can be added.

    \b
    Example:  curate simulate --data portraits --network unet_shufflenet --select uncertainty diverse --out simulation
    """
    from pipelines.experiments.run_simulation import simulated
    from pipelines.experiments.simulation_plan import claimed, planned_simulation
    from pipelines.experiments.simulation_results import write_results
    from pipelines.training.train import training_options

    training_options(run)
    simulation = planned_simulation(settings, run=run)
    if run.dry_run:
        return _told(simulation)
    with claimed(simulation, flags=settings, run=run):
        curves = simulated(simulation, run=replace(run, limit=None))  # the limit is that of the pool
        told = write_results(curves, simulation=simulation, seed=run.seed)
    return _result(told, simulation=simulation)


def _told(simulation: Simulation) -> Result:
    pool, labels = simulation.pool, simulation.labels
    number = len(simulation.seeds) * (1 + len(simulation.strategies) * simulation.rounds)
    left = ", ".join(f"{reason} {count}" for reason, count in pool.left_out.items())
    lines = [
        f"{simulation.out}: {number} trainings (dry run, nothing is written)",
        f"  {len(pool.ids)} samples whose labels are hidden" + (f"; left out: {left}" if left else ""),
        f"  {', '.join(map(str, labels))} labels, by {', '.join(simulation.strategies)}",
        f"  with the seeds {', '.join(map(str, simulation.seeds))}",
        f"  measured on {sum(len(one.rows) for one in simulation.sets)} images",
    ]
    data = {
        "command": "simulate",
        "dry_run": True,
        "out": str(simulation.out),
        "trainings": number,
        "pool": len(pool.ids),
        "left_out": pool.left_out,
        "labels": labels,
        "strategies": list(simulation.strategies),
    }
    return Result.of(lines, data)


def _result(told: dict[str, Any], *, simulation: Simulation) -> Result:
    from pipelines.experiments.simulation_results import CSV, PAGE

    failed = [(one["strategy"], seed, why) for one in told["strategies"] for seed, why in one["problems"].items()]
    lines = [
        *told.pop("lines"),
        *(f"ended early: {name}, seed {seed}: {why}" for name, seed, why in failed),
        f"look at it: {simulation.out / PAGE}; every point: {simulation.out / CSV}",
    ]
    return Result.of(lines, told, set_aside=failed)
