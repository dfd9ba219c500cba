from __future__ import annotations

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from models.networks.cells import MeanOfCells


@pytest.mark.parametrize("cells", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(8, 12), (5, 7), (6, 6), (4, 3)])
def test_cells_are_those_of_adaptive_average_pooling(cells: int, size: tuple[int, int]) -> None:
    features = torch.randn(2, 5, *size)
    torch.testing.assert_close(MeanOfCells(cells)(features), adaptive_avg_pool2d(features, cells))
