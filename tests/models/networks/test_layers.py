from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from models.networks.layers import initialise, separable, upsampled


def test_enlarging_is_bilinear_between_pixel_centres() -> None:
    features = torch.tensor([[[[0.0, 8.0]]]])
    # Centres of 4 pixels over 2: at -1/4, 1/4, 3/4 and 5/4 of the way; outside, the border's value.
    assert upsampled(features, like=torch.zeros(1, 1, 1, 4)).tolist() == [[[[0, 2, 6, 8]]]]


@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_a_separable_convolution_keeps_the_size(dilation: int) -> None:
    layer = separable(4, out_channels=6, dilation=dilation)
    assert layer(torch.zeros(2, 4, 9, 14)).shape == (2, 6, 9, 14)
    assert sum(p.numel() for p in layer.parameters()) == 9 * 4 + 2 * 4 + 4 * 6 + 2 * 6


def test_initialising_keeps_the_variance_of_the_gradient() -> None:
    """From 4 channels to 128: an initialisation that kept that of the features would raise the gradient's 32 times."""
    torch.manual_seed(0)
    widths = (4, 8, 16, 32, 64, 128)
    layers = [nn.Conv2d(few, many, 3, padding=1, bias=False) for few, many in pairwise(widths)]
    network = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))
    initialise(network)
    image = torch.randn(2, 4, 48, 48).requires_grad_()
    output = network(image)
    sent = torch.randn_like(output)
    output.backward(sent)
    assert image.grad is not None
    assert 1 / 3 < (image.grad.var() / sent.var()).item() < 3


@pytest.mark.parametrize("head", [nn.Conv2d(64, 1, 1), nn.ConvTranspose2d(64, 1, 2, stride=2)])
def test_a_head_of_one_class_begins_with_small_logits(head: nn.Module) -> None:
    """Features of a batch norm with a ReLU have a mean square of 1/2, and weights of 2 / n double it at most."""
    torch.manual_seed(0)
    initialise(head)
    logits = head(torch.randn(4, 64, 32, 32).relu())
    assert 1 / 6 < logits.square().mean().item() < 3
