from __future__ import annotations

import torch
from torch import nn

from models.networks.fcn import Fcn, FcnDilated


def sizes_of_scores(network: nn.Module, *, names: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Return the height and width of what some layers score, for an image of 64 x 96."""
    sizes = []
    for name in names:
        layer = network.get_submodule(name)
        layer.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[-2:])))
    network.eval()(torch.zeros(1, 3, 64, 96))
    return sorted(sizes)


def test_fcn_scores_at_strides_32_16_and_8() -> None:
    sizes = sizes_of_scores(Fcn(1), names=("score_32", "score_16", "score_8"))
    assert sizes == [(2, 3), (4, 6), (8, 12)]


def test_the_dilated_network_scores_at_stride_8_alone() -> None:
    assert sizes_of_scores(FcnDilated(1), names=("score",)) == [(8, 12)]


def test_the_scores_of_fcn_are_added() -> None:
    network = Fcn(1).eval()
    for score, value in ((network.score_32, 1.0), (network.score_16, 20.0), (network.score_8, 300.0)):
        nn.init.zeros_(score.weight)
        nn.init.constant_(score.bias, value)
    torch.testing.assert_close(network(torch.randn(1, 3, 33, 64)), torch.full((1, 1, 33, 64), 321.0))
