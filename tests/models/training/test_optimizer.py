"""Learning rates by hand, what is frozen and decayed, and averages against their closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from curation.errors import ConfigurationProblem
from models.training.average_weights import FIRST_STEPS, AveragedWeights
from models.training.optimizer import (
    freeze,
    keep_frozen_statistics,
    learning_rate,
    optimizer_of,
    resume_optimizer,
)
from models.training.settings import Stage


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))


def test_poly_falls_by_the_power_of_what_is_left() -> None:
    stage = Stage(learning_rate=2.0, schedule="poly", warmup=0.0)
    assert learning_rate(stage, step=0, steps=100) == 2.0
    assert learning_rate(stage, step=75, steps=100) == pytest.approx(2.0 * 0.25**0.9)


def test_cosine_agrees_with_torch() -> None:
    stage = Stage(learning_rate=0.3, schedule="cosine", warmup=0.0)
    optimizer = torch.optim.SGD(network().parameters(), lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert learning_rate(stage, step=step, steps=20) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_the_warm_up_rises_evenly_and_then_the_schedule_begins_at_its_top() -> None:
    stage = Stage(learning_rate=1.0, schedule="constant", warmup=0.1)
    rates = [learning_rate(stage, step=step, steps=40) for step in range(6)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_adamw_goes_on_from_averages_of_another_layout_as_the_plain_one_of_torch_does() -> None:
    torch.manual_seed(0)
    ours = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    plain = nn.Conv2d(3, 4, 3)
    plain.load_state_dict(ours.state_dict())
    stage = Stage(learning_rate=0.1, weight_decay=0.0)
    optimizer, other = optimizer_of(ours, stage=stage), torch.optim.AdamW(plain.parameters(), lr=0.1, weight_decay=0.0)
    for _ in range(4):
        gradient = torch.randn(4, 3, 3, 3)
        for network, one in ((ours, optimizer), (plain, other)):
            network.weight.grad = torch.empty_like(network.weight).copy_(gradient)
            one.step()
        state = optimizer.state_dict()
        for averages in state["state"].values():
            averages.update({name: average.contiguous() for name, average in averages.items()})
        optimizer = optimizer_of(ours, stage=stage)
        resume_optimizer(optimizer, state=state)
    torch.testing.assert_close(ours.weight, plain.weight)


def test_freezing_holds_the_named_parts_only_and_thaws_the_others() -> None:
    net = network()
    freeze(net, stage=Stage(frozen=("0", "1")))
    assert [parameter.requires_grad for parameter in net.parameters()] == [False] * 4 + [True] * 2
    freeze(net, stage=Stage(frozen=("2",)))
    assert [parameter.requires_grad for parameter in net.parameters()] == [True] * 4 + [False] * 2


def test_freezing_everything_or_nothing_that_exists_is_refused() -> None:
    with pytest.raises(ConfigurationProblem, match="every part"):
        freeze(network(), stage=Stage(frozen=("0", "1", "2")))
    with pytest.raises(ConfigurationProblem, match="no part 'con'"):
        freeze(network(), stage=Stage(frozen=("con",)))


def test_frozen_normalisations_keep_their_statistics() -> None:
    net = network()
    freeze(net, stage=Stage(frozen=("1",)))
    net.train()
    keep_frozen_statistics(net)
    before = net[1].running_mean.clone()
    net(torch.randn(2, 3, 5, 5))
    assert torch.equal(net[1].running_mean, before)


def test_biases_and_normalisations_are_not_decayed() -> None:
    groups = optimizer_of(network(), stage=Stage(weight_decay=0.1)).param_groups
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.1, 2), (0.0, 4)]


def test_sgd_has_the_momentum_that_was_asked_for() -> None:
    assert optimizer_of(network(), stage=Stage(optimizer="sgd")).param_groups[0]["momentum"] == 0.99


def test_the_average_of_a_constant_is_that_constant_and_of_two_values_lies_between() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    averaged = AveragedWeights(net, decay=0.9)
    with torch.no_grad():
        net.weight.fill_(1.0)
    expected = 0.0
    for step in range(1, 60):
        averaged.update(net, step=step)
        decay = min(0.9, step / (step + FIRST_STEPS))
        expected = decay * expected + (1 - decay)
        assert averaged.network.weight.item() == pytest.approx(expected, abs=1e-6)
    assert math.isclose(expected, 1.0, abs_tol=1e-2)


def test_the_average_holds_counts_as_they_are() -> None:
    net = network()
    averaged = AveragedWeights(net, decay=0.9)
    net.train()
    net(torch.randn(2, 3, 5, 5))
    averaged.update(net, step=1)
    assert averaged.network[1].num_batches_tracked.item() == 1
