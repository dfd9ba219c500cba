from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from curation.errors import InputRefused, SecurityRefused
from curation.storage.files import sha256_of
from models.card import ModelCard, card_text
from models.training.starting_weights import with_weights


def network(*, classes: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, classes, 1))


def written(folder: Path, *, tensors: dict[str, torch.Tensor]) -> Path:
    file = folder / "model.safetensors"
    save_file(tensors, file)
    return file


def card_beside(file: Path, *, sha256: str) -> None:
    card = ModelCard(
        input_size=(32, 32), channels="RGB", layout="NCHW", mean=(0, 0, 0), std=(1, 1, 1), output="logit", sha256=sha256
    )
    file.with_suffix(".yaml").write_bytes(card_text(card))


@pytest.mark.parametrize("is_folder", [True, False])
def test_weights_of_a_file_or_a_run_folder_are_taken(tmp_path: Path, is_folder: bool) -> None:
    trained, new = network(), network()
    file = written(tmp_path, tensors=trained.state_dict())
    card_beside(file, sha256=sha256_of(file.read_bytes()))
    assert with_weights(new, tmp_path if is_folder else file) is new
    assert all(torch.equal(new.state_dict()[name], tensor) for name, tensor in trained.state_dict().items())


def test_weights_that_do_not_fit_are_refused_with_every_difference(tmp_path: Path) -> None:
    tensors = network(classes=3).state_dict()
    tensors["extra.weight"] = tensors.pop("1.running_mean")
    new = network()
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    with pytest.raises(InputRefused) as refused:
        with_weights(new, written(tmp_path, tensors=tensors))
    for difference in ("1.running_mean: missing", "extra.weight", "2.weight: float32 (3, 4, 1, 1)", "2.bias"):
        assert difference in refused.value.reason
    assert all(torch.equal(new.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_hash_other_than_that_of_the_card_is_refused_with_both(tmp_path: Path) -> None:
    file = written(tmp_path, tensors=network().state_dict())
    card_beside(file, sha256="0" * 64)
    with pytest.raises(InputRefused) as refused:
        with_weights(network(), file)
    assert sha256_of(file.read_bytes()) in refused.value.reason
    assert "0" * 64 in refused.value.reason


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tensors = network().state_dict()
    tensors["2.bias"] = torch.tensor([float("nan")])
    with pytest.raises(InputRefused, match=r"not finite, the first is 2\.bias"):
        with_weights(network(), written(tmp_path, tensors=tensors))


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, tensors=network().state_dict())
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(InputRefused, match="not a whole safetensors file"):
        with_weights(network(), file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused):
        with_weights(network(), tmp_path / "none.safetensors")
    with pytest.raises(InputRefused):
        with_weights(network(), tmp_path)


class Payload:
    """What runs when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.canary,)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.ckpt", "w.pkl", "w.bin", "w.npy", "w.onnx", "w.safetensors"])
@pytest.mark.parametrize("is_zip", [True, False])
def test_nothing_that_carries_code_is_run(tmp_path: Path, name: str, is_zip: bool) -> None:
    canary, file = tmp_path / "canary", tmp_path / name
    if is_zip:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Payload(canary)))
    else:
        file.write_bytes(pickle.dumps(Payload(canary)))
    with pytest.raises(SecurityRefused):
        with_weights(network(), file)
    assert not canary.exists()
