"""Weights of this machine to start a training from, in a network that they fit exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torch import nn

from curation.errors import InputRefused, SecurityRefused
from models.card import known_licenses, read_card
from models.model_files import REGISTERED, WEIGHTS, read_model_file, refuse_other_hash
from models.networks.catalogue import structure_before
from models.prediction.weights import load_strictly, tensors_in
from models.registry.registry import fetched
from models.structure import Structure

FORMAT: Final = ".safetensors"


def structure_of_weights(path: Path, *, network: str) -> Structure:
    """Return the structure that the card beside weights tells of, where they are of a network of this name."""
    card = _weights_file(path).with_suffix(".yaml")
    if not card.exists():
        return Structure()
    found = read_card(card)
    return structure_before(network, told=found.structure) if found.network == network else Structure()


def licenses_of_weights(path: Path) -> tuple[str, ...]:
    """Return the licences that the card beside weights tells of: those from which they were learnt; () without one."""
    card = _weights_file(path).with_suffix(".yaml")
    return known_licenses(read_card(card)) if card.exists() else ()


def with_weights(network: nn.Module, path: Path) -> nn.Module:
    """Return the network with the weights of a safetensors file, or of the run folder, or the name in a
    registry, that holds one.

    Raises InputRefused: no such file, damaged, other than the card beside it says, not finite, or not of this network
    (the differences are listed). Raises SecurityRefused for every other format. After that, the network is as before.
    """
    file = _weights_file(path)
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


def _weights_file(path: Path) -> Path:
    if str(path).startswith(REGISTERED):
        path = fetched(str(path))
    return path / WEIGHTS if path.is_dir() else path
