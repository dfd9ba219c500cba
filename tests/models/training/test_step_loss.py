"""Several batches make the step of one large batch, whatever is ignored in which of them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from models.data.batches import Batch
from models.losses.targets import IGNORED
from models.networks.catalogue import build_network
from models.training.optimizer import freeze, keep_frozen_statistics
from models.training.settings import Stage
from models.training.step_loss import batches_of_steps, shares_in_step, target_of, total_loss

FROZEN = Stage(batch_norm="frozen")


def labels(*, with_alphas: bool) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    found = torch.rand(8, 32, 32, generator=generator)
    if not with_alphas:
        found = (found > 0.7).to(torch.uint8)
    found[0, :20] = IGNORED
    found[1] = IGNORED
    found[5, :, :3] = IGNORED
    return found


def batch_of(images: Tensor, label: Tensor) -> Batch:
    return Batch(
        keys=[str(n) for n in range(len(images))], image=images, label=label, truths=[], alphas=[], broken=None
    )


def gradients(network: nn.Module, batches: list[Batch], *, stage: Stage) -> list[Tensor]:
    """Return what the batches of a step leave in the parameters of a network."""
    network = copy.deepcopy(network)
    for batch, shares in zip(batches, shares_in_step(batches, stage=stage, classes=1), strict=True):
        outputs, target = (network(batch.image),), target_of(batch.label)
        total_loss(outputs, target, stage=stage, auxiliary_weight=0.0, shares=shares).backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    ("losses", "with_alphas", "class_weights"),
    [
        ({"cross_entropy": 1.0, "focal": 0.5}, False, None),
        ({"cross_entropy": 1.0, "boundary": 1.0, "iou": 1.0}, False, (0.5, 2.0)),
        ({"lovasz": 1.0}, False, None),
        ({"cross_entropy": 1.0, "boundary": 0.5, "iou": 1.0}, True, (0.5, 2.0)),
    ],
)
def test_two_batches_of_four_have_the_gradient_of_one_of_eight(
    losses: dict[str, float], with_alphas: bool, class_weights: tuple[float, ...] | None
) -> None:
    torch.manual_seed(0)
    network = build_network("unet_shufflenet").train().double()
    freeze(network, stage=FROZEN)
    keep_frozen_statistics(network)
    images, label = torch.randn(8, 3, 32, 32).double(), labels(with_alphas=with_alphas)
    stage = Stage(losses=losses, class_weights=class_weights, accumulate=2)
    whole = gradients(network, [batch_of(images, label)], stage=stage)
    parts = gradients(network, [batch_of(images[n : n + 4], label[n : n + 4]) for n in (0, 4)], stage=stage)
    size = max(float(gradient.abs().max()) for gradient in whole)
    assert len(whole) == len(parts) > 50
    for one, other in zip(whole, parts, strict=True):
        assert float((one - other).abs().max()) < 1e-6 * size


def test_a_step_takes_as_many_batches_and_the_last_of_an_epoch_those_left() -> None:
    images, label = torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4)
    batches = [batch_of(images, label) for _ in range(5)]
    assert [len(group) for group in batches_of_steps(iter(batches), stage=Stage(accumulate=2))] == [2, 2, 1]


def test_an_image_that_is_there_twice_counts_once() -> None:
    two = batch_of(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.uint8))
    alone = two._replace(keys=["only"])
    shares = shares_in_step([two, alone], stage=Stage(losses={"cross_entropy": 1.0, "iou": 1.0}), classes=1)
    assert shares == [
        {"cross_entropy": pytest.approx(2 / 3), "iou": pytest.approx(2 / 3)},
        {"cross_entropy": pytest.approx(1 / 3), "iou": pytest.approx(1 / 3)},
    ]
