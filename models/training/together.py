"""Processes that train together, on one machine or on several: how they start, and what is said when one is lost."""

from __future__ import annotations

import logging
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
    """Start all processes of a training, and give each its link to the others."""
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
    return fabric


@contextmanager
def telling_of_loss(fabric: Fabric) -> Iterator[None]:
    """Raise EnvironmentProblem where another process ended inside the block that this one waits for."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(word in str(error) for word in LINKS):
            raise
        raise EnvironmentProblem(
            "another process that trained with this one has ended",
            remedy="see what ended it, memory for instance; then run the same command again, it goes on where it was",
        ) from error
