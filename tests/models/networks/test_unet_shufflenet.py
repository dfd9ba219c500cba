from __future__ import annotations

import pytest
import torch

from models.networks.cost import cost_of
from models.networks.unet_shufflenet import UnetShuffleNet


@pytest.mark.parametrize("classes", [1, 2])
def test_it_costs_what_practitioners_report(classes: int) -> None:
    cost = cost_of(UnetShuffleNet(classes), input_size=(224, 224))
    assert cost.parameters == pytest.approx(79.54e3, rel=0.1)
    assert cost.multiply_adds == pytest.approx(24.44e6, rel=0.1)


def test_it_decides_at_stride_4() -> None:
    network = UnetShuffleNet(1)
    sizes = []
    network.head.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape)))
    network(torch.zeros(2, 3, 96, 128))
    assert sizes == [(2, 1, 24, 32)]
