from __future__ import annotations

import io
import pickle
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn

from curation.errors import InputRefused, SecurityRefused
from curation.storage.files import sha256_of
from models.card import card_text, read_card
from models.networks.catalogue import build_network
from models.prediction.weights import load_network, save_model
from tests.models.small_card import CARD


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    made = build_network("unet_shufflenet")
    with torch.no_grad():  # so that the batch norms know what is usual, and the output tells inputs apart
        for _ in range(3):
            made(torch.randn(4, 3, 64, 48))
    return made


@pytest.fixture
def run(tmp_path: Path, network: nn.Module) -> Path:
    save_model(network, folder=tmp_path, card=CARD)
    return tmp_path


def change_card(run: Path, **changes: object) -> None:
    card = read_card(run / "model.yaml")
    (run / "model.yaml").write_bytes(card_text(msgspec.structs.replace(card, **changes)))


def change_weights(run: Path, state: dict[str, torch.Tensor]) -> None:
    """Write other weights, with their hash in the card: only what they are can give them away."""
    data = save(state)
    (run / "model.safetensors").write_bytes(data)
    change_card(run, sha256=sha256_of(data))


def test_a_network_loaded_predicts_what_the_saved_one_does(run: Path, network: nn.Module) -> None:
    loaded, card = load_network(run)
    assert not loaded.training
    assert card.sha256 == sha256_of((run / "model.safetensors").read_bytes())
    image = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        assert torch.equal(loaded(image), network.eval()(image))


def test_equal_weights_give_equal_bytes_and_nothing_else_is_left(run: Path, network: nn.Module, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    save_model(network, folder=run, card=CARD)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert before.keys() == {"model.safetensors", "model.yaml"}


def test_saving_leaves_the_network_as_it_was(network: nn.Module, tmp_path: Path) -> None:
    network.train()
    save_model(network, folder=tmp_path, card=CARD)
    assert network.training


def test_every_flipped_bit_is_caught_naming_both_hashes(run: Path) -> None:
    file = run / "model.safetensors"
    whole = file.read_bytes()
    right = sha256_of(whole)
    rng = np.random.default_rng(0)
    for place, bit in zip(rng.integers(len(whole), size=100).tolist(), rng.integers(8, size=100).tolist()):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        file.write_bytes(damaged)
        with pytest.raises(InputRefused) as refused:
            load_network(run)
        assert right in refused.value.reason and sha256_of(bytes(damaged)) in refused.value.reason


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 1000, -1])
def test_truncated_weights_are_refused(run: Path, kept: int) -> None:
    file = run / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputRefused, match="SHA-256" if kept else "the file is empty"):
        load_network(run)
    change_card(run, sha256=sha256_of(file.read_bytes()))
    with pytest.raises(InputRefused, match="not a whole safetensors file" if kept else "the file is empty"):
        load_network(run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": "enet"}, "missing"),
        ({"classes": 3}, r"float32 \(1, .* float32 \(3, "),
        ({"mean": (0.0, 0.0, 0.0)}, "does not answer as it did"),
        ({"std": (1.0, 1.0, 1.0)}, "does not answer as it did"),
        ({"mean": (123.675, 116.28, 104.53)}, "does not answer as it did"),
        ({"channels": "BGR"}, "does not answer as it did"),
        ({"input_size": (48, 64)}, "does not answer as it did"),
        ({"output": "logits"}, "the card says logits, of two classes or more"),
        ({"output": "probability"}, "does not answer as it did"),
        ({"sha256": None}, "no `sha256`"),
        ({"network": None}, "no `network`"),
    ],
)
def test_a_card_that_is_not_of_the_training_is_refused(run: Path, changes: dict[str, object], said: str) -> None:
    change_card(run, **changes)
    with pytest.raises(InputRefused, match=said):
        load_network(run)


def test_every_difference_of_the_weights_is_listed(run: Path) -> None:
    state = load_file(run / "model.safetensors")
    names = sorted(state)
    missing, cast, reshaped = names[0], names[1], names[2]
    del state[missing]
    state[cast] = state[cast].double()
    state[reshaped] = torch.zeros(7)
    state["head.bias2"] = torch.zeros(2)
    change_weights(run, state)
    with pytest.raises(InputRefused) as refused:
        load_network(run)
    assert "4 differences" in refused.value.reason
    for name in (missing, cast, reshaped, "head.bias2"):
        assert f"{name}: " in refused.value.reason


def test_other_weights_of_the_same_shapes_are_told_by_the_probe(run: Path) -> None:
    state = load_file(run / "model.safetensors")
    change_weights(run, {name: value * 1.01 if value.is_floating_point() else value for name, value in state.items()})
    with pytest.raises(InputRefused, match="does not answer as it did"):
        load_network(run)


def test_weights_that_are_a_pickle_are_refused_for_security(run: Path) -> None:
    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, stream)
    for data in (stream.getvalue(), pickle.dumps({"a": 1}), pickle.dumps(pickle.loads, protocol=0)):
        (run / "model.safetensors").write_bytes(data)
        change_card(run, sha256=sha256_of(data))
        with pytest.raises(SecurityRefused, match="not what its name says"):
            load_network(run)


def test_missing_and_linked_weights_are_refused(run: Path) -> None:
    file = run / "model.safetensors"
    file.rename(run / "elsewhere")
    with pytest.raises(InputRefused, match="does not exist"):
        load_network(run)
    file.symlink_to(run / "elsewhere")
    with pytest.raises(InputRefused, match="symbolic link"):
        load_network(run)


def test_a_network_of_nan_is_not_saved(tmp_path: Path) -> None:
    spoilt = build_network("unet_shufflenet")
    for weight in spoilt.parameters():
        nn.init.constant_(weight, float("nan"))
    with pytest.raises(InputRefused, match="not finite"):
        save_model(spoilt, folder=tmp_path, card=CARD)
    assert list(tmp_path.iterdir()) == []
