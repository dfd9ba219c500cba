"""The files of a model: their names, and the refusal of every file format that can carry code.

Source: the first bytes are those of the pickle protocol (PEP 3154), of zip archives (PyTorch checkpoints), of NumPy and
HDF5 files, and of tar and gzip.
"""

from __future__ import annotations

import os
import pickletools
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias

from curation.errors import CurateError, InputRefused, SecurityRefused
from curation.quarantine import BadRecord
from curation.storage.files import fingerprint_file, read_file, sha256_of
from curation.storage.opened import LINK_HINT
from models.card import ModelCard

CARD: Final = "model.yaml"
WEIGHTS: Final = "model.safetensors"
ONNX: Final = ".onnx"
Form: TypeAlias = Literal["run", "onnx", "tflite", "frozen", "saved_model", "archive"]
"""A run folder; an ONNX or TFLite file; of TensorFlow a frozen graph, a SavedModel, or an archive that holds one."""
ENDINGS: Final[dict[str, Form]] = {
    ONNX: "onnx",
    ".tflite": "tflite",
    ".pb": "frozen",
    ".tar.gz": "archive",
    ".tgz": "archive",
    ".tar": "archive",
}
"""Of the models that are one file, in the order in which they are looked for beside a card."""
SAVED_MODEL: Final = "saved_model.pb"
VARIABLES: Final = "variables"
"""The folder of a SavedModel's weights."""
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
TFLITE_MARK: Final = b"TFL3"
TFLITE_MARK_AT: Final = slice(4, 8)
CODES_OF_PICKLES: Final = frozenset({"PROTO", "GLOBAL", "INST", "STACK_GLOBAL", "REDUCE", "BUILD", "OBJ", "NEWOBJ"})
HIGHEST_PROTOCOL: Final = 5
OPCODES_LOOKED_AT: Final = 200
CONVERT: Final = (
    "where it comes from, save the weights with safetensors, or export the model with `torch.onnx.export`, or from "
    "Keras with `model.export(FOLDER)`; nothing that can carry code is opened here"
)
RESTORE: Final = "restore the model from where it came, or train or export it again"
NO_MODELS: Final = {
    b"version https://git-lfs": ("a pointer of Git LFS", "fetch the model itself, with `git lfs pull`"),
    **dict.fromkeys(
        (b"<!doctype html", b"<html"), ("a web page", "fetch the model again, by the address of the file itself")
    ),
}
"""Beginnings of what is found under a model's name where fetching it went wrong, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A model on disk and its card: `weights` is its one file, of a run folder the safetensors, of a SavedModel the
    graph.
    """

    name: str
    weights: Path
    card: Path
    form: Form

    @property
    def is_onnx(self) -> bool:
        """Tell whether it is an ONNX file."""
        return self.form == "onnx"

    @property
    def is_run(self) -> bool:
        """Tell whether it is a run folder, of which torch knows the network."""
        return self.form == "run"

    @property
    def path(self) -> Path:
        """Return the path by which it is named: that of its folder, or of its file."""
        return self.weights.parent if self.form in {"run", "saved_model"} else self.weights

    @property
    def files(self) -> list[Path]:
        """Return its weights: one file, but of a SavedModel also those of its variables, sorted."""
        if self.form != "saved_model":
            return [self.weights]
        return [self.weights, *sorted((self.weights.parent / VARIABLES).glob(f"{VARIABLES}.*"))]


def model_on_disk(path: Path) -> FoundModel:
    """Return the model that a path names: a run folder, a SavedModel, the file of an ONNX, TFLite or TensorFlow model,
    or a file of one; nothing but names is looked at.

    Raises InputRefused when there is none, saying what was looked for, and SecurityRefused for other formats.
    """
    if path.is_dir():
        return _in_folder(path)
    if not path.exists():
        raise _no_model(path)
    if path.name in {WEIGHTS, CARD, SAVED_MODEL}:
        return _in_folder(path.parent)
    for ending, form in ENDINGS.items():
        if path.name.endswith(ending):
            name = path.name.removesuffix(ending)
            return FoundModel(name=name, weights=path, card=path.with_name(f"{name}.yaml"), form=form)
    if path.suffix in {".yaml", ".yml"} and (beside := _beside_card(path)) is not None:
        return model_on_disk(beside)
    raise SecurityRefused(f"models are not read from {path.suffix or 'such'} files", where=path, remedy=CONVERT)


