"""The networks beside each other: what each is, and what it costs at one size on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from models.machine import is_busy as is_busy
from models.machine import processor
from models.networks.catalogue import build_network, network_named
from models.networks.cost import cost_of, latency_ms

REPEATS: Final = 5
THREADS: Final = 1
"""Comparable between machines, and hardly disturbed by other work: several threads wait for the slowest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A network: what it is, the size at which its source uses it, and its cost at the size that was asked for.

    Sizes are (height, width) in pixels. `milliseconds` are those of one image in torch, None where not measured.
    """

    name: str
    meaning: str
    source: str
    input_size: tuple[int, int]
    parameters: int
    multiply_adds: int
    milliseconds: float | None


def described(name: str, *, size: tuple[int, int], with_latency: bool) -> Description:
    """Return what is known of a network with 1 class, and what it costs for an image of `size` (height, width)."""
    known = network_named(name)
    network = build_network(name)
    cost = cost_of(network, input_size=size)
    return Description(
        name=name,
        meaning=known.meaning,
        source=known.source,
        input_size=known.input_size,
        parameters=cost.parameters,
        multiply_adds=cost.multiply_adds,
        milliseconds=latency_ms(network, input_size=size, repeats=REPEATS, threads=THREADS) if with_latency else None,
    )


def machine() -> str:
    """Say on what time is measured here: torch, its threads, and the processor."""
    return f"torch {torch.__version__}, {THREADS} thread of {processor()}"
