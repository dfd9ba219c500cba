"""The card of a model of faces: how its picture is made and its outputs are read. A YAML file beside the ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

import msgspec
import yaml

from curation.errors import InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from models.card import MAX_CARD_BYTES, MAX_SIDE_PX
from models.yaml_files.text import refuse_aliases, refuse_repeated_keys

STRIDE: Final = 32
"""Sides that such networks take are multiples of it."""


class FaceCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to be known of a model of faces beside its weights.

    `reads` is how its outputs are read: "centerface", a map of where faces are, at a quarter of the picture, with the
    logarithms of their heights and widths, how far their middles are from those of the cells, and five points. The four
    names are those of these outputs. The picture is a square of `side` pixels, in which the photograph lies whole; a
    pixel (0..255) enters as `(pixel - mean) / std`, per channel in the order of `channels`.
    """

    reads: Literal["centerface"]
    heatmap: str
    sizes: str
    offsets: str
    points: str
    side: int = 640
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    least_confidence: float = 0.5
    name: str | None = None
    license: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing can be computed."""
        if not 0 < self.side <= MAX_SIDE_PX or self.side % STRIDE:
            raise ValueError(f"side must be a multiple of {STRIDE}, at most {MAX_SIDE_PX} - got {self.side}")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be above 0, per channel - got {self.std}")
        if not 0 < self.least_confidence < 1:
            raise ValueError(f"least_confidence must be between 0 and 1 - got {self.least_confidence}")


def read_face_card(path: Path) -> FaceCard:
    """Return the card in a YAML file. Raises InputRefused naming the file, the field and what was expected."""
    try:
        text = read_file(path, max_bytes=MAX_CARD_BYTES)
        refuse_aliases(text)
        refuse_repeated_keys(text)
        return msgspec.yaml.decode(text, type=FaceCard)
    except BadRecord as problem:
        remedy = (
            "write one beside the model: reads: centerface, heatmap, sizes, offsets, points (names of outputs), side"
        )
        raise InputRefused("the model of faces has no card beside it", where=path, remedy=remedy) from problem
    except (yaml.YAMLError, msgspec.DecodeError, ValueError) as error:
        remedy = "correct the field that is named"
        raise InputRefused(f"not a card of a model of faces: {error}", where=path, remedy=remedy) from error
