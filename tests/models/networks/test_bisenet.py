from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
import torch

from curation.errors import ConfigurationProblem
from models.networks.bisenet import AttentionRefinement, FeatureFusion, bisenet


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return bisenet(classes=3, with_imagenet=False)


def test_the_context_path_is_resnet_101_without_its_classifier(network: torch.nn.Module) -> None:
    """torchvision states 44,549,160 parameters, of which 2048 x 1000 + 1000 classify."""
    backbone = sum(parameter.numel() for parameter in network.get_submodule("encoder").parameters())
    assert backbone == 44_549_160 - 2_049_000


def test_attention_weighs_whole_channels_between_zero_and_one() -> None:
    refinement = AttentionRefinement(8).eval()
    features = torch.randn(2, 8, 5, 7)
    ratio = refinement(features) / refinement.convolved(features)
    weights = ratio.nanmean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(ratio.nan_to_num(), weights.expand_as(ratio).where(~ratio.isnan(), torch.tensor(0.0)))
    assert ((weights > 0) & (weights < 1)).all()


def test_fusion_adds_to_each_channel_at_most_itself() -> None:
    fusion = FeatureFusion().eval()
    spatial, context = torch.randn(2, 128, 5, 7), torch.randn(2, 128, 5, 7)
    joined = fusion.joined(torch.cat((spatial, context), dim=1))
    fused = fusion(spatial, context=context)
    assert (fused >= joined).all() and (fused <= 2 * joined).all()


def test_auxiliary_heads_read_the_two_context_features(network: torch.nn.Module) -> None:
    network.eval()
    with torch.no_grad():
        told = network.forward_with_auxiliary(torch.randn(1, 3, 65, 97))  # type: ignore[operator]
    assert [logits.shape for logits in told] == [(1, 3, 65, 97)] * 3


def test_without_internet_the_message_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_internet(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    started = time.monotonic()
    with pytest.raises(ConfigurationProblem, match=rf"put it at {tmp_path}.*resnet101-.*\.pth"):
        bisenet(classes=1, with_imagenet=True)
    assert time.monotonic() - started < 10
