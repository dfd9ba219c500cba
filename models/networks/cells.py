"""The mean over the cells of a grid that divides an image unevenly, in operations that every exporter knows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.padding import fixed_size


class MeanOfCells(nn.Module):
    """Adaptive average pooling as two products of matrices: graphs for export have no pool with uneven cells."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, c, cells, cells) float of features (n, c, h, w)."""
        height, width = fixed_size(features)
        rows = shares(height, cells=self.cells).to(features)
        columns = shares(width, cells=self.cells).to(features)
        return rows @ features @ columns.T


def shares(length: int, *, cells: int) -> Tensor:
    """Return (cells, length): by how much each place counts for each cell; cells overlap where they do not divide it.

    >>> shares(3, cells=2)
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.5000, 0.5000]])
    """
    weights = torch.zeros(cells, length)
    for cell in range(cells):
        first, end = cell * length // cells, -(-(cell + 1) * length // cells)
        weights[cell, first:end] = 1 / (end - first)
    return weights


class PyramidLevel(nn.Module):
    """One level of pyramid pooling: the mean over cells, convolved, and brought back to the size of the features."""

    def __init__(self, cells: int, *, convolved: nn.Module) -> None:
        super().__init__()
        self.pooled = MeanOfCells(cells)
        self.convolved = convolved

    def forward(self, features: Tensor) -> Tensor:
        """Return (n, c, h, w) float at the size of the features."""
        seen = self.convolved(self.pooled(features))
        return nn.functional.interpolate(seen, size=features.shape[-2:], mode="bilinear", align_corners=True)
