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


def seen_around_face(network: PortraitFcn, image: Tensor, place: Tensor | None) -> Tensor:
    seen = []
    network.fcn.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    network.eval()(image, place)
    return seen[0]


def test_with_faces_x_and_y_are_those_of_the_window_of_each_face() -> None:
    places = torch.tensor([[[0.5, 0.0, 0.25], [0.0, 0.5, -0.25]], [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    channels = seen_around_face(PortraitFcn(1, with_faces=True), torch.randn(2, 3, 32, 64), places)
    across = (2 * torch.arange(64) + 1) / 64 - 1
    down = ((2 * torch.arange(32) + 1) / 32 - 1)[:, None]
    torch.testing.assert_close(channels[0, 3], (0.5 * across + 0.25).expand(32, 64))
    torch.testing.assert_close(channels[0, 4], (0.5 * down - 0.25).expand(32, 64))
    torch.testing.assert_close(channels[1, 3], down.expand(32, 64))
    torch.testing.assert_close(channels[1, 4], (-across).expand(32, 64))


def test_the_mask_lies_in_the_window_and_goes_on_beyond_it() -> None:
    network = PortraitFcn(1, with_faces=True)
    network.set_prior(torch.tensor([[0.0], [1.0]]).repeat_interleave(64, dim=0).expand(128, 128))
    half = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]])  # the window fills the middle half of the frame
    prior = seen_around_face(network, torch.randn(1, 3, 64, 64), half)[0, 5]
    torch.testing.assert_close(prior[:31], -torch.ones(31, 64))
    torch.testing.assert_close(prior[33:], torch.ones(31, 64))


def test_far_from_a_small_face_coordinates_end() -> None:
    small = torch.tensor([[[20.0, 0.0, 0.0], [0.0, 20.0, 0.0]]])
    channels = seen_around_face(PortraitFcn(1, with_faces=True), torch.randn(1, 3, 32, 32), small)
    assert channels[0, 3:5].abs().max() == 2.0


def test_without_a_face_the_planes_are_those_of_the_frame_with_a_mask_of_its_own() -> None:
    network = PortraitFcn(1, with_faces=True)
    network.set_prior(torch.ones(8, 8))
    network.set_frame_prior(torch.full((8, 8), 0.25))
    image, face = torch.randn(2, 3, 32, 64), torch.tensor([[0.5, 0.0, 0.25], [0.0, 0.5, -0.25]])
    across = ((2 * torch.arange(64) + 1) / 64 - 1).expand(32, 64)
    mixed = seen_around_face(network, image, torch.stack((torch.zeros(2, 3), face)))
    torch.testing.assert_close(mixed[0, 3], across)
    torch.testing.assert_close(mixed[0, 5], torch.full((32, 64), -0.5))
    torch.testing.assert_close(mixed[1, 3], 0.5 * across + 0.25)
    torch.testing.assert_close(mixed[1, 5], torch.ones(32, 64))
    torch.testing.assert_close(seen_around_face(network, image, None)[0], mixed[0])


def test_the_mask_of_the_frame_is_saved_and_only_of_networks_with_faces() -> None:
    network = PortraitFcn(1, with_faces=True)
    network.set_frame_prior(torch.rand(90, 60, generator=torch.Generator().manual_seed(0)))
    loaded = PortraitFcn(1, with_faces=True)
    loaded.load_state_dict(network.state_dict(), strict=True)
    assert torch.equal(loaded.frame_prior, network.frame_prior)
    assert "frame_prior" not in PortraitFcn(1).state_dict()
