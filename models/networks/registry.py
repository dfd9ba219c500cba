"""The networks by name: where each is built, from which paper, and at which size it is usually trained."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from curation.errors import ConfigurationProblem

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Where a network is built, and what a user should know to choose it.

    `builder` names a function `(*, classes: int, with_imagenet: bool) -> nn.Module` in `module`. `input_size` is
    (height, width) in pixels, as in the source.
    """

    module: str
    builder: str
    meaning: str
    source: str
    input_size: tuple[int, int]


NETWORKS: Final[dict[str, Network]] = {}


def network_named(name: str) -> Network:
    """Give what is known of a network; raises ConfigurationProblem that lists the names when there is none."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise ConfigurationProblem(
            f"there is no network {name!r}", remedy=f"choose one of: {', '.join(NETWORKS)}"
        ) from None


def build_network(name: str, *, classes: int = 1, with_imagenet: bool = False) -> nn.Module:
    """Give a network with random weights, or with a backbone that was trained on ImageNet where one is published.

    Its contract: `forward(image)` takes (n, 3, h, w) float32, normalised, of any h and w from 32 pixels on, and gives
    logits (n, classes, h, w); with 1 class the logit of person, with 3 those of background, unknown and foreground.
    A network with auxiliary heads also has `forward_with_auxiliary(image) -> tuple[Tensor, ...]`: the same logits
    first, then those of each head at the size of the image.
    Raises ConfigurationProblem: no such network, no such weights, or no way to fetch them.
    """
    network = network_named(name)
    module: nn.Module = getattr(importlib.import_module(network.module), network.builder)(
        classes=classes, with_imagenet=with_imagenet
    )
    return module
