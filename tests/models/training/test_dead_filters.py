from __future__ import annotations

import torch
from torch import nn

from models.training.dead_filters import dead_filters


def test_filters_and_scales_that_died_are_counted_by_layer() -> None:
    """Of ten filters two are 0 and a ten-thousandth of the others; one at a hundredth lives. Of scales one died."""
    network = nn.Sequential(
        nn.Conv2d(3, 10, 3), nn.BatchNorm2d(10), nn.ConvTranspose2d(10, 4, 2, groups=2), nn.Conv2d(4, 1, 1)
    )
    convolution, norm, transposed, head = network
    with torch.no_grad():
        convolution.weight.fill_(0.5)
        convolution.weight[2] = 0
        convolution.weight[5] *= 1e-4
        convolution.weight[7] *= 1e-2
        norm.weight.fill_(-1.0)
        norm.weight[3] = 1e-5
        transposed.weight.fill_(1.0)
        transposed.weight[5:, 1] = 0  # of the second group the second filter, number 3 of all
        head.weight.fill_(1e-9)
    assert dead_filters(network) == {
        "filters": 15,
        "dead_filters": 3,
        "scales": 10,
        "dead_scales": 1,
        "filters_of_layers": {
            "0": {"all": 10, "dead": 2},
            "2": {"all": 4, "dead": 1},
            "3": {"all": 1, "dead": 0},
        },
        "scales_of_layers": {"1": {"all": 10, "dead": 1}},
    }


def test_where_most_of_a_layer_is_zero_those_are_dead() -> None:
    network = nn.Conv2d(1, 5, 1)
    with torch.no_grad():
        network.weight.zero_()
        network.weight[0] = 1.0
    assert dead_filters(network)["dead_filters"] == 4
