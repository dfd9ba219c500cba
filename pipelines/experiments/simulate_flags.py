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
    start: int | None = setting(
        "Labels to begin with, drawn at random, the same for every selection.  [default: 50]", default=None, metavar="N"
    )
    budget: int = setting("Labels that each round adds, or corrects.", default=50, metavar="N")
    rounds: int = setting("Rounds.", default=5, metavar="N")
    select: tuple[Literal["uncertainty", "views", "diverse", "mixed", "random", "threshold", "verdict"], ...] = setting(
        "Selections to compare with random.  [default: uncertainty; with --wrong: verdict]", default=()
    )
    teacher: tuple[Path, ...] = setting(
        "Strong models: their labels stand for hidden ones in threshold and verdict; with --wrong they judge labels.",
        default=(),
        metavar="M",
    )
    wrong: float | None = setting(
        "Hide no label, but make this share of them wrong; one that is chosen is looked at, and right from then on.",
        default=None,
        metavar="SHARE",
    )
    seeds: tuple[int, ...] = setting(
        "Each seed draws other first, or wrong, labels and other initial weights.  [default: 0 1 2]", default=()
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
            if (value := getattr(self, name)) is not None and value < 1:
                raise click.UsageError(f"--{name} {value} simulates nothing; give 1 or more")
        if self.wrong is not None:
            if not 0 < self.wrong < 1:
                raise click.UsageError(f"--wrong {self.wrong:g} is not between 0 and 1")
            if self.start is not None:
                raise click.UsageError("--start is for hidden labels; with --wrong all labels are there from the start")
        for name, what in (("threshold", "mIoU"), ("verdict", "what is wrong with a label")):
            if name in self.select and self.wrong is None and not self.teacher:
                told = f"--select {name} goes by {what}, and so would use the labels that are hidden here"
                others = "choose of uncertainty, views, diverse, mixed"
                raise click.UsageError(f"{told}; give --teacher M, by whose labels it then goes, or {others}")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds, default=0) < 0:
            raise click.UsageError("--seeds must be different numbers, 0 or more")
