"""`curate simulate`: which way to choose what is labelled next would have paid, on data whose labels are known."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.command_line.options import Result, RunOptions
from pipelines.experiments.simulate_flags import SimulateFlags

if TYPE_CHECKING:
    from pipelines.experiments.simulation_steps import Simulation


def simulate(settings: SimulateFlags, *, run: RunOptions) -> Result:
    """Hide the labels of labelled data, reveal those that a selection chooses, train, measure, and reveal more.

    Every selection is compared with random, from the same first labels. The output is simulation.html with mIoU by
    number of labels, simulation.csv and .json, and each training. A selection sees images and predictions, never a
    label that is hidden; threshold and verdict need a --teacher, whose labels stand in their place.

    With --wrong labels are made wrong instead, and each round corrects those that a selection doubts.

    Each training has one thread, and --workers of them go on side by side. The same command continues where it was
    stopped; more rounds, seeds or selections can be added.

    \b
    Examples:
      curate simulate --data portraits --network unet_shufflenet --select uncertainty diverse --out simulation
      curate simulate --data portraits --network unet_shufflenet --wrong 0.2 --teacher selfie.onnx --out mended
    """
    from pipelines.experiments.run_simulation import simulated
    from pipelines.experiments.simulation_plan import claimed, planned_simulation
    from pipelines.experiments.simulation_results import trained_minutes, write_results
    from pipelines.training.train import training_options

    begun = time.monotonic()
    training_options(run)
    simulation = planned_simulation(settings, run=run)
    if run.dry_run:
        return _told(simulation)
    with claimed(simulation, flags=settings, run=run):
        found = simulated(simulation, run=replace(run, limit=None))  # the limit is that of the pool
        told = write_results(found, simulation=simulation, seed=run.seed)
    took = f"{(time.monotonic() - begun) / 60:.1f} minutes"
    told["lines"].append(f"took {took}; all trainings together, one after the other: {trained_minutes(simulation):.1f}")
    return _result(told, simulation=simulation)


def _told(simulation: Simulation) -> Result:
    pool, labels = simulation.pool, simulation.labels
    number = len(simulation.seeds) * (1 + len(simulation.strategies) * simulation.rounds)
    number += 0 if simulation.wrong is None else len(simulation.seeds)  # once more with all labels right
    left = ", ".join(f"{reason} {count}" for reason, count in pool.left_out.items())
    lines = [
        f"{simulation.out}: {number} trainings (dry run, nothing is written)",
        f"  {len(pool.ids)} samples {_fate(simulation)}" + (f"; left out: {left}" if left else ""),
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


def _fate(simulation: Simulation) -> str:
    """Say what becomes of the labels."""
    if simulation.wrong is None:
        return "whose labels are hidden"
    return (
        f"with labels, of which {100 * simulation.wrong:.0f} % are made wrong and those that are chosen are looked at"
    )


def _result(told: dict[str, Any], *, simulation: Simulation) -> Result:
    from pipelines.experiments.simulation_results import CSV, PAGE
    from reports.experiments.simulation_page import RIGHT

    failed = [(one["strategy"], seed, why) for one in told["strategies"] for seed, why in one["problems"].items()]
    failed += [(RIGHT, seed, why) for seed, why in told["right_problems"].items()]
    lines = [
        *told.pop("lines"),
        *(f"ended early: {name}, seed {seed}: {why}" for name, seed, why in failed),
        f"look at it: {simulation.out / PAGE}; every point: {simulation.out / CSV}",
    ]
    return Result.of(lines, told, set_aside=failed)
