"""Checkpoints: everything that the next step depends on, verified before it is used, the last two kept."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import msgspec
from safetensors.torch import load, save
from torch import Tensor

from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, sha256_of, write_durable

KEPT: Final = 2
"""A kill while one is written, or a damaged disk, leaves the one before."""
DIGITS: Final = 8
SUFFIX: Final = ".safetensors"
MAX_CHECKPOINT_BYTES: Final = 8 << 30

State = dict[str, Any]
"""Tensors, numbers, texts, and lists and dicts of them. Dicts have keys that are texts or whole numbers."""


class Checkpoints:
    """The checkpoints of a training in a folder, numbered by the steps taken, each with a hash beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, state: State, *, step: int) -> None:
        """Write a checkpoint, and drop all but the newest; raises EnvironmentProblem."""
        make_folder(self.folder, below=self.folder.parent)
        data = _packed(state)
        path = self.folder / f"{step:0{DIGITS}}{SUFFIX}"
        # the hash comes first: weights without one are never read
        write_durable(_hash_file(path), sha256_of(data).encode())
        write_durable(path, data)
        for old in self._all()[KEPT:]:
            old.unlink()
            _hash_file(old).unlink(missing_ok=True)

    def newest(self) -> tuple[State | None, list[str]]:
        """Return the newest state that is whole, None without one, and what is wrong with any that is newer.

        A damaged checkpoint is put aside under another name.
        """
        complaints: list[str] = []
        for path in self._all():
            state = _state_in(path)
            if state is not None:
                return state, complaints
            path.replace(path.with_suffix(".damaged"))
            complaints.append(f"{path}: damaged, put aside; the training continues from the checkpoint before it")
        return None, complaints

    def _all(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]" * DIGITS + SUFFIX), reverse=True)


def _state_in(path: Path) -> State | None:
    try:
        data = read_file(path, max_bytes=MAX_CHECKPOINT_BYTES)
        expected = read_file(_hash_file(path), max_bytes=1000).decode("ascii", "replace")
    except BadRecord:
        return None
    if sha256_of(data) != expected:
        return None
    return _unpacked(data)


def _packed(state: State) -> bytes:
    """Return state as safetensors: the tensors by number, and in the metadata everything else, with their numbers."""
    tensors: dict[str, Tensor] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor):
            tensors[str(len(tensors))] = value.detach().cpu().contiguous().clone()
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):
            return {"dict": [[key, plain(one)] for key, one in value.items()]}
        if isinstance(value, list | tuple):
            return {"list": [plain(one) for one in value]}
        return {"value": value}

    told = msgspec.json.encode(plain(state)).decode()
    return save(tensors, metadata={"state": told})


def _unpacked(data: bytes) -> State:
    """Return state back from `_packed`."""
    tensors = load(data)

    def whole(value: dict[str, Any]) -> Any:
        ((kind, content),) = value.items()
        if kind == "tensor":
            return tensors[content]
        if kind == "dict":
            return {key: whole(one) for key, one in content}
        return [whole(one) for one in content] if kind == "list" else content

    (length,) = struct.unpack("<Q", data[:8])  # of the header, as the format has it
    told = msgspec.json.decode(data[8 : 8 + length])["__metadata__"]["state"]
    state: State = whole(msgspec.json.decode(told))
    return state


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")
