"""Averaged weights: those of the last steps, which wander less than the weights of the last step alone."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

FIRST_STEPS = 10
"""While few steps were taken, the average follows closely: else it would still hold the random start."""


class AveragedWeights:
    """An exponential moving average of a network's parameters and buffers, as a network of its own.

    Source: Tarvainen and Valpola 2017, "Mean teachers are better role models", section 3.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, *, step: int) -> None:
        """Take in the weights after optimizer step number `step` (1 is the first)."""
        decay = min(self.decay, step / (step + FIRST_STEPS))
        own, new = self._tensors(self.network), self._tensors(network)
        for mine, theirs in zip(own, new, strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs.to(mine.dtype), 1 - decay)
            else:
                mine.copy_(theirs)

    @staticmethod
    def _tensors(network: nn.Module) -> list[Tensor]:
        return list(network.state_dict().values())
