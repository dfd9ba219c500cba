"""A checkpoint is read only when it is whole, and never runs anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.training.checkpoints import KEPT, Checkpoints


def state(number: int) -> dict[str, object]:
    return {"number": number, "weights": torch.full((64,), float(number))}


def test_only_the_newest_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in range(1, 6):
        checkpoints.write(state(step), step=step)
    found, complaints = checkpoints.newest()
    assert found is not None
    assert found["number"] == 5
    assert torch.equal(found["weights"], torch.full((64,), 5.0))
    assert complaints == []
    assert len(list(tmp_path.glob("*.safetensors"))) == len(list(tmp_path.glob("*.sha256"))) == KEPT


def test_without_a_checkpoint_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest() == (None, [])


@pytest.mark.parametrize("place", [0, 100, -1])
def test_every_flipped_bit_is_found_and_the_one_before_is_read(tmp_path: Path, place: int) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.write(state(step), step=step)
    newest = tmp_path / "00000002.safetensors"
    data = bytearray(newest.read_bytes())
    data[place] ^= 1
    newest.write_bytes(data)
    found, complaints = checkpoints.newest()
    assert found is not None
    assert found["number"] == 1
    assert str(newest) in complaints[0]
    assert (tmp_path / "00000002.damaged").exists()


def test_a_checkpoint_that_was_cut_off_or_has_no_hash_is_not_read(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (1, 2):
        checkpoints.write(state(step), step=step)
    (tmp_path / "00000002.safetensors").write_bytes((tmp_path / "00000002.safetensors").read_bytes()[:50])
    (tmp_path / "00000001.sha256").unlink()
    found, complaints = checkpoints.newest()
    assert found is None
    assert len(complaints) == 2


def test_the_state_of_an_optimizer_survives(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.grad = torch.tensor([1.0, 2.0, 3.0])
    optimizer.step()
    Checkpoints(tmp_path).write({"optimizer": optimizer.state_dict(), "none": None}, step=1)
    found, _ = Checkpoints(tmp_path).newest()
    assert found is not None
    assert found["none"] is None
    other = torch.optim.AdamW([torch.nn.Parameter(weight.detach().clone())], lr=0.5)
    other.load_state_dict(found["optimizer"])
    other.param_groups[0]["params"][0].grad = weight.grad.clone()
    optimizer.step()
    other.step()
    assert torch.equal(other.param_groups[0]["params"][0], weight)
