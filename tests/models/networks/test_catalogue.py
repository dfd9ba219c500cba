from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from curation.errors import ConfigurationProblem
from models.networks.catalogue import NETWORKS, build_network

WRITTEN_HERE = ("unet_shufflenet", "deeplab_shufflenet", "enet", "fcn", "fcn_dilated", "portrait_fcn")


@pytest.fixture(params=WRITTEN_HERE, scope="module")
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return build_network(request.param, classes=3)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(97, 130), (33, 64), (32, 32), (64, 65)])
def test_logits_have_the_size_of_the_image(network: nn.Module, size: tuple[int, int]) -> None:
    logits = network.train()(noise(2, 3, *size))
    assert logits.shape == (2, 3, *size)
    assert logits.isfinite().all()


def test_gradients_reach_every_parameter(network: nn.Module) -> None:
    network.train().zero_grad()
    network(noise(2, 3, 64, 96)).square().mean().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_prediction_of_an_image_depends_on_nothing_else(network: nn.Module) -> None:
    """Not on the images beside it, nor on chance, nor on what was predicted before."""
    images = noise(3, 3, 64, 80)
    with torch.no_grad():
        together = network.eval()(images)
        assert torch.equal(network(images), together)
        for image, logits in zip(images, together, strict=True):
            torch.testing.assert_close(network(image[None])[0], logits, rtol=1e-3, atol=1e-4)


def test_an_unknown_network_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigurationProblem, match="there is no network 'unet_shuffle'") as refused:
        build_network("unet_shuffle")
    assert all(name in refused.value.remedy for name in NETWORKS)
