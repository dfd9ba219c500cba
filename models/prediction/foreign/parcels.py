"""The bytes of a model of TensorFlow or TFLite, out of file, folder or archive, and which outputs a card may name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeAlias

import msgspec

from curation.errors import InputRefused
from curation.storage.files import sha256_of
from models.model_files import SAVED_MODEL, VARIABLES, FoundModel, read_model_file, refuse_code
from models.packed_models import archive_bytes, model_in_archive, saved_model_files
from models.prediction.foreign.graphs import ends_of, parsed_graph
from models.prediction.foreign.saved_models import DEFAULT, choices_of, parsed_saved_model, reads_variables

Kind: TypeAlias = Literal["tflite", "frozen", "saved_model"]
WEIGHTS: Final = tuple(f"{VARIABLES}/{VARIABLES}.{part}" for part in ("index", "data-"))
"""Beginnings of the files of a SavedModel that hold its variables, which are of no use without each other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parcel:
    """The files of a model by their names in it, and where they came from."""

    kind: Kind
    files: dict[str, bytes]
    source: Path

    @property
    def digest(self) -> str:
        """Return what tells one parcel from another: the SHA-256 of the names and SHA-256 of the files."""
        told = {name: sha256_of(data) for name, data in self.files.items()}
        return sha256_of(msgspec.json.encode(told, order="deterministic"))

    @property
    def main(self) -> bytes:
        """Return its one file, or of a SavedModel the graph."""
        return self.files[SAVED_MODEL] if self.kind == "saved_model" else next(iter(self.files.values()))


def parcel_of(found: FoundModel) -> Parcel:
    """Return the bytes of a model that is neither a run folder nor an ONNX file.

    Raises InputRefused: missing, too large, not whole, several in one archive; SecurityRefused: a format that can carry
    code, or an archive whose members lead out of it.
    """
    if found.form == "saved_model":
        files = saved_model_files(found)
    elif found.form == "archive":
        files = model_in_archive(archive_bytes(found), file=found.weights)
    else:
        files = {found.weights.name: read_model_file(found.weights)}
    kind: Kind = "frozen"
    if SAVED_MODEL in files:
        kind = "saved_model"
    elif PurePosixPath(next(iter(files))).suffix == ".tflite":
        kind = "tflite"
    parcel = Parcel(kind=kind, files=files, source=found.path)
    refuse_code(parcel.main, file=found.weights)
    return parcel


def outputs_of(parcel: Parcel) -> list[str]:
    """Return which outputs a card may name of a model of TensorFlow. Raises InputRefused where it cannot be read."""
    if parcel.kind == "saved_model":
        model = parsed_saved_model(parcel.main, file=parcel.source)
        lacking = [part for part in WEIGHTS if not any(name.startswith(part) for name in parcel.files)]
        if lacking and (reads_variables(model) or len(lacking) < len(WEIGHTS)):
            reason = f"its weights are missing: there is no file {' and no '.join(f'{part}*' for part in lacking)}"
            raise InputRefused(reason, where=parcel.source, remedy="restore the whole folder from where it came")
        return choices_of(model)
    return ends_of(parsed_graph(parcel.main, file=parcel.source))


def chosen_output(outputs: list[str], *, name: str | None, parcel: Parcel) -> str:
    """Return which output is meant: the only one, or the one that the card names.

    Of several signatures it may leave out which, where only one of them gives an output of that name. In a frozen graph
    it may be any operator, also one that is not an end. Raises InputRefused, listing what there is.
    """
    of_signatures = {one: one.partition("/")[2] for one in outputs if parcel.kind == "saved_model"}
    meant = [one for one in outputs if name is None or name in {one, of_signatures.get(one)}]
    if len(meant) == 1:
        return meant[0]
    if name is not None and parcel.kind == "frozen":
        return name
    if not outputs:
        reason, remedy = "the model has no output", "save it again as it is used, with what it gives"
    elif name is None or meant:
        listed = meant or outputs
        what = _what(outputs, parcel=parcel)
        reason = f"the model has {what}: {', '.join(listed)}; the card does not say which is meant"
        first = next((one for one in listed if one.startswith(f"{DEFAULT}/")), listed[0])
        remedy = f"write one of them in the card, such as output_name: {first}"
    else:
        reason = f"output_name: the card says {name!r}, the model gives {', '.join(outputs)}"
        remedy = "correct output_name in the card"
    raise InputRefused(reason, where=parcel.source, remedy=remedy)


def _what(outputs: list[str], *, parcel: Parcel) -> str:
    """Say of what a model has several."""
    signatures = {one.partition("/")[0] for one in outputs if "/" in one and parcel.kind == "saved_model"}
    return f"{len(signatures)} signatures with {len(outputs)} outputs" if signatures else f"{len(outputs)} outputs"
