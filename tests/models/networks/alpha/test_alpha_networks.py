"""What every alpha network promises: sizes, a range, gradients, that it learns, and that its export is equal."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from curation.errors import ConfigurationProblem
from models.card import ModelCard
from models.losses.alphas import AlphaParts, AlphaTarget, alpha_target, alpha_terms
from models.networks.alpha.alpha_network import AlphaNetwork
from models.networks.alpha.shm import MattingNetwork, fused
from models.networks.catalogue import NETWORKS, build_network
from models.prediction.onnx_files.to_onnx import onnx_of

ALPHA = [name for name in NETWORKS if NETWORKS[name].is_alpha]
LARGE = {"shm"}
"""Of the same code as its light form, with 55 million parameters: half a minute."""
EACH = [pytest.param(name, marks=[pytest.mark.nightly] if name in LARGE else []) for name in ALPHA]
SIDE = 64
TOLERANCE = 1e-4
"""Of the largest output."""


def built(name: str) -> AlphaNetwork:
    torch.manual_seed(0)
    network = build_network(name)
    assert isinstance(network, AlphaNetwork)
    return network


def soft_discs(number: int, *, side: int) -> tuple[Tensor, AlphaTarget]:
    """Draw blurred discs of one colour on another: images (n, 3, side, side), and their true alphas."""
    rng = np.random.default_rng(0)
    images, alphas = [], []
    for _ in range(number):
        middle = (int(rng.integers(12, 20)), int(rng.integers(12, 20)))
        disc = cv2.circle(np.zeros((side, side), np.float32), middle, int(rng.integers(6, 9)), 1.0, -1)
        alpha = cv2.GaussianBlur(disc, (0, 0), 1.5)[..., None]
        before, behind = rng.random((2, 3))
        images.append((alpha * before + (1 - alpha) * behind).transpose(2, 0, 1))
        alphas.append(alpha.transpose(2, 0, 1))
    colours, truth = (torch.from_numpy(np.stack(one)).float() for one in (images, alphas))
    return colours * 4 - 2, alpha_target(truth, valid=torch.ones_like(truth, dtype=torch.bool), colours=colours)


@pytest.mark.parametrize("name", EACH)
def test_alphas_fit_the_image_and_gradients_reach_every_parameter(name: str) -> None:
    network = built(name)
    images = torch.randn(2, 3, 50, 65)
    parts = network.parts(images)
    assert parts.alpha.shape == (2, 1, 50, 65)
    assert parts.alpha.min() >= 0 and parts.alpha.max() <= 1
    truth = torch.rand(2, 1, 50, 65)
    wanted = alpha_target(truth, valid=torch.ones_like(truth, dtype=torch.bool), colours=torch.rand(2, 3, 50, 65))
    alpha_terms(parts, wanted, weights=dict.fromkeys(network.losses, 1.0))["total"].backward()
    assert [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []
    network.eval()
    with torch.no_grad():
        assert torch.equal(network(images), 255 * network.parts(images).alpha)


@pytest.mark.parametrize("name", EACH)
def test_the_export_gives_what_the_network_gives(name: str) -> None:
    network = built(name).eval()
    card = ModelCard(
        input_size=(SIDE, SIDE), channels="RGB", layout="NCHW", mean=(0, 0, 0), std=(1, 1, 1), output="alpha"
    )
    images = torch.randn(2, 3, SIDE, SIDE)
    session = onnxruntime.InferenceSession(onnx_of(network, card=card), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": images.numpy()})
    with torch.no_grad():
        wanted = network(images)
    assert (torch.from_numpy(found) - wanted).abs().max() < TOLERANCE * wanted.abs().max()


@pytest.mark.parametrize("name", ["shm_light", "modnet"])
def test_it_learns_the_soft_edge_of_a_few_images(name: str) -> None:
    network, (images, wanted) = built(name), soft_discs(2, side=32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    network.train()
    errors = []
    for _ in range(15):
        parts = network.parts(images)
        alpha_terms(parts, wanted, weights=network.losses)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        errors.append((parts.alpha - wanted.alpha).abs().mean().item())
    assert errors[-1] < errors[0] / 2


def test_a_given_trimap_decides_what_is_sure() -> None:
    network = built("shm_light").eval()
    trimap = torch.zeros(1, 3, SIDE, SIDE)
    trimap[:, 0, :, :20], trimap[:, 1, :, 20:40], trimap[:, 2, :, 40:] = 1, 1, 1
    with torch.no_grad():
        alpha = network.parts(torch.randn(1, 3, SIDE, SIDE), trimap).alpha
    assert (alpha[..., :20] == 0).all() and (alpha[..., 40:] == 1).all()
    assert alpha[..., 20:40].min() > 0 and alpha[..., 20:40].max() < 1


def test_the_matting_network_has_the_convolutions_of_vgg_16_and_six_more() -> None:
    network = MattingNetwork(64)
    kernels = [tuple(weight.shape[:2]) for weight in network.parameters() if weight.ndim == 4]
    encoder = [(64, 6), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256), (256, 256)]
    encoder += [(512, 256), (512, 512), (512, 512)] + 3 * [(512, 512)]
    assert kernels == [*encoder, (512, 512), (256, 512), (128, 256), (64, 128), (64, 64), (1, 64)]


def test_fusion_is_foreground_plus_what_is_unknown_times_raw() -> None:
    shares = torch.tensor([[0.1, 0.6, 0.3]]).view(1, 3, 1, 1)
    assert fused(shares, raw=torch.tensor(0.5).view(1, 1, 1, 1)).item() == pytest.approx(0.3 + 0.6 * 0.5)


@pytest.mark.parametrize("name", ALPHA)
def test_an_alpha_has_no_classes(name: str) -> None:
    with pytest.raises(ConfigurationProblem, match="classes 3"):
        build_network(name, classes=3)


def test_only_the_branches_of_a_network_speak() -> None:
    images = torch.randn(1, 3, 33, 40)
    with torch.no_grad():
        modnet, shm = (built(name).eval().parts(images) for name in ("modnet", "shm_light"))
    assert isinstance(modnet, AlphaParts) and modnet.trimap is None and shm.semantic is None and shm.detail is None
    assert modnet.semantic is not None and modnet.semantic.shape == (1, 1, 4, 4)  # of 64 x 64, after padding
