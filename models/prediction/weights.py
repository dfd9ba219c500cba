"""A trained network on disk: safetensors, which hold numbers and nothing that runs, and the card beside them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from curation.errors import InputRefused
from curation.storage.files import sha256_of, write_durable
from models.card import ModelCard, card_text, read_card
from models.model_files import CARD, WEIGHTS, read_model_file, refuse_other_hash
from models.prediction.checks.probe import probe_image, probe_numbers, refuse_other_answer
from models.prediction.outputs import is_sound, person_scores
from models.preprocessing import normalised, resized

DIFFERENCES_SHOWN: Final = 12


def save_model(network: nn.Module, *, folder: Path, card: ModelCard) -> None:
    """Write the weights and their card into `folder`, each whole or not at all, the card last.

    The card gets the SHA-256 of the weights and what the network says of the probe. Equal weights give equal bytes.
    Raises InputRefused when the network gives what is not finite, EnvironmentProblem when it cannot be written.
    """
    assert card.network is not None, "without its name, nobody could build the network again"
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in network.state_dict().items()}
    data = save(state)
    numbers = _answer(copy.deepcopy(network).cpu().float(), card=card, where=folder)
    write_durable(folder / WEIGHTS, data)
    whole = msgspec.structs.replace(card, sha256=sha256_of(data), probe=numbers)
    write_durable(folder / CARD, card_text(whole))


def load_network(folder: Path) -> tuple[nn.Module, ModelCard]:
    """Return the network of a run folder, in evaluation mode on the CPU, and its card.

    Raises InputRefused when the weights are not those of the card (both hashes are named), do not fit the network (the
    differences are listed), or do not answer the probe as they did when they were saved.
    """
    from models.networks.catalogue import build_network, structure_before

    card = read_card(folder / CARD)
    file = folder / WEIGHTS
    if card.network is None or card.sha256 is None:
        missing = "network" if card.network is None else "sha256"
        raise InputRefused(f"the card has no `{missing}`", where=folder / CARD, remedy=RESTORE)
    data = read_model_file(file)
    refuse_other_hash(data, card=card, file=file)
    structure = structure_before(card.network, told=card.structure)
    network = build_network(card.network, classes=card.classes, structure=structure)
    load_strictly(network, state=tensors_in(data, file=file), file=file)
    network.eval()
    refuse_other_answer(_answer(network, card=card, where=file), card=card, where=folder / CARD)
    return network, card


def tensors_in(data: bytes, *, file: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name. Raises InputRefused when it is none."""
    try:
        return load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputRefused(f"not a whole safetensors file: {error}", where=file, remedy=RESTORE) from error


def load_strictly(network: nn.Module, *, state: Mapping[str, Tensor], file: Path) -> None:
    """Put tensors into a network that has exactly these. Raises InputRefused listing every difference."""
    found = differences(network, state=state)
    if found:
        more = [f"... {len(found) - DIFFERENCES_SHOWN} more"] if len(found) > DIFFERENCES_SHOWN else []
        listed = "\n    ".join([*found[:DIFFERENCES_SHOWN], *more])
        raise InputRefused(
            f"the weights are not those of this network; {len(found)} differences:\n    {listed}",
            where=file,
            remedy="name the network, and the number of classes, with which they were trained",
        )
    network.load_state_dict(dict(state))


def differences(network: nn.Module, *, state: Mapping[str, Tensor]) -> list[str]:
    """Say, tensor by tensor, how a state differs from that of a network: absent, unknown, of another shape or type."""
    own = network.state_dict()
    lines = []
    for name in sorted(own.keys() | state.keys()):
        if name not in state:
            lines.append(f"{name}: missing, {_kind(own[name])} in the network")
        elif name not in own:
            lines.append(f"{name}: {_kind(state[name])}, not in the network")
        elif _kind(own[name]) != _kind(state[name]):
            lines.append(f"{name}: {_kind(state[name])}, {_kind(own[name])} in the network")
    return lines


def _answer(network: nn.Module, *, card: ModelCard, where: object) -> tuple[float, ...]:
    """Return what the network says of the probe, in a few numbers."""
    picture = normalised(resized(probe_image(), size=card.input_size), card=card)
    network.eval()
    with torch.inference_mode():
        output = network(torch.from_numpy(picture)[None]).numpy()
    score = person_scores(output, card=card)[0]
    if not is_sound(score):
        raise InputRefused(
            "the network gives numbers that are not finite",
            where=where,
            remedy="train again with a lower learning rate; its weights are not usable",
        )
    return probe_numbers(score, card=card)


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


RESTORE: Final = "restore the run folder from where it came, or train again"
