"""The card of a model: how its input is made and how its output is read. A YAML file beside the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from curation.errors import InputRefused


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to be known of a model beside its weights.

    `input_size` is (height, width) in pixels; an image is resized to it, keeping nothing of its aspect ratio.
    A pixel (0..255) enters as `(pixel - mean) / std`, each given per channel in the order of `channels`.
    `output` is what the model gives: "probability" or "logit" of person in one channel, or "logits" of several
    classes, of which `person_index` is person. The remaining fields are set for models that `curate` made:
    `sha256` of the weights file, `network` with its number of `classes` (3: background, unknown, foreground),
    and `training`, where the weights come from.
    """

    input_size: tuple[int, int]
    channels: Literal["RGB", "BGR"]
    layout: Literal["NCHW", "NHWC"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: Literal["probability", "logits", "logit"]
    person_index: int = 0
    network: str | None = None
    classes: int = 1
    sha256: str | None = None
    training: dict[str, Any] = {}


def read_card(path: Path) -> ModelCard:
    """Give the card in a YAML file. Raises InputRefused naming the file, the field and what was expected."""
    try:
        return msgspec.yaml.decode(path.read_bytes(), type=ModelCard)
    except FileNotFoundError:
        remedy = "write one: input_size, channels, layout, mean, std, output, person_index (see README)"
        raise InputRefused("the model has no card beside it", where=path, remedy=remedy) from None
    except msgspec.ValidationError as error:
        raise InputRefused(f"not a model card: {error}", where=path, remedy="mend the field that is named") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise InputRefused(f"not YAML: {error}", where=path, remedy="mend the line that is named") from error


def card_text(card: ModelCard) -> bytes:
    """Give a card as YAML, without the fields that say nothing."""
    fields = msgspec.to_builtins(card)
    return msgspec.yaml.encode({name: value for name, value in fields.items() if value not in (None, {})})
