from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.networks.cost import cost_of
from models.networks.deeplab_shufflenet import DeepLabShuffleNet, PyramidPooling


@pytest.mark.parametrize("classes", [1, 2])
def test_it_costs_what_practitioners_report(classes: int) -> None:
    cost = cost_of(DeepLabShuffleNet(classes), input_size=(224, 224))
    assert cost.parameters == pytest.approx(965.49e3, rel=0.1)
    assert cost.multiply_adds == pytest.approx(743.37e6, rel=0.1)


def test_context_is_at_stride_8_and_the_decision_at_stride_2() -> None:
    network = DeepLabShuffleNet(1)
    sizes = []

    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        sizes.append(tuple(output.shape[-2:]))

    network.context.register_forward_hook(note)
    network.head.register_forward_hook(note)
    network(torch.zeros(2, 3, 96, 128))
    assert sizes == [(12, 16), (48, 64)]


def test_pyramid_pooling_trains_on_a_single_image() -> None:
    """The average over the image is one pixel, of which a batch norm knows no variance."""
    pooling = PyramidPooling(8, out_channels=4).train()
    assert pooling(torch.randn(1, 8, 5, 7)).shape == (1, 4, 5, 7)


def test_every_pixel_sees_the_whole_image() -> None:
    pooling = PyramidPooling(8, out_channels=4).eval()
    features = torch.rand(1, 8, 40, 40).requires_grad_()
    pooling(features)[0, :, 0, 0].sum().backward()
    assert features.grad is not None
    assert features.grad[0, :, -1, -1].abs().sum() > 0
