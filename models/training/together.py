"""Processes that train together, on one machine or on several: how they start, and what is said when one is lost."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lightning.fabric import Fabric

from curation.errors import EnvironmentProblem

if TYPE_CHECKING:
    from models.training.runs import RunOptions
    from models.training.settings import Precision

LINKS: Final = ("gloo", "NCCL", "Connection")
"""One of these stands in what torch says of a process that it does not reach any more."""


def launched(options: RunOptions, *, precision: Precision) -> Fabric:
    """Start all processes of a training, and give each its link to the others. The first tells the result for all."""
    for name in ("lightning.fabric", "lightning.pytorch"):  # either may greet in the name of every process
        logging.getLogger(name).setLevel(logging.ERROR)
    fabric = Fabric(
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.nodes,
        strategy="ddp" if options.devices * options.nodes > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    if not fabric.is_global_zero:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return fabric


@contextmanager
def telling_of_loss(fabric: Fabric) -> Iterator[None]:
    """Raise EnvironmentProblem in the first process where another ended that it waits for; the rest leave in silence.

    A process that ends for a reason of its own has told that before.
    """
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(word in str(error) for word in LINKS):
            raise
        if not fabric.is_global_zero:
            raise SystemExit(EnvironmentProblem.exit_code) from error
        raise EnvironmentProblem(
            "another process that trained with this one has ended",
            remedy="see what it said, or what ended it, such as too little memory; then run the same command again, it "
            "goes on where it was",
        ) from error
