from __future__ import annotations

import hashlib
import pickle
import socket
import time
from pathlib import Path

import pytest
import torch
from torchvision.models import shufflenet_v2_x1_0

from curation.errors import ConfigurationProblem
from models.networks import imagenet
from models.networks.catalogue import build_network
from models.networks.imagenet import published_state

ON_SHUFFLENET = ("deeplab_shufflenet", "fcn", "fcn_dilated", "portrait_fcn")
LOOK_UP = socket.getaddrinfo


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return torch's cache, empty, on a machine without internet."""

    def no_internet(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def put(content: Path, *, cache: Path) -> str:
    """Put a file into the cache under the name that its content asks for, and give the address it would come from."""
    name = f"weights-{hashlib.sha256(content.read_bytes()).hexdigest()[:8]}.pth"
    content.rename(cache / name)
    return f"https://weights.example/models/{name}"


@pytest.mark.parametrize("name", ON_SHUFFLENET)
def test_without_internet_the_message_says_where_to_put_the_file(name: str, cache: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigurationProblem, match=f"put it at {cache}/shufflenetv2_x1-5666bf0f80.pth"):
        build_network(name, with_imagenet=True)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["enet", "unet_shufflenet"])
def test_where_nobody_published_weights_the_message_says_so(name: str) -> None:
    with pytest.raises(ConfigurationProblem, match=f"no ImageNet weights are published for {name}"):
        build_network(name, with_imagenet=True)


@pytest.mark.parametrize("name", ON_SHUFFLENET)
def test_weights_in_the_cache_reach_the_backbone(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = shufflenet_v2_x1_0(weights=None)
    torch.save(published.state_dict(), cache / "new")
    address = put(cache / "new", cache=cache)
    monkeypatch.setattr(imagenet, "SHUFFLENET", address)
    network = build_network(name, with_imagenet=True)
    (last,) = [weight for key, weight in network.named_parameters() if key.endswith("stage4.3.branch2.5.weight")]
    assert torch.equal(last, published.stage4[3].branch2[5].weight)


def test_a_damaged_file_in_the_cache_is_not_used(cache: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, cache / "new")
    address = put(cache / "new", cache=cache)
    file = cache / address.rpartition("/")[2]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ConfigurationProblem, match="damaged, or another file"):
        published_state(address)


def test_a_file_that_would_run_code_does_not_run_it(cache: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (canary,)

    torch.save({"weight": Payload()}, cache / "new")
    address = put(cache / "new", cache=cache)
    with pytest.raises(pickle.UnpicklingError):
        published_state(address)
    assert not canary.exists()


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", LOOK_UP)
    monkeypatch.setattr(imagenet, "ANSWER_TIMEOUT_S", 0.2)
    before = socket.getdefaulttimeout()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConfigurationProblem, match="cannot be fetched"):
            published_state(f"http://127.0.0.1:{port}/weights-12345678.pth")
    assert socket.getdefaulttimeout() == before
