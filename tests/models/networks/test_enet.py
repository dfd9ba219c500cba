from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from models.networks.cost import cost_of
from models.networks.enet import Doubling, Enet, Halving, unpooled


@pytest.mark.parametrize("size", [(8, 6), (7, 9), (1, 5)])
def test_unpooling_puts_maxima_back_as_torch_does(size: tuple[int, int]) -> None:
    features = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    pooled, places = F.max_pool2d(features, 2, ceil_mode=True, return_indices=True)
    expected = F.max_unpool2d(pooled, places, 2, output_size=size)
    assert torch.equal(unpooled(pooled, places=places, like=features), expected)


def test_unpooling_of_a_hand_worked_example() -> None:
    features = torch.tensor([[[[1.0, 2.0, 9.0], [4.0, 3.0, 5.0]]]])
    pooled, places = F.max_pool2d(features, 2, ceil_mode=True, return_indices=True)
    assert unpooled(10 * pooled, places=places, like=features).tolist() == [[[[0, 0, 90], [40, 0, 0]]]]


@pytest.mark.parametrize(("size", "half"), [((8, 6), (4, 3)), ((7, 9), (4, 5))])
def test_doubling_undoes_the_size_of_halving(size: tuple[int, int], half: tuple[int, int]) -> None:
    features = torch.randn(2, 16, *size)
    small, places = Halving(16, out_channels=64, dropout=0.0)(features)
    assert small.shape == (2, 64, *half)
    assert Doubling(64, out_channels=16)(small, places=places, like=features).shape == features.shape


def test_the_published_cost() -> None:
    """Paszke et al. 2016, table 2: 0.37 M parameters, 3.83 G operations at 640 x 360 (with norms and activations)."""
    cost = cost_of(Enet(20), input_size=(360, 640))
    assert round(cost.parameters / 1e6, 2) == 0.37
    assert 2 * cost.multiply_adds == pytest.approx(3.83e9, rel=0.1)