def fingerprint_of(found: FoundModel) -> str:
    """Return the SHA-256 of a model's file; of a SavedModel that of the names and SHA-256 of its files.

    Raises BadRecord where a file cannot be read.
    """
    if found.form != "saved_model":
        return fingerprint_file(found.weights)
    told = [f"{file.name} {fingerprint_file(file)}" for file in found.files]
    return sha256_of("\n".join(told).encode("utf-8", "surrogatepass"))


def read_model_file(file: Path) -> bytes:
    """Return the bytes of a weights or ONNX file of at most 2 GB.

    Raises InputRefused: missing, too large, no regular file, no model; SecurityRefused: a format that can carry code.
    """
    data = bytes_in(file)
    refuse_no_model(data, file=file)
    refuse_code(data, file=file)
    return data


def bytes_in(file: Path, *, below: Path | None = None, max_bytes: int = MAX_MODEL_BYTES) -> bytes:
    """Return the bytes of a file, found from `below` on. Raises InputRefused: missing, too large, no regular file."""
    try:
        return read_file(file, below=below, max_bytes=max_bytes)
    except BadRecord as problem:
        remedy = LINK_HINT if problem.hint == LINK_HINT else RESTORE
        raise InputRefused(problem.reason, where=file, remedy=remedy) from problem


def refuse_no_model(data: bytes, *, file: Path) -> None:
    """Raise InputRefused for what a download leaves in the place of a model, and for a TFLite file of another name."""
    if not data:
        raise InputRefused("the file is empty", where=file, remedy=RESTORE)
    head = data[:100].lstrip().lower()
    for beginning, (what, remedy) in NO_MODELS.items():
        if head.startswith(beginning):
            raise InputRefused(f"this is {what}, and not a model", where=file, remedy=remedy)
    if data[TFLITE_MARK_AT] == TFLITE_MARK and file.suffix != ".tflite":
        reason = "this is a TFLite file, not what its name says"
        raise InputRefused(reason, where=file, remedy="give its name the ending .tflite")


def refuse_other_hash(data: bytes, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused, naming both hashes, when the bytes are not those that the card was written for."""
    refuse_other_digest(sha256_of(data), card=card, file=file)


def refuse_other_digest(found: str, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused, naming both, when a SHA-256 is not the one that the card was written for."""
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
        return FoundModel(name=name, weights=folder / WEIGHTS, card=folder / CARD, form="run")
    if (folder / SAVED_MODEL).exists():
        named = Path(os.path.abspath(folder))  # noqa: PTH100 - a link is beside its card under its own name
        return FoundModel(
            name=named.name,
            weights=folder / SAVED_MODEL,
            card=folder.parent / f"{folder.name}.yaml" if folder.name else named.with_name(f"{named.name}.yaml"),
            form="saved_model",
        )
    if (folder / "checkpoints").is_dir():
        raise InputRefused(
            f"this training is not finished: {WEIGHTS} is missing",
            where=folder,
            remedy="run the same `curate train` again; it continues where it was",
        )
    files = sorted(file.name for ending in ENDINGS for file in folder.glob(f"*{ending}"))
    meant = f"name the file: {folder / files[0]}" if files else "name a folder that `curate train` made"
    raise InputRefused(f"no model in this folder: {WEIGHTS} is missing", where=folder, remedy=meant)


def _beside_card(card: Path) -> Path | None:
    """Return the model that a card lies beside, if there is one."""
    of_its_name = [card.with_name(f"{card.stem}{ending}") for ending in ENDINGS]
    folder = card.with_name(card.stem)
    found = [*of_its_name, *([folder] if (folder / SAVED_MODEL).exists() else [])]
    return next((path for path in found if path.exists()), None)


def _no_model(path: Path) -> CurateError:
    return InputRefused(
        "no such model",
        where=path,
        remedy=f"give a run folder of `curate train` (with {WEIGHTS} and {CARD}); an ONNX or TFLite file, a frozen "
        f"graph of TensorFlow (.pb, .tar.gz) or a SavedModel with a card beside it (name{ONNX} and name.yaml); or a "
        f"name in the registry such as {REGISTERED}portrait@champion",
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
