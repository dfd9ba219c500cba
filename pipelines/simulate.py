"""`curate simulate`: which way to choose what is labelled next would have paid, on data whose labels are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pipelines.options import DONE_WITH_QUARANTINE, Result, RunOptions, setting

if TYPE_CHECKING:
    from pipelines.simulation import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateFlags:
    """Which labels are hidden, how many are uncovered when and by what choice, and how a network is trained on them."""

    data: tuple[Path, ...] = setting("Labelled data sets: their split train, or rows without a split.", metavar="D...")
    out: Path = setting("Folder for the trainings and the curves.", metavar="DIR")
    test: tuple[Path, ...] = setting(
        "Data sets to measure on: their split test, or all rows.  [default: the split test of --data]",
        default=(),
        metavar="D...",
    )
    val: tuple[Path, ...] = setting(
        "Data sets that judge the epochs: their split val, or all rows.  [default: the split val of --data]",
        default=(),
        metavar="D...",
    )
    start: int = setting(
        "Labels to begin with, drawn at random, the same for every selection.", default=50, metavar="N"
    )
    budget: int = setting("Labels that each round adds.", default=50, metavar="N")
    rounds: int = setting("Rounds.", default=5, metavar="N")
    select: tuple[Literal["uncertainty", "diverse", "mixed", "random", "threshold", "verdict"], ...] = setting(
        "Selections to compare with random.  [default: uncertainty]", default=()
    )
    seeds: tuple[int, ...] = setting(
        "Each draws other first labels and trains otherwise.  [default: 0 1 2]", default=()
    )
    config: Path | None = setting(
        "Settings of `curate train --config` in a YAML file, whose stages name no data.", default=None, metavar="FILE"
    )
    network: str | None = setting("A network; `curate models` lists them.", default=None)
    input_size: str | None = setting("Height x width of the network's input.  [default: 224x224]", default=None)
    epochs: int | None = setting(
        "Rounds through the labels of each training.  [default: 60]", default=None, metavar="N"
    )

    def __post_init__(self) -> None:
        """Refuse what simulates nothing, and selections that would look at labels."""
        for name in ("start", "budget", "rounds"):
            if getattr(self, name) < 1:
                raise click.UsageError(f"--{name} {getattr(self, name)} simulates nothing; give 1 or more")
        for name, what in (("threshold", "mIoU"), ("verdict", "what is wrong with a label")):
            if name in self.select:
                told = f"--select {name} goes by {what}, and so would look at the labels that are hidden here"
                raise click.UsageError(f"{told}; choose of uncertainty, diverse, mixed")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise click.UsageError("--seeds must be different numbers, 0 or more")


def simulate(settings: SimulateFlags, *, run: RunOptions) -> Result:
    """Hide the labels of labelled data, uncover some by a selection, train, measure, and go on with more.

    Every selection is compared with random, from the same first labels. Leaves simulation.html with mIoU by number of
    labels, simulation.csv and .json, and each training. What a selection sees are images and predictions, never a
    label. The same command goes on where it was stopped; more rounds, seeds or selections can be added.

    \b
    Example:  curate simulate --data portraits --network unet_shufflenet --select uncertainty diverse --out simulation
    """
    from pipelines.simulation import simulated
    from pipelines.simulation_plan import claimed, planned_simulation
    from pipelines.simulation_results import write_results
    from pipelines.train import training_options

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
    return Result(summary="\n".join(lines), data=data)


def _result(told: dict[str, Any], *, simulation: Simulation) -> Result:
    from pipelines.simulation_results import CSV, PAGE

    failed = [(one["strategy"], seed, why) for one in told["strategies"] for seed, why in one["problems"].items()]
    lines = [
        *told.pop("lines"),
        *(f"ended early: {name}, seed {seed}: {why}" for name, seed, why in failed),
        f"look at it: {simulation.out / PAGE}; every point: {simulation.out / CSV}",
    ]
    return Result(summary="\n".join(lines), data=told, exit_code=DONE_WITH_QUARANTINE if failed else 0)
