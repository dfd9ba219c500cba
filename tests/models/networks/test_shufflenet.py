from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x1_0

from models.networks.cost import cost_of
from models.networks.imagenet import take_shufflenet
from models.networks.shufflenet import Dimensions, ShuffleNet, ShuffleUnit, channels_shuffled


def warmed_up(network: nn.Module) -> nn.Module:
    """Return a network whose batch norms are no identity, ready to predict."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                assert tensor is not None
                tensor.data.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
    return network.eval()


def image(height: int, width: int, *, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("channels", "groups"), [(12, 2), (12, 3), (8, 8)])
def test_shuffling_deals_channels_out_by_group(channels: int, groups: int) -> None:
    features = image(2, 3, channels=channels)
    shuffled = channels_shuffled(features, groups=groups)
    assert torch.equal(shuffled, nn.functional.channel_shuffle(features, groups))
    size = channels // groups
    for place in range(channels):
        member, group = divmod(place, groups)
        assert torch.equal(shuffled[:, place], features[:, group * size + member])


def test_a_unit_of_24_channels_costs_what_is_worked_out_by_hand() -> None:
    # On 12 of the 24: 1 x 1, 3 x 3 of each channel, 1 x 1; and a scale and a shift behind each of the three.
    weights = 12 * 12 + 9 * 12 + 12 * 12
    cost = cost_of(nn.Sequential(nn.Conv2d(3, 24, 1), ShuffleUnit(24, out_channels=24)), input_size=(10, 12))
    assert cost.parameters == (3 * 24 + 24) + weights + 3 * 2 * 12
    assert cost.multiply_adds == 120 * (3 * 24 + weights)


def test_half_of_the_channels_pass_a_unit_unchanged() -> None:
    features = image(6, 7, channels=8)
    assert torch.equal(ShuffleUnit(8, out_channels=8)(features)[:, ::2], features[:, :4])


@pytest.mark.parametrize(("stride", "expected"), [(1, (9, 14)), (2, (5, 7))])
def test_a_unit_that_changes_channels_halves_with_rounding_up(stride: int, expected: tuple[int, int]) -> None:
    assert ShuffleUnit(6, out_channels=10, stride=stride)(image(9, 14, channels=6)).shape == (2, 10, *expected)


def test_a_unit_needs_an_even_number_of_channels() -> None:
    with pytest.raises(ValueError, match="7 channels"):
        ShuffleUnit(4, out_channels=7)


def test_the_backbone_is_torchvisions_without_its_classifier() -> None:
    theirs = warmed_up(shufflenet_v2_x1_0(weights=None))
    ours = ShuffleNet(Dimensions()).eval()
    take_shufflenet(ours, state=theirs.state_dict())
    expected = [image(65, 90)]
    for name in ("conv1", "maxpool", "stage2", "stage3", "stage4"):
        expected.append(getattr(theirs, name)(expected[-1]))
    for given, wanted in zip(ours(image(65, 90)), expected[1:], strict=True):
        torch.testing.assert_close(given, wanted)
    classifier = [*theirs.conv5.parameters(), *theirs.fc.parameters()]
    published = 2_278_604
    assert sum(p.numel() for p in [*ours.parameters(), *classifier]) == published


def test_more_channels_than_rgb_begin_without_effect() -> None:
    theirs = warmed_up(shufflenet_v2_x1_0(weights=None))
    rgb, wider = ShuffleNet(Dimensions()).eval(), ShuffleNet(Dimensions(), in_channels=6).eval()
    take_shufflenet(rgb, state=theirs.state_dict())
    take_shufflenet(wider, state=theirs.state_dict())
    seen = torch.cat((image(64, 64), 100 * image(64, 64)), dim=1)
    torch.testing.assert_close(wider(seen)[-1], rgb(image(64, 64))[-1])


@pytest.mark.parametrize(("output_stride", "strides"), [(8, (8, 8, 8)), (16, (8, 16, 16)), (32, (8, 16, 32))])
def test_a_dilated_backbone_stays_at_its_stride(output_stride: int, strides: tuple[int, int, int]) -> None:
    features = ShuffleNet(Dimensions(output_stride=output_stride))(image(64, 96))  # type: ignore[arg-type]
    assert [tuple(level.shape[-2:]) for level in features] == [
        (64 // stride, 96 // stride) for stride in (2, 4, *strides)
    ]


@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_dilated_backbone_computes_the_ordinary_one_between_its_pixels_too(output_stride: int) -> None:
    """The law of the algorithme a trous: every so many pixels it gives what the halving backbone gives."""
    ordinary = warmed_up(ShuffleNet(Dimensions(widths=(6, 8, 12, 16), units=(2, 2, 2))))
    dilated = ShuffleNet(Dimensions(widths=(6, 8, 12, 16), units=(2, 2, 2), output_stride=output_stride))  # type: ignore[arg-type]
    dilated.load_state_dict(ordinary.state_dict())
    step = 32 // output_stride
    dense = dilated.eval()(image(96, 128))[-1]
    torch.testing.assert_close(dense[..., ::step, ::step], ordinary(image(96, 128))[-1])
