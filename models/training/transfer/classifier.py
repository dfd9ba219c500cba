"""A network whose encoder learns to tell the classes of photographs apart, before it learns to segment."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from curation.errors import ConfigurationProblem
from models.networks.catalogue import network_named
from models.networks.cost import in_evaluation

TRIAL_SIZE: Final = (128, 128)
DROPOUT: Final = 0.1


class Classifier(nn.Module):
    """The encoder of a network and, behind the mean of its deepest features, one linear layer.

    What is not the encoder takes no part, and keeps its weights and statistics.
    """

    def __init__(self, network: nn.Module, *, channels: int, classes: int) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(channels, classes))

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """Return logits (n, classes) of images (n, 3, h, w) float."""
        return (self.head(deepest_features(self.network, image).mean(dim=(2, 3))),)


def classifier_of(network: nn.Module, *, name: str, classes: int, seed: int) -> Classifier:
    """Return a network with a new layer that classifies; of the network, its encoder alone learns.

    The layer is the same for the same seed. Raises ConfigurationProblem where the network has no encoder of its own.
    """
    parts = network_named(name).encoder
    with in_evaluation(network), torch.no_grad():
        device = next(network.parameters()).device
        try:
            features = deepest_features(network, torch.zeros(1, 3, *TRIAL_SIZE, device=device))
        except AttributeError as error:
            raise ConfigurationProblem(
                f"{name} has no encoder of its own that could learn to classify",
                remedy="leave out the stage of kind: classification, or choose another network",
            ) from error
    for parameter_name, parameter in network.named_parameters():
        if not any(parameter_name.startswith(f"{part}.") for part in parts):
            parameter.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(network, channels=features.shape[1], classes=classes)


def deepest_features(network: nn.Module, image: Tensor) -> Tensor:
    """Return what the encoder of a network makes of images (n, 3, h, w) float last, (n, channels, h / s, w / s)."""
    if hasattr(network, "deepest_features"):
        own: Any = network.deepest_features
        found: Tensor = own(image)
        return found
    encoder: Any = network.encoder
    features: Tensor = encoder(image)[-1]
    return features
