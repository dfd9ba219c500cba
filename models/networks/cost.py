"""What a network costs: parameters, multiply-adds at a size, and time on this CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

WARM_UP_RUNS = 2
"""The first runs choose kernels and allocate; the paging of weights is none of the network's cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The parameters of a network, and the multiply-adds of one image.

    Counted are convolutions, transposed convolutions, linear layers and products of matrices (attention). Batch norms,
    activations and interpolation are left out, as is usual; some counters add them, which makes light networks some per
    cent dearer.
    """

    parameters: int
    multiply_adds: int


def cost_of(network: nn.Module, *, input_size: tuple[int, int]) -> Cost:
    """Return what a network costs for one image of `input_size` (height, width) in pixels."""
    with in_evaluation(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(an_image(network, input_size=input_size))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    # One multiply-add is counted as two operations.
    return Cost(parameters=parameters, multiply_adds=counter.get_total_flops() // 2)


def latency_ms(
    network: nn.Module, *, input_size: tuple[int, int], repeats: int = 10, threads: int | None = None
) -> float:
    """Return the median milliseconds of one image (batch 1) through torch, on the device where the network is.

    `threads` are those of torch during the measurement; None leaves them at `torch.get_num_threads()`. A figure means
    nothing without their number, so state it.
    """
    with in_evaluation(network), with_threads(threads), torch.inference_mode():
        image = an_image(network, input_size=input_size)
        for _ in range(WARM_UP_RUNS):
            network(image)
        return 1000 * statistics.median(seconds(network, image=image) for _ in range(repeats))


def seconds(network: nn.Module, *, image: torch.Tensor) -> float:
    """Return the seconds that a forward pass of an image (1, 3, h, w) float takes, until a GPU has finished it."""
    started = time.perf_counter()
    network(image)
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
    return time.perf_counter() - started


def an_image(network: nn.Module, *, input_size: tuple[int, int]) -> torch.Tensor:
    """Return a grey image (1, 3, h, w) where the network is."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return torch.zeros(1, 3, *input_size, device=device)


@contextmanager
def in_evaluation(network: nn.Module) -> Iterator[None]:
    """Run a network as in prediction, so that looking at its cost does not change its batch norms."""
    was_training = {name: module.training for name, module in network.named_modules()}
    network.eval()
    try:
        yield
    finally:
        for name, module in network.named_modules():
            module.training = was_training[name]


@contextmanager
def with_threads(threads: int | None) -> Iterator[None]:
    """Give torch a number of threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
