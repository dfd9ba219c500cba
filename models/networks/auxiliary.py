"""A network while it learns: its logits, and those of heads that only help to learn.

An auxiliary head reads classes out of features at stride 8 on their way through the network, so that these learn from a
loss that is near. Source: Zhao et al. 2017, Pyramid Scene Parsing Network, section 3.3 and figure 4, for the head.
It stands beside the network and not in it: what is published, exported and counted is the network alone.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor, nn

from curation.errors import ConfigurationProblem
from models.networks.alpha.alpha_network import AlphaNetwork
from models.networks.catalogue import network_named
from models.networks.cost import in_evaluation
from models.networks.layers import initialise, upsampled

STRIDE: Final = 8
OWN_WEIGHT: Final = 0.4
"""Of heads that a network has itself, where no weight is given. Source: Zhao et al. 2017, section 3.3."""
TRIAL_SIZE: Final = (256, 320)
"""Large and divisible enough that no network pads it."""
DROPOUT: Final = 0.1
REDUCTION: Final = 4
LEAST_CHANNELS: Final = 16


class LearningNetwork(nn.Module):
    """A network with its auxiliary heads: those that it has itself, or one on the features of a part of it."""

    def __init__(self, network: nn.Module, *, head: AuxiliaryHead | None = None) -> None:
        super().__init__()
        self.network = network
        self.head = head

    def forward(
        self, image: Tensor, trimap: Tensor | None = None, only_trimap: bool = False, *, place: Tensor | None = None
    ) -> Any:
        """Return the logits, then those of each auxiliary head, all (n, classes, h, w) at the size of the image.

        `place` is for a network that takes it. Of an alpha network return its parts; trimaps are for it alone.
        """
        given = (image,) if place is None else (image, place)
        if isinstance(self.network, AlphaNetwork):
            return self.network.parts(image, trimap, only_trimap=only_trimap)
        if self.head is not None:
            return self.head.beside(self.network, given)
        if hasattr(self.network, "forward_with_auxiliary"):
            with_heads: Any = self.network.forward_with_auxiliary
            outputs: tuple[Tensor, ...] = with_heads(image)
            return outputs
        return (self.network(*given),)


class AuxiliaryHead(nn.Module):
    """Reads classes out of what the part `tapped` of a network gives, where that is number `index` of its features."""

    def __init__(self, channels: int, *, classes: int, tapped: str, index: int) -> None:
        super().__init__()
        self.tapped = tapped
        self.index = index
        inner = max(LEAST_CHANNELS, channels // REDUCTION)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, inner, 3, padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Dropout2d(DROPOUT),
            nn.Conv2d(inner, classes, 1),
        )
        initialise(self)

    def beside(self, network: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Return logits (n, classes, h, w) of a network, to which an image (n, 3, h, w) is given, and of this head."""
        logits, features = _run(network, tapped=self.tapped, given=given)
        return logits, upsampled(self.layers(features[self.index]), like=given[0])


def learning_network(network: nn.Module, *, name: str, classes: int, auxiliary_weight: float | None) -> LearningNetwork:
    """Return a network as it learns, with a new head where the weight of auxiliary heads is above 0.

    Random numbers are drawn for a head alone. Raises ConfigurationProblem where no features are at stride 8.
    """
    known = network_named(name)
    if known.has_heads or not auxiliary_weight:
        return LearningNetwork(network)
    with in_evaluation(network), torch.no_grad():
        _, features = _run(network, tapped=known.tapped, given=(torch.zeros(1, 3, *TRIAL_SIZE),))
    wanted = tuple(math.ceil(side / STRIDE) for side in TRIAL_SIZE)
    found = [index for index, feature in enumerate(features) if _is_map(feature) and feature.shape[-2:] == wanted]
    if not found:
        raise ConfigurationProblem(
            f"{name} has no features at stride {STRIDE} for an auxiliary head",
            remedy="leave out --auxiliary-weight, or choose another network",
        )
    # the deepest features have the loss of the network itself near them
    deepest = len(features) - 1
    index = found[-2] if len(found) > 1 and found[-1] == deepest else found[-1]
    head = AuxiliaryHead(features[index].shape[1], classes=classes, tapped=known.tapped, index=index)
    return LearningNetwork(network, head=head)


def weight_of_heads(name: str, *, given: float | None) -> float:
    """Return what auxiliary heads count in the loss of a network of this name."""
    return given if given is not None else OWN_WEIGHT if network_named(name).has_heads else 0.0


def _is_map(feature: Any) -> bool:
    """Tell whether this is (n, c, h, w); transformers give tokens too."""
    return isinstance(feature, Tensor) and feature.ndim == 4


def _run(network: nn.Module, *, tapped: str, given: tuple[Tensor, ...]) -> tuple[Tensor, list[Any]]:
    """Return logits (n, classes, h, w), and what a part of the network gave on the way to them."""
    seen: list[Any] = []
    hook = network.get_submodule(tapped).register_forward_hook(lambda _module, _given, made: seen.append(made))
    try:
        logits: Tensor = network(*given)
    finally:
        hook.remove()
    return logits, list(seen[-1]) if isinstance(seen[-1], list | tuple) else [seen[-1]]
