"""The forms in which a model leaves: their files and names, and what a finished export is known by again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from curation.errors import ConfigurationProblem, InputRefused
from curation.storage.files import fingerprint_file, make_folder, sha256_of, write_durable
from models.card import EXPORTED, ModelCard, card_text, read_card
from models.model_files import ENDINGS as OF_MODELS
from models.model_files import SAVED_MODEL

Form: TypeAlias = Literal["onnx", "openvino", "ncnn", "tflite"]
ENDINGS: Final[dict[Form, tuple[str, ...]]] = {
    "onnx": (".onnx",),
    "openvino": (".xml", ".bin"),
    "ncnn": (".param", ".bin"),
    "tflite": (".tflite",),
}
"""Of the files of a form, the graph first: its SHA-256 stands in the card."""
QUANTISED: Final[tuple[Form, ...]] = ("onnx", "openvino")
"""The forms that are written in int8."""
CHOOSE: Final = "choose another name, or replace it with --overwrite"


class Exported(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an exported file was made of, in its card: the form, the SHA-256 of the model and of the images that int8
    was calibrated on, that of each file by its ending, and the cost of an image where it cannot be read from the file.
    """

    form: Form
    of: str
    calibrated_on: str | None = None
    files: dict[str, str] = {}
    cost: dict[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A model in another form: the bytes of each file by its ending, and the card."""

    files: Mapping[str, bytes]
    card: ModelCard


def stem_of(out: Path, *, form: Form) -> Path:
    """Return the path of the files of a form without their endings; `out` names one of them, or the stem.

    Raises ConfigurationProblem for the ending of another form, and where a form of one file is not named by it.

    >>> stem_of(Path("phone/unet.v2"), form="ncnn").name, stem_of(Path("unet.bin"), form="openvino").name
    ('unet.v2', 'unet')
    """
    own = ENDINGS[form]
    for ending in own:
        if out.name.endswith(ending) and out.name != ending:
            return out.with_name(out.name.removesuffix(ending))
    if len(own) == 1:
        told = f"{out} does not end in {own[0]}, as the file of --to {form} does"
        raise ConfigurationProblem(told, remedy="give it that ending")
    others = {ending for endings in ENDINGS.values() for ending in endings} - set(own)
    if out.suffix in others or not out.name:
        raise ConfigurationProblem(
            f"--out {out} is not the name of a file of --to {form}",
            remedy=f"leave the ending out; the files get {' and '.join(own)}",
        )
    return out


def file_at(stem: Path, ending: str) -> Path:
    """Return the path of the file of a stem that has an ending."""
    return stem.with_name(f"{stem.name}{ending}")


def refuse_neighbours(stem: Path, *, form: Form) -> None:
    """Raise InputRefused where a model of another form has this stem: one card cannot be that of both."""
    heads = {*(endings[0] for endings in ENDINGS.values()), *OF_MODELS} - {ENDINGS[form][0]}
    for other in (*(file_at(stem, ending) for ending in sorted(heads)), stem / SAVED_MODEL):
        if other.exists():
            raise InputRefused(
                "a model of another form has this name, and its card would be replaced",
                where=other,
                remedy="choose another --out",
            )


def publish(made: Made, *, stem: Path) -> None:
    """Write the files of a model and its card beside them, each whole or not at all, the card last."""
    make_folder(stem.parent)
    for ending, data in made.files.items():
        write_durable(file_at(stem, ending), data)
    write_durable(file_at(stem, ".yaml"), card_text(made.card))


def refuse_strangers(files: Mapping[str, bytes], *, stem: Path) -> None:
    """Raise InputRefused where a file of this name, beside which no card lies, is not the one that is to be written.

    It may be anybody's. An export that was stopped before its card has left the same bytes.
    """
    for ending, data in files.items():
        path = file_at(stem, ending)
        if path.exists() and not (path.is_file() and fingerprint_file(path) == sha256_of(data)):
            raise InputRefused("there is another file under this name, without a card", where=path, remedy=CHOOSE)


def another_model(file: Path) -> InputRefused:
    """Return the refusal to replace another model."""
    return InputRefused("there is another model under this name", where=file, remedy=CHOOSE)


def is_published(wanted: Exported, *, stem: Path) -> bool:
    """Tell whether the whole export that is wanted, whatever its files hold, is there.

    Raises InputRefused when something else has its name.
    """
    files = [file_at(stem, ending) for ending in ENDINGS[wanted.form]]
    card = file_at(stem, ".yaml")
    if not card.exists():
        return False  # an export that was stopped before its card
    there = exported_as(read_card(card))
    if there is not None and all(file.exists() for file in files):
        is_whole = there.files == {ending: fingerprint_file(file_at(stem, ending)) for ending in ENDINGS[wanted.form]}
        if is_whole and msgspec.structs.replace(there, files={}, cost=None) == wanted:
            return True
    raise another_model(files[0])


def exported_as(card: ModelCard) -> Exported | None:
    """Return the record of an export in a card, None where it has none."""
    try:
        return msgspec.convert(card.training.get(EXPORTED), Exported)
    except msgspec.ValidationError:
        return None


def with_record(
    card: ModelCard, *, wanted: Exported, files: Mapping[str, bytes], cost: dict[str, int] | None
) -> ModelCard:
    """Return the card of exported files, which remembers what they were made of; it no longer knows the probe.

    Another runtime, and int8 more so, answers the probe otherwise than torch.
    """
    record = msgspec.structs.replace(
        wanted, files={ending: sha256_of(data) for ending, data in files.items()}, cost=cost
    )
    return msgspec.structs.replace(
        card,
        sha256=record.files[ENDINGS[wanted.form][0]],
        probe=(),
        training=card.training | {EXPORTED: msgspec.to_builtins(record)},
    )
