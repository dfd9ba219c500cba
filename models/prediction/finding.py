"""Which model a path names, and the refusal of every file format that can carry code.

Source: the first bytes are those of the pickle protocol (PEP 3154), of zip archives (PyTorch checkpoints), of NumPy and
HDF5 files, and of tar and gzip.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from curation.errors import CurateError, InputRefused, SecurityRefused
from curation.files import read_file, sha256_of
from curation.quarantine import BadRecord
from models.card import ModelCard

CARD: Final = "model.yaml"
WEIGHTS: Final = "model.safetensors"
ONNX: Final = ".onnx"
REGISTERED: Final = "models:/"
"""How the name of a model in a registry begins."""
MAX_MODEL_BYTES: Final = 2 << 30
BEGINNINGS: Final = {
    b"PK\x03\x04": "a zip archive, as PyTorch checkpoints are",
    b"PK\x05\x06": "an empty zip archive",
    b"\x93NUMPY": "a NumPy file",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a script",
}
TAR_MARK: Final = slice(257, 262)
CODES_OF_PICKLES: Final = frozenset({"PROTO", "GLOBAL", "INST", "STACK_GLOBAL", "REDUCE", "BUILD", "OBJ", "NEWOBJ"})
HIGHEST_PROTOCOL: Final = 5
OPCODES_LOOKED_AT: Final = 200
CONVERT: Final = (
    "where it comes from, save the weights with safetensors, or export the model with `torch.onnx.export`; "
    "nothing that can carry code is opened here"
)

RESTORE: Final = "restore the model from where it came, or train or export it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model on disk: a run folder (`weights` is its safetensors file), or an ONNX file; and its card."""

    name: str
    weights: Path
    card: Path
    is_onnx: bool


def find_model(path: Path) -> FoundModel:
    """Give the model that a path names, or a name in a registry; nothing but names is looked at.

    Raises InputRefused when there is none, saying what was looked for, and SecurityRefused for other formats.
    """
    if str(path).startswith(REGISTERED):
        from models.registry import fetched  # most models are files, and MLflow takes seconds to import

        path = fetched(str(path))
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise _no_model(path)
    if path.suffix == ONNX:
        return FoundModel(name=path.stem, weights=path, card=path.with_suffix(".yaml"), is_onnx=True)
    if path.name in {WEIGHTS, CARD}:
        return _in_folder(path.parent)
    if path.suffix in {".yaml", ".yml"} and path.with_suffix(ONNX).exists():
        return find_model(path.with_suffix(ONNX))
    raise SecurityRefused(f"models are not read from {path.suffix or 'such'} files", where=path, remedy=CONVERT)


def read_model_file(file: Path) -> bytes:
    """Give the bytes of a weights or ONNX file of at most 2 GB.

    Raises InputRefused: missing, too large, no regular file; SecurityRefused: a format that can carry code.
    """
    try:
        data = read_file(file, max_bytes=MAX_MODEL_BYTES)
    except BadRecord as problem:
        raise InputRefused(problem.reason, where=file, remedy=RESTORE) from problem
    refuse_code(data, file=file)
    return data


def refuse_other_hash(data: bytes, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused, naming both hashes, when the bytes are not those that the card was written for."""
    found = sha256_of(data)
    if card.sha256 is not None and found != card.sha256:
        reason = f"its SHA-256 is {found}, the card says {card.sha256}: damaged, or not the model of this card"
        raise InputRefused(reason, where=file, remedy=RESTORE)


def refuse_code(data: bytes, *, file: Path) -> None:
    """Raise SecurityRefused when the bytes are of a format that can carry code, whatever the name of the file."""
    what = next((kind for beginning, kind in BEGINNINGS.items() if data.startswith(beginning)), None)
    if what is None and data[TAR_MARK] == b"ustar":
        what = "a tar archive"
    if what is None and _is_pickle(data):
        what = "a Python pickle"
    if what is not None:
        raise SecurityRefused(f"this is {what}, not what its name says", where=file, remedy=CONVERT)


def _in_folder(folder: Path) -> FoundModel:
    if (folder / WEIGHTS).exists():
        name = folder.resolve().name
        return FoundModel(name=name, weights=folder / WEIGHTS, card=folder / CARD, is_onnx=False)
    if (folder / "checkpoints").is_dir():
        raise InputRefused(
            f"this training is not finished: {WEIGHTS} is missing",
            where=folder,
            remedy="run the same `curate train` again, it goes on where it was",
        )
    files = sorted(file.name for file in folder.glob(f"*{ONNX}"))
    meant = f"name the file: {folder / files[0]}" if files else "name a folder that `curate train` made"
    raise InputRefused(f"no model in this folder: {WEIGHTS} is missing", where=folder, remedy=meant)


def _no_model(path: Path) -> CurateError:
    return InputRefused(
        "no such model",
        where=path,
        remedy=f"give a run folder of `curate train` (with {WEIGHTS} and {CARD}), or an ONNX file with its card beside "
        f"it (name{ONNX} and name.yaml), or a name in the registry such as {REGISTERED}portrait@champion",
    )


def _is_pickle(data: bytes) -> bool:
    """Tell whether the bytes read as a pickle that builds or calls something; its codes are listed, not executed."""
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") <= len(data):
        return False  # safetensors begin with the length of a JSON text, whose bytes may be any codes
    codes = []
    try:
        for code, _, _ in islice(pickletools.genops(data), OPCODES_LOOKED_AT):
            codes.append(code.name)
    except (ValueError, IndexError, OverflowError):  # of no protocol, or not whole
        return bool({"GLOBAL", "INST"} & set(codes)) or (codes[:1] == ["PROTO"] and data[1] <= HIGHEST_PROTOCOL)
    return bool(CODES_OF_PICKLES & set(codes))
