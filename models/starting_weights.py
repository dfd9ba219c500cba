"""Weights of this machine to start a training from, in a network that they fit exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import nn

from curation.errors import InputRefused, SecurityRefused
from models.card import read_card
from models.prediction.finding import REGISTERED, WEIGHTS, read_model_file, refuse_other_hash
from models.registry import fetched
from models.weights import load_strictly, tensors_in

FORMAT: Final = ".safetensors"


def with_weights(network: nn.Module, path: Path) -> nn.Module:
    """Give the network with the weights of a safetensors file, or of the run folder, or the name in a
    registry, that holds one.

    Raises InputRefused: no such file, damaged, other than the card beside it says, not finite, or not of this network
    (the differences are listed). Raises SecurityRefused for every other format. After that, the network is as before.
    """
    if str(path).startswith(REGISTERED):
        path = fetched(str(path))
    file = path / WEIGHTS if path.is_dir() else path
    if not file.exists():
        remedy = "give imagenet, the run folder of a training, or a safetensors file"
        raise InputRefused("there are no weights here to start from", where=file, remedy=remedy)
    if file.suffix != FORMAT:
        raise SecurityRefused(
            "weights are taken from safetensors only: most other formats can carry code",
            where=file,
            remedy="convert it to safetensors where it comes from, or give the run folder of a training",
        )
    data = read_model_file(file)
    if (card := file.with_suffix(".yaml")).exists():
        refuse_other_hash(data, card=read_card(card), file=file)
    state = tensors_in(data, file=file)
    spoilt = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if spoilt:
        reason = f"{len(spoilt)} of its tensors hold numbers that are not finite, the first is {spoilt[0]}"
        raise InputRefused(reason, where=file, remedy="take the weights of another run")
    load_strictly(network, state=state, file=file)
    return network
