"""What every network of the registry promises: sizes, gradients, that it learns, and that it can be exported."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.card import ModelCard
from models.networks.catalogue import NETWORKS, build_network
from models.prediction.onnx_files.to_onnx import onnx_of

NAMES = [name for name in NETWORKS if not NETWORKS[name].is_alpha]
SIDE = 64
STEPS = 60
LEARNED = 0.95
"""IoU of person at which training may stop; what is asked for is less."""
ROUNDS = 4
"""What a network knows after STEPS depends on the processor's rounding; it may then train on."""
TOLERANCE = 1e-4
"""Of a probability, as an export is held to."""


def drawn(number: int) -> tuple[Tensor, Tensor]:
    """Draw half-body figures of one colour before another: images (n, 3, SIDE, SIDE), masks (n, 1, SIDE, SIDE)."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for _ in range(number):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        middle = int(rng.integers(20, 44))
        body = (int(rng.integers(20, 28)), int(rng.integers(36, 44)))
        cv2.ellipse(mask, (middle, SIDE), body, 0, 0, 360, 1, -1)
        cv2.circle(mask, (middle, int(rng.integers(16, 24))), int(rng.integers(11, 14)), 1, -1)
        before, behind = rng.normal(size=(2, 3))
        colours = np.where(mask[..., None] == 1, before, behind)
        images.append((colours + rng.normal(0, 0.2, colours.shape)).transpose(2, 0, 1))
        masks.append(mask[None])
    return torch.from_numpy(np.stack(images)).float(), torch.from_numpy(np.stack(masks)).float()


def outputs(network: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    """Return the logits, then those of the auxiliary heads where there are any."""
    if hasattr(network, "forward_with_auxiliary"):
        told: tuple[Tensor, ...] = network.forward_with_auxiliary(images)
        return told
    return (network(images),)


def iou(logits: Tensor, masks: Tensor) -> float:
    found, truth = logits > 0, masks > 0
    return ((found & truth).sum() / (found | truth).sum()).item()


def overfit(network: nn.Module, images: Tensor, *, masks: Tensor) -> tuple[float, float]:
    """Train until the images are known, or STEPS are over; give the first loss and the last."""
    parameters = sum(parameter.numel() for parameter in network.parameters())
    rate = 0.01 if parameters < 1e6 else 0.002 if parameters < 1e7 else 0.0005
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    losses: list[float] = []
    network.train()
    for _ in range(STEPS):
        told = outputs(network, images)
        loss = torch.stack([binary_cross_entropy_with_logits(logits, masks) for logits in told]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if iou(told[0], masks) > LEARNED:
            break
    return losses[0], losses[-1]


def settle(network: nn.Module, images: Tensor) -> None:
    """Make the network ready for prediction: a short training leaves batch norms remembering how it began."""
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    with torch.no_grad():
        network(images)
    network.eval()


@torch.no_grad()
def predict(network: nn.Module, images: Tensor) -> Tensor:
    logits: Tensor = network(images)
    return logits


def exported(network: nn.Module) -> onnxruntime.InferenceSession:
    """Return the network as a graph for any number of images of SIDE x SIDE pixels."""
    card = ModelCard(
        input_size=(SIDE, SIDE), channels="RGB", layout="NCHW", mean=(0, 0, 0), std=(1, 1, 1), output="logit"
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(onnx_of(network, card=card), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", NAMES)
def test_logits_fit_the_image_and_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, classes=3)
    for size in [(97, 130), (33, 64)]:
        told = outputs(network, torch.randn(2, 3, *size))
        assert [logits.shape for logits in told] == [(2, 3, *size)] * len(told)
        assert all(logits.isfinite().all() for logits in told)
    images = torch.randn(1, 3, SIDE, 96)
    torch.stack([logits.square().mean() for logits in outputs(network, images)]).sum().backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(images), outputs(network, images)[0])


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_a_few_images_and_what_it_learned_can_be_exported(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name)
    is_large = sum(parameter.numel() for parameter in network.parameters()) > 1e7
    images, masks = drawn(2 if is_large else 4)
    first, last = overfit(network, images, masks=masks)
    assert last < first / 2
    settle(network, images)
    for _ in range(ROUNDS - 1):
        if iou(predict(network, images), masks) > 0.9:
            break
        overfit(network, images, masks=masks)
        settle(network, images)
    logits = predict(network, images)
    cut = predict(network, images[..., :61, :57])
    assert logits.shape == masks.shape
    assert iou(logits, masks) > 0.9
    assert iou(cut, masks[..., :61, :57]) > 0.8
    (found,) = exported(network).run(None, {"image": images.numpy()})
    assert (torch.from_numpy(found).sigmoid() - logits.sigmoid()).abs().max() < TOLERANCE
