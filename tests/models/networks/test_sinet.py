from __future__ import annotations

import pytest
import torch

from curation.errors import ConfigurationProblem
from models.networks.catalogue import build_network
from models.networks.cost import cost_of
from models.networks.sinet import SINet, SqueezeUnit, uncertainty


def test_it_has_the_parameters_and_multiply_adds_of_the_paper() -> None:
    """86.9 K and 0.064 G at 224 x 224, with the two classes of the paper."""
    cost = cost_of(SINet(2), input_size=(224, 224))
    assert cost.parameters == pytest.approx(86_900, abs=50)
    assert cost.multiply_adds == pytest.approx(64e6, rel=0.05)


def test_a_unit_has_the_parameters_that_are_counted_by_hand() -> None:
    """From 8 channels to 12: two groups of 4 x 3; for each of 6 a 3 x 3, a 5 x 5, norms, slopes, 6 x 6."""
    unit = SqueezeUnit(8, out_channels=12, squeezes=((3, 1), (5, 2)))
    halved, branches = 2 * 4 * 3, sum(6 * size + 2 * 6 + 6 + 6 * 6 + 2 * 6 for size in (9, 25))
    assert sum(parameter.numel() for parameter in unit.parameters()) == halved + branches + 2 * 12 + 12


def test_one_logit_is_as_uncertain_as_the_two_logits_that_say_the_same() -> None:
    """A sigmoid is the softmax of its logit and 0."""
    logit = torch.randn(2, 1, 5, 7)
    both = torch.cat((torch.zeros_like(logit), logit), dim=1)
    torch.testing.assert_close(uncertainty(logit, is_binary=True), uncertainty(both, is_binary=False))
    assert uncertainty(torch.tensor([[[[0.0]]]]), is_binary=True).item() == 0.5


def test_nobody_published_imagenet_weights() -> None:
    with pytest.raises(ConfigurationProblem, match="no ImageNet weights are published for sinet"):
        build_network("sinet", with_imagenet=True)
