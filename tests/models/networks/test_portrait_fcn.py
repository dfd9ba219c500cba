from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.networks.portrait_fcn import PortraitFcn


def seen_by(network: PortraitFcn, image: Tensor) -> Tensor:
    """Return the six channels that the network makes of an image."""
    seen = []
    network.fcn.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network.eval()(image)
    return seen[0]


def test_colour_comes_first_and_then_x_and_y_of_the_frame() -> None:
    image = torch.randn(2, 3, 33, 65)
    channels = seen_by(PortraitFcn(1), image)
    assert channels.shape == (2, 6, 33, 65)
    assert torch.equal(channels[:, :3], image)
    across, down = torch.linspace(-1, 1, 65), torch.linspace(-1, 1, 33)
    torch.testing.assert_close(channels[:, 3], across.expand(2, 33, 65))
    torch.testing.assert_close(channels[:, 4], down[:, None].expand(2, 33, 65))


def test_without_a_prior_every_place_is_as_likely() -> None:
    prior = seen_by(PortraitFcn(1), torch.randn(1, 3, 40, 48))[:, 5]
    torch.testing.assert_close(prior, torch.zeros(1, 40, 48), rtol=0, atol=1e-6)


def test_the_prior_lies_over_the_frame_at_any_size() -> None:
    network = PortraitFcn(1)
    network.set_prior(torch.tensor([[1.0, 0.0]]).repeat_interleave(300, dim=1).expand(400, 600))
    prior = seen_by(network, torch.randn(1, 3, 64, 96))[0, 5]
    torch.testing.assert_close(prior[:, :44], torch.ones(64, 44))
    torch.testing.assert_close(prior[:, 52:], -torch.ones(64, 44))


def test_the_prior_is_saved_with_the_weights() -> None:
    trained = PortraitFcn(1)
    trained.set_prior(torch.rand(90, 60, generator=torch.Generator().manual_seed(0)))
    loaded = PortraitFcn(1)
    loaded.load_state_dict(trained.state_dict(), strict=True)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded.eval()(image), trained.eval()(image))
    assert not torch.equal(loaded(image), PortraitFcn(1).eval()(image))


@pytest.mark.parametrize("mean_mask", [torch.full((4, 4), 255.0), torch.full((4, 4), torch.nan), torch.zeros(1, 4, 4)])
def test_what_is_no_mean_mask_is_refused(mean_mask: Tensor) -> None:
    with pytest.raises(ValueError, match="mean mask"):
        PortraitFcn(1).set_prior(mean_mask)
