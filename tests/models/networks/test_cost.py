from __future__ import annotations

from math import prod

import pytest
import torch
from torch import Tensor, nn

from models.networks import cost
from models.networks.catalogue import build_network
from models.networks.cost import Cost, cost_of, latency_ms


@pytest.mark.parametrize(
    ("network", "parameters", "multiply_adds"),
    [
        # 8 filters of 3 x 3 x 3 with a bias, at 10 x 12
        (nn.Conv2d(3, 8, 3, padding=1), 8 * 27 + 8, 120 * 8 * 27),
        # stride 2 quarters the pixels
        (nn.Conv2d(3, 8, 3, padding=1, stride=2, bias=False), 8 * 27, 30 * 8 * 27),
        # each channel by itself: 9 a pixel and channel
        (nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False), 27, 120 * 27),
        # every pixel of the input is spread over 2 x 2 of the output
        (nn.ConvTranspose2d(3, 5, 2, stride=2, bias=False), 3 * 5 * 4, 120 * 3 * 5 * 4),
        (nn.Sequential(nn.Flatten(), nn.Linear(360, 7)), 360 * 7 + 7, 360 * 7),
        # left out, as is usual
        (nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Upsample(scale_factor=2)), 6, 0),
    ],
)
def test_a_layer_costs_what_is_worked_out_by_hand(network: nn.Module, parameters: int, multiply_adds: int) -> None:
    assert cost_of(network, input_size=(10, 12)) == Cost(parameters=parameters, multiply_adds=multiply_adds)


def test_a_product_of_matrices_costs_its_rows_columns_and_depth() -> None:
    class Attention(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            rows = image.flatten(2)
            return rows @ rows.transpose(1, 2)

    assert cost_of(Attention(), input_size=(4, 5)) == Cost(parameters=0, multiply_adds=3 * 3 * 20)


def counted_by_hooks(network: nn.Module, *, size: tuple[int, int]) -> int:
    """Return the multiply-adds that each layer says of itself: weights times the pixels on which they stand."""
    total = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight = module.weight
        assert isinstance(weight, Tensor)
        where = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        total.append(weight.numel() * prod(where.shape[2:]))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network.eval()(torch.zeros(1, 3, *size))
    for hook in hooks:
        hook.remove()
    return sum(total)


@pytest.mark.parametrize(
    "name", ["unet_shufflenet", "deeplab_shufflenet", "enet", "fcn", "fcn_dilated", "portrait_fcn"]
)
def test_two_ways_of_counting_agree(name: str) -> None:
    network = build_network(name)
    assert cost_of(network, input_size=(65, 90)).multiply_adds == counted_by_hooks(network, size=(65, 90))


def test_looking_at_the_cost_changes_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    network[2].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    cost_of(network, input_size=(8, 8))
    latency_ms(network, input_size=(8, 8), repeats=1)
    assert [module.training for module in network] == [True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_latency_is_the_median_and_counts_no_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.004, 0.9, 0.002])
    monkeypatch.setattr(cost, "seconds", lambda *_, **__: next(times))
    assert latency_ms(nn.Conv2d(3, 1, 1), input_size=(8, 8), repeats=3) == 4


def test_latency_is_measured_with_the_threads_that_were_asked_for() -> None:
    seen = []

    class Watching(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return image

    assert latency_ms(Watching(), input_size=(8, 8), repeats=1, threads=2) > 0
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1
