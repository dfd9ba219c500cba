"""The networks beside each other: what each is, and what it costs at one size on this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from models.networks.cost import cost_of, latency_ms
from models.networks.registry import build_network, network_named

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
    """Give what is known of a network with 1 class, and what it costs for an image of `size` (height, width)."""
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


def is_busy() -> bool:
    """Say whether more is running here than there are processors, so that what is measured is too long."""
    return os.getloadavg()[0] > len(os.sched_getaffinity(0))


def processor() -> str:
    """Give the name of the processor as its maker says it, or at least its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
