from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from curation.errors import ConfigurationProblem, RemoteUnavailable
from models.networks.catalogue import build_network
from models.networks.smp_networks import ARCHITECTURES, encoder_names, published_encoder

COMMIT = "0" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache of the hub, empty, on a machine without internet."""

    def no_internet(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    return tmp_path


def put(tensors: dict[str, torch.Tensor], *, encoder: str) -> Path:
    """Put weights into the cache as a download would, and give the file."""
    published = published_encoder(encoder)
    commit = COMMIT if published.revision == "main" else published.revision
    file = published.folder / "snapshots" / commit / "model.safetensors"
    file.parent.mkdir(parents=True)
    (published.folder / "refs").mkdir()
    (published.folder / "refs" / "main").write_text(commit)
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, file)
    return file


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "dpt"])
def test_every_architecture_takes_any_size_and_a_batch_of_one(architecture: str) -> None:
    network: Any = build_network(f"smp:{architecture}:mobilenet_v2", classes=3)
    assert network(torch.randn(1, 3, 97, 130)).shape == (1, 3, 97, 130)
    assert network.eval()(torch.randn(1, 3, 33, 64)).shape == (1, 3, 33, 64)


def test_an_encoder_of_timm_serves_dpt_at_any_size() -> None:
    network = build_network("smp:dpt:tu-vit_tiny_patch16_224").eval()
    with torch.no_grad():
        assert network(torch.randn(1, 3, 33, 70)).shape == (1, 1, 33, 70)


def test_pspnet_stays_at_stride_8() -> None:
    network: Any = build_network("pspnet").eval()
    with torch.no_grad():
        shapes = [tuple(features.shape[-2:]) for features in network.encoder(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(64, 96), (32, 48), (16, 24), (8, 12), (8, 12), (8, 12)]


def test_a_network_says_what_the_library_says_where_nothing_has_to_be_padded() -> None:
    torch.manual_seed(3)
    theirs = smp.Unet("resnet18", encoder_weights=None).eval()
    torch.manual_seed(3)
    ours = build_network("smp:unet:resnet18").eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


def test_pyramid_pooling_is_that_of_the_library() -> None:
    torch.manual_seed(3)
    options = {"encoder_depth": 5, "output_stride": 8, "upsampling": 8}
    theirs = smp.PSPNet("resnet18", encoder_weights=None, **options).eval()
    torch.manual_seed(3)
    ours = build_network("smp:pspnet:resnet18").eval()
    image = torch.randn(1, 3, 64, 104)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["unet", "deeplabv3plus", "smp:fpn:tu-resnet18"])
def test_without_internet_it_fails_at_once_and_says_where_to_put_the_file(name: str, cache: Path) -> None:
    started = time.monotonic()
    with pytest.raises(RemoteUnavailable, match="the ImageNet weights cannot be fetched") as refused:
        build_network(name, with_imagenet=True)
    assert time.monotonic() - started < 10
    assert f"{cache}/models--" in refused.value.remedy
    assert "hf download" in refused.value.remedy


def test_nothing_is_fetched_unless_it_is_asked_for(cache: Path) -> None:
    build_network("smp:unet:resnet18")
    build_network("smp:unet:tu-resnet18")
    assert list(cache.iterdir()) == []


def test_weights_in_the_cache_reach_an_encoder_of_the_library(cache: Path) -> None:
    published = smp.encoders.get_encoder("resnet18", weights=None).state_dict()
    put(published, encoder="resnet18")
    network: Any = build_network("smp:unet:resnet18", with_imagenet=True)
    assert torch.equal(network.encoder.layer4[1].conv2.weight, published["layer4.1.conv2.weight"])


def test_weights_in_the_cache_reach_an_encoder_of_timm(cache: Path) -> None:
    published = timm.create_model("resnet18", pretrained=False).state_dict()
    put(published, encoder="tu-resnet18")
    network: Any = build_network("smp:unet:tu-resnet18", with_imagenet=True)
    assert torch.equal(network.encoder.model.layer4[1].conv2.weight, published["layer4.1.conv2.weight"])


def test_a_file_in_the_cache_that_is_cut_off_is_refused(cache: Path) -> None:
    file = put({"weight": torch.zeros(100)}, encoder="resnet18")
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ConfigurationProblem, match="cannot be read") as refused:
        build_network("smp:unet:resnet18", with_imagenet=True)
    assert f"delete {cache}/models--" in refused.value.remedy


def test_a_file_in_the_cache_of_another_network_is_refused(cache: Path) -> None:
    put({"weight": torch.zeros(100)}, encoder="resnet18")
    with pytest.raises(ConfigurationProblem, match="unet cannot be built on resnet18"):
        build_network("smp:unet:resnet18", with_imagenet=True)


@pytest.mark.parametrize(
    ("name", "reason", "remedy"),
    [
        ("smp:unett:resnet18", "no architecture 'unett'", "unetplusplus"),
        ("smp:unet:resnet81", "no encoder 'resnet81'", "curate models --encoders"),
        ("smp:unet:tu-resnet81", "no encoder 'tu-resnet81'", "curate models --encoders"),
        ("smp:unet:timm-resnest14d", "no encoder 'timm-resnest14d'", "curate models --encoders"),
        ("smp:unet", "no network 'smp:unet'", "smp:ARCHITECTURE:ENCODER"),
        ("smp:unetplusplus:mit_b0", "cannot be built on mit_b0", "another encoder"),
        ("smp:unet:tu-swin_tiny_patch4_window7_224", "doesn't match model", "another encoder"),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_way_out(name: str, reason: str, remedy: str) -> None:
    with pytest.raises(ConfigurationProblem, match=reason) as refused:
        build_network(name)
    assert remedy in refused.value.remedy


def test_where_nobody_published_imagenet_weights_the_message_says_so() -> None:
    with pytest.raises(ConfigurationProblem, match="no ImageNet weights are published for resnext101_32x4d"):
        build_network("smp:unet:resnext101_32x4d", with_imagenet=True)


def test_encoders_are_found_by_a_part_of_their_name() -> None:
    assert {"mit_b0", "mit_b5"} <= set(encoder_names("mit_b"))
    assert all("xception" in name for name in encoder_names("xception"))
    assert encoder_names("no such thing") == []
