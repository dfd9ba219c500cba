"""Which labels are hidden and uncovered, and how networks are trained on them: the flags of `curate simulate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from pipelines.command_line.options import setting


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
        "Data sets to validate on: their split val, or all rows.  [default: the split val of --data]",
        default=(),
        metavar="D...",
    )
    start: int = setting(
        "Labels to begin with, drawn at random, the same for every selection.", default=50, metavar="N"
    )
    budget: int = setting("Labels that each round adds.", default=50, metavar="N")
    rounds: int = setting("Rounds.", default=5, metavar="N")
    select: tuple[Literal["uncertainty", "views", "diverse", "mixed", "random", "threshold", "verdict"], ...] = setting(
        "Selections to compare with random.  [default: uncertainty]", default=()
    )
    seeds: tuple[int, ...] = setting(
        "Each seed draws other first labels and other initial weights.  [default: 0 1 2]", default=()
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
                told = f"--select {name} goes by {what}, and so would use the labels that are hidden here"
                raise click.UsageError(f"{told}; choose of uncertainty, views, diverse, mixed")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise click.UsageError("--seeds must be different numbers, 0 or more")
