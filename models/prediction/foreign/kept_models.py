"""Converted models, kept in the cache of the user: to read and convert one again takes seconds, or a minute.

They are OpenVINO's own IR, two files beside the models that were fetched from registries. Each is checked by its hash
when it is read, and the model then answers the probe as any other.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from curation.errors import CurateError
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, read_file, sha256_of, write_bytes
from models.model_files import MAX_MODEL_BYTES
from models.prediction.foreign.convert import Intermediate

CONVERSION: Final = 1
"""To be raised when `convert` makes another graph of the same file."""
MOST: Final = 32
"""So many converted models are kept; the one that was made first goes first."""
MAX_NOTE_BYTES: Final = 10_000


class _Note(msgspec.Struct, frozen=True):
    """The SHA-256 of the two files; it is written last."""

    xml: str
    bin: str


def cache_folder() -> Path:
    """Return where converted models are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "curate" / "models" / "converted"


def key_of(digest: str, *, output_name: str | None, version: str) -> str:
    """Return the name under which the model of some bytes is kept, converted by a version of OpenVINO."""
    return sha256_of(msgspec.json.encode([CONVERSION, digest, output_name, version]))[:32]


def kept_model(key: str) -> Intermediate | None:
    """Return what is kept under a name, if it is there and whole."""
    folder = cache_folder()
    try:
        note = msgspec.json.decode(read_file(folder / f"{key}.json", max_bytes=MAX_NOTE_BYTES), type=_Note)
        xml = read_file(folder / f"{key}.xml", max_bytes=MAX_MODEL_BYTES)
        constants = read_file(folder / f"{key}.bin", max_bytes=MAX_MODEL_BYTES)
    except (BadRecord, msgspec.DecodeError):
        return None
    is_whole = (sha256_of(xml), sha256_of(constants)) == (note.xml, note.bin)
    return Intermediate(xml=xml, constants=constants) if is_whole else None


def keep_model(key: str, made: Intermediate) -> None:
    """Keep a converted model; where nothing can be written, do nothing."""
    folder = cache_folder()
    note = _Note(xml=sha256_of(made.xml), bin=sha256_of(made.constants))
    with contextlib.suppress(CurateError, OSError):
        make_folder(folder)
        write_bytes(folder / f"{key}.bin", made.constants)
        write_bytes(folder / f"{key}.xml", made.xml)
        write_bytes(folder / f"{key}.json", msgspec.json.encode(note))
        notes = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        for older in notes[:-MOST]:
            for ending in (".json", ".xml", ".bin"):
                older.with_suffix(ending).unlink(missing_ok=True)
