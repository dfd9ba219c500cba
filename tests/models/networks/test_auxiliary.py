"""Auxiliary heads: beside a network and never in it, on features at stride 8, and none without a weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from curation.errors import ConfigurationProblem
from models.networks.auxiliary import LearningNetwork, learning_network, weight_of_heads
from models.networks.catalogue import build_network

WITH_A_HEAD = {
    "enet": 128,
    "fcn": 116,
    "fcn_dilated": 232,
    "portrait_fcn": 116,
    "unet_shufflenet": 24,
    "deeplab_shufflenet": 232,
    "sinet": 144,
    "deeplabv3plus": 32,
    "pspnet": 1024,
    "smp:unet:resnet18": 128,
    "smp:deeplabv3:resnet18": 256,
    "segformer": 64,
}
"""The channels that the head reads: where a backbone is dilated, of the stage before the last, as in PSPNet."""


def learning(name: str, *, weight: float | None, classes: int = 1) -> LearningNetwork:
    torch.manual_seed(0)
    return learning_network(build_network(name, classes=classes), name=name, classes=classes, auxiliary_weight=weight)


@pytest.mark.parametrize(("name", "channels"), WITH_A_HEAD.items())
def test_a_head_reads_features_at_stride_8_and_learns_with_them(name: str, channels: int) -> None:
    made = learning(name, weight=0.4, classes=3)
    assert made.head is not None
    assert made.head.layers[0].in_channels == channels
    sizes: list[tuple[int, ...]] = []
    made.head.layers.register_forward_hook(lambda _module, given, _made: sizes.append(tuple(given[0].shape[-2:])))
    images = torch.randn(2, 3, 64, 96)
    logits, auxiliary = made(images)
    assert sizes == [(8, 12)]
    assert logits.shape == auxiliary.shape == (2, 3, 64, 96)
    auxiliary.square().mean().backward()
    assert all(parameter.grad is not None for parameter in made.head.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in made.network.parameters())


@pytest.mark.parametrize("weight", [None, 0.0])
def test_without_a_weight_there_is_no_head_and_nothing_is_drawn(weight: float | None) -> None:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet")
    state = torch.get_rng_state()
    made = learning_network(network, name="unet_shufflenet", classes=1, auxiliary_weight=weight)
    assert torch.equal(torch.get_rng_state(), state)
    assert made.head is None
    assert len(made(torch.randn(1, 3, 64, 64))) == 1


def test_a_network_starts_alike_with_and_without_a_head_and_is_the_same_beside_it() -> None:
    plain, headed = learning("enet", weight=0.0), learning("enet", weight=0.4)
    own, other = plain.network.state_dict(), headed.network.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in own.items())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(headed.network.eval()(image), headed.eval()(image)[0])


def test_the_heads_of_bisenet_are_its_own() -> None:
    made = LearningNetwork(TwoHeads())
    assert len(made(torch.zeros(1, 3, 8, 8))) == 2
    assert weight_of_heads("bisenet", given=None) == 0.4
    assert weight_of_heads("enet", given=None) == 0.0
    assert weight_of_heads("bisenet", given=0.0) == 0.0


class TwoHeads(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :1]

    def forward_with_auxiliary(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return image[:, :1], image[:, 1:2]


def test_a_network_without_features_at_stride_8_is_refused() -> None:
    with pytest.raises(ConfigurationProblem, match="no features at stride 8") as caught:
        learning("smp:dpt:tu-vit_tiny_patch16_224", weight=0.4)
    assert "--auxiliary-weight" in caught.value.remedy
