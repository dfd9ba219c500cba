"""The card of a model: how its input is made and how its output is read. A YAML file beside the weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
import yaml

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from curation.short_repr import short_repr
from curation.storage.files import read_file
from models.structure import Structure
from models.yaml_files.text import refuse_aliases, refuse_repeated_keys

MAX_CARD_BYTES: Final = 1_000_000
MAX_SIDE_PX: Final = 8192
MAX_BATCH: Final = 64
"""Images that a model may insist on having at once; more would not fit into memory beside each other."""
OF_CLASSES: Final = frozenset({"logits", "class_ids"})
"""Outputs that do not say which class is person."""
TRIMAP_CLASSES: Final = 3
"""Of background, unknown and foreground."""
EXPORTED: Final = "exported"
"""What a card's `training` calls the record of an export."""
TEACHER_LICENSES: Final = "teacher_licenses"
"""What a card's `training` calls the licences of the models that the model learnt from."""
UNSAID: Final = "???"
"""What stands in a card that `curate models --inspect` began, where a person has to say something."""
InputType: TypeAlias = Literal["uint8", "float16", "float32"]
OutputLayout: TypeAlias = Literal["NCHW", "NHWC", "HW"]


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to be known of a model beside its weights.

    `input_size` is (height, width) in pixels; an image is resized to it, keeping nothing of its aspect ratio.
    A pixel (0..255) enters as `(pixel - mean) / std`, each given per channel in the order of `channels`.
    `output` is what the model gives: "probability" or "logit" of person in one channel, "logits" of several classes, of
    which `person_index` is person, "class_ids", the number of the class of each pixel, or "alpha", 0..1 or 0..255
    (of several channels that of `person_index`, as of "probability").
    Where they are absent, `dtype` is that of the input in the graph, `output_name` the first output of the graph
    (no other may have its size; of TensorFlow the only one), and `output_layout` is `layout`; "HW" is an output without
    an axis of channels. A model that takes only so many images at once says so in its graph, or in `batch`.
    The remaining fields, but `license`, are set for models that `curate` made:
    `sha256` of the weights file, `network` with its number of `classes` (3: background, unknown, foreground),
    `class_names` of a network that tells parts of a person apart (the first is background, every other is person), its
    `structure` where that is not what the name alone stands for (with `prior: face` it takes the place of a face beside
    the image), `probe`, what the model says of one drawn picture, and
    `training`, where the weights come from.
    """

    input_size: tuple[int, int]
    channels: Literal["RGB", "BGR"]
    layout: Literal["NCHW", "NHWC"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output: Literal["probability", "logits", "logit", "class_ids", "alpha"]
    person_index: int = 0
    dtype: InputType | None = None
    output_name: str | None = None
    output_layout: OutputLayout | None = None
    batch: int | None = None
    name: str | None = None
    license: str | None = None
    network: str | None = None
    classes: int = 1
    class_names: tuple[str, ...] = ()
    structure: Structure = Structure()
    sha256: str | None = None
    probe: tuple[float, ...] = ()
    training: dict[str, Any] = {}

    __repr__ = short_repr

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing can be computed."""
        if not all(0 < side <= MAX_SIDE_PX for side in self.input_size):
            raise ValueError(f"input_size must be [height, width], each 1 to {MAX_SIDE_PX} - got {self.input_size}")
        if not all(map(math.isfinite, (*self.mean, *self.std, *self.probe))):
            raise ValueError("mean, std and probe must be finite numbers")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be above 0, per channel - got {self.std}")
        if max(self.std) < 1:
            in_pixels = ", ".join(f"{255 * value:.6g}" for value in self.std)
            raise ValueError(
                f"mean and std are in units of a pixel, 0..255, and std {list(self.std)} is of a pixel of 0..1: "
                f"multiply both by 255, std: [{in_pixels}]"
            )
        if self.person_index < 0 or self.classes < 1:
            raise ValueError("person_index must be 0 or more, classes 1 or more")
        if self.class_names and (len(self.class_names) != self.classes or self.output != "logits"):
            raise ValueError(
                f"class_names must be {self.classes} names, of `output: logits` - got {len(self.class_names)}"
            )
        if self.batch is not None and not 1 <= self.batch <= MAX_BATCH:
            raise ValueError(f"batch must be 1 to {MAX_BATCH} - got {self.batch}")

    @property
    def is_trimap(self) -> bool:
        """Tell whether the model gives background, unknown and foreground."""
        return self.classes == TRIMAP_CLASSES and not self.class_names

    @property
    def is_of_curate(self) -> bool:
        """Tell whether `curate` made the file: it was then compared with what it was made of."""
        return bool(self.probe) or (self.sha256 is not None and EXPORTED in self.training)

    @property
    def planes(self) -> OutputLayout:
        """Return how the axes of the output lie."""
        return self.output_layout or self.layout


def read_card(path: Path) -> ModelCard:
    """Return the card in a YAML file. Raises InputRefused naming the file, the field and what was expected."""
    try:
        text = read_file(path, max_bytes=MAX_CARD_BYTES)
        refuse_aliases(text)
        refuse_repeated_keys(text)
        _refuse_unsaid(text, path=path)
        card = msgspec.yaml.decode(text, type=ModelCard)
        if card.output in OF_CLASSES and "person_index" not in msgspec.yaml.decode(text):
            raise msgspec.ValidationError(f"`output: {card.output}` is of several classes, and person_index is missing")
        return card
    except BadRecord as problem:
        if problem.code != Code.MISSING_FILE:
            raise InputRefused(problem.reason, where=path, remedy=problem.hint) from problem
        remedy = (
            "begin one with `curate models --inspect MODEL > CARD`: input_size, channels, layout, mean, std, output"
        )
        raise InputRefused("the model has no card beside it", where=path, remedy=remedy) from None
    except msgspec.ValidationError as error:
        raise InputRefused(
            f"not a model card: {error}", where=path, remedy="correct the field that is named"
        ) from error
    except (yaml.YAMLError, msgspec.DecodeError, ValueError) as error:
        raise InputRefused(f"not YAML: {error}", where=path, remedy="correct the line that is named") from error


def _refuse_unsaid(text: bytes, *, path: Path) -> None:
    fields = yaml.safe_load(text)
    unsaid = [str(name) for name, value in fields.items() if value == UNSAID] if isinstance(fields, dict) else []
    if unsaid:
        raise InputRefused(
            f"the card still says {UNSAID} for {', '.join(unsaid)}",
            where=path,
            remedy="take them from where the model comes; `curate models --inspect` tells what may stand there",
        )


def known_licenses(card: ModelCard) -> tuple[str, ...]:
    """Return the licence of a model, and of the models whose labels or probabilities it learnt from, each once."""
    learnt = card.training.get(TEACHER_LICENSES, ())
    return tuple(dict.fromkeys(text for text in (card.license, *learnt) if text))


def card_text(card: ModelCard) -> bytes:
    """Return a card as YAML, without the fields that say nothing."""
    fields = msgspec.to_builtins(card)
    return msgspec.yaml.encode({name: value for name, value in fields.items() if value not in (None, {}, (), [])})
