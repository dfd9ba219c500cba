"""Weights that were trained on ImageNet: from torch's cache, or fetched into it when they were asked for."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlparse

import torch
from torch import Tensor, nn
from torchvision.models import ShuffleNet_V2_X1_0_Weights  # type: ignore[import-untyped]

from curation.errors import ConfigurationProblem
from models.networks.shufflenet import ShuffleNet

ANSWER_TIMEOUT_S = 8.0
SHUFFLENET: Final[str] = ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1.url
CLASSIFIER = ("conv5.", "fc.")
"""The parts of torchvision's ShuffleNet that only classify."""


def published_state(address: str) -> dict[str, Tensor]:
    """Return the tensors of a weights file, named `<name>-<start of its SHA-256>.pth`, that torchvision publishes.

    Looks in torch's cache first, and fetches only what is not there. Nothing in the file is executed.
    Raises ConfigurationProblem: it cannot be fetched, or is not what was published; both say where to put the file.
    """
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(address).path).name
    if cached.is_file():
        refuse_damaged(cached, address=address)
    try:
        with waiting_at_most(ANSWER_TIMEOUT_S), contextlib.redirect_stdout(sys.stderr):
            return torch.hub.load_state_dict_from_url(
                address, map_location="cpu", progress=sys.stderr.isatty(), check_hash=True, weights_only=True
            )
    except (OSError, HTTPException, RuntimeError) as error:
        raise ConfigurationProblem(
            f"the ImageNet weights cannot be fetched: {error}",
            where=address,
            remedy=f"fetch it where there is internet and put it at {cached}, or train without --weights imagenet",
        ) from error


def refuse_damaged(file: Path, *, address: str) -> None:
    """Raise ConfigurationProblem unless the SHA-256 of a file begins as its name says."""
    begins = re.search(r"-([0-9a-f]{8,})\.", file.name)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if begins is None or not digest.startswith(begins.group(1)):
        raise ConfigurationProblem(
            f"its SHA-256 begins with {digest[:8]}, not as its name says: it is damaged, or another file",
            where=file,
            remedy=f"delete it, and fetch {address} again",
        )


def refuse_imagenet(name: str) -> NoReturn:
    """Raise the ConfigurationProblem of a network for which nobody published weights that were trained on ImageNet."""
    raise ConfigurationProblem(
        f"no ImageNet weights are published for {name}",
        remedy="train it without --weights imagenet; a first stage of `kind: classification` (see --config) on a "
        "folder of classes such as ImageNet's gives its encoder such weights",
    )


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let sockets that are opened here give up: torch's loader sets no time limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def pretrain_shufflenet(backbone: ShuffleNet) -> None:
    """Give a backbone of width 1.0 the weights of torchvision. Raises ConfigurationProblem as `published_state`."""
    take_shufflenet(backbone, state=published_state(SHUFFLENET))


def take_shufflenet(backbone: ShuffleNet, *, state: dict[str, Tensor]) -> None:
    """Load the weights of torchvision's network into a backbone, all but those of the classifier.

    Input channels beyond RGB start with weights of zero, so that the network begins as what was trained.
    """
    tensors = {name: tensor for name, tensor in state.items() if not name.startswith(CLASSIFIER)}
    weight = tensors["conv1.0.weight"]
    beyond = backbone.in_channels - weight.shape[1]
    tensors["conv1.0.weight"] = nn.functional.pad(weight, (0, 0, 0, 0, 0, beyond))
    backbone.load_state_dict(tensors, strict=True)
