"""The ONNX form of a run folder's network, kept inside the folder: to import torch and export takes ten seconds.

It is checked like any foreign file when it is read, and has to answer the probe as the card remembers.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from curation.errors import CurateError
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, sha256_of, write_bytes
from models.card import ModelCard
from models.model_files import MAX_MODEL_BYTES

FOLDER: Final = ".cache"
EXPORT: Final = 1
"""To be raised when `models.export.export_onnx.onnx_of` writes networks otherwise."""


def kept_onnx(run: Path, *, card: ModelCard) -> bytes | None:
    """Return the ONNX form of the network in a run folder, if it is kept there."""
    try:
        return read_file(_file(run, card=card), max_bytes=MAX_MODEL_BYTES)
    except BadRecord:
        return None


def keep_onnx(run: Path, data: bytes, *, card: ModelCard) -> None:
    """Keep the ONNX form in the run folder in place of older ones; where nothing can be written, do nothing."""
    file = _file(run, card=card)
    with contextlib.suppress(CurateError, OSError):
        make_folder(file.parent)
        for older in file.parent.iterdir():
            older.unlink()
        write_bytes(file, data)


def _file(run: Path, *, card: ModelCard) -> Path:
    told = f"{EXPORT} {card.sha256} {card.network} {card.classes} {card.input_size}"
    return run / FOLDER / f"{sha256_of(told.encode())}.onnx"
