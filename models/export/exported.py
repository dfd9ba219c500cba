"""An exported file as a model that can be run again: ncnn's and OpenVINO's two files, which no other command reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.storage.files import sha256_of
from models.card import ModelCard, read_card
from models.export.forms import ENDINGS, Exported, Form, exported_as, file_at
from models.model_files import read_model_file

GRAPHS: Final[dict[str, Form]] = {".xml": "openvino", ".param": "ncnn"}
"""Endings of the graphs of forms that are two files."""
AGAIN: Final = "export it again"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedFiles:
    """The two files of an export by their endings, its card, and the record in that."""

    name: str
    path: Path
    files: dict[str, bytes]
    card: ModelCard
    record: Exported


def exported_files(path: Path) -> ExportedFiles | None:
    """Return the export of which a path is the graph or the numbers; None where it has neither ending.

    Raises InputRefused where a file or the record is missing, or a file is not what the card says.
    """
    form = GRAPHS.get(path.suffix) or _of_numbers(path)
    if form is None:
        return None
    stem = path.with_name(path.name.removesuffix(path.suffix))
    card_file = file_at(stem, ".yaml")
    card = read_card(card_file)
    record = exported_as(card)
    if record is None or record.form != form:
        raise InputRefused(
            f"the card is not that of a {form} file which `curate export` wrote", where=card_file, remedy=AGAIN
        )
    files = {ending: read_model_file(file_at(stem, ending)) for ending in ENDINGS[form]}
    for ending, data in files.items():
        if sha256_of(data) != record.files.get(ending):
            reason = "this is not the file that the card was written for: damaged, or of another model"
            raise InputRefused(reason, where=file_at(stem, ending), remedy=AGAIN)
    return ExportedFiles(name=path.name, path=file_at(stem, ENDINGS[form][0]), files=files, card=card, record=record)


def _of_numbers(path: Path) -> Form | None:
    if path.suffix != ".bin":
        return None
    stem = path.with_name(path.name.removesuffix(path.suffix))
    return next((form for ending, form in GRAPHS.items() if file_at(stem, ending).exists()), None)
