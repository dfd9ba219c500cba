"""The card that a model's file allows to begin: what the file tells, and marks for what only a person can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.card import OF_CLASSES, UNSAID, OutputLayout
from models.prediction.checks.ports import Port
from models.prediction.output_axes import LAYOUTS, is_of_aspect, read_axes_of

WHOLE_NUMBERS: Final = frozenset({"int8", "int16", "int32", "int64"})
PIXELS: Final = "(pixel 0..255 - mean) / std"
ADVICE: Final[dict[str, str]] = {
    "input_size": "[height, width]; the file takes any: write that of the training",
    "channels": "RGB or BGR, as the model was trained",
    "layout": "NCHW or NHWC: which axis of the input is the channels",
    "mean": f"three numbers, x = {PIXELS}; pixel / 255 is [0, 0, 0], with std [255, 255, 255]",
    "std": "three numbers; of ImageNet mean [123.675, 116.28, 103.53] and std [58.395, 57.12, 57.375]",
    "output_layout": "NCHW, NHWC or HW: how the axes of the output lie",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an output held for a few pictures: its range, and whether its channels add up to 1 everywhere.

    `sides` is its shape for an input of `size` (height, width).
    """

    sides: tuple[int, ...]
    size: tuple[int, int]
    low: float
    high: float
    adds_up_to_one: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """An output of a model, and what it held; None where it could not be run."""

    port: Port
    seen: Seen | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunCard:
    """Fields that the file tells, and for the fields that it does not, what a person has to say."""

    known: dict[str, Any]
    to_say: dict[str, str]

    def lines(self) -> list[str]:
        """Return the card as YAML; `ModelCard` refuses it until every mark is replaced."""
        marks = [f"{name}: {UNSAID}" for name in self.to_say]
        width = max((len(mark) for mark in marks), default=0)
        told = [f"{name}: {_text(value)}" for name, value in self.known.items()]
        return [*told, *(f"{mark:<{width}}  # {advice}" for mark, advice in zip(marks, self.to_say.values()))]


def begun_card(taken: Port, outputs: Sequence[Output], *, others: Sequence[str] = ()) -> BegunCard:
    """Return the card that the input (4 axes) and the outputs of a graph, and the names of `others`, allow to begin."""
    known: dict[str, Any] = {}
    to_say: dict[str, str] = {}
    layout = layout_of(taken)
    size = None if layout is None else size_of(taken, layout=layout)
    _add("input_size", list(size) if size else None, known=known, to_say=to_say)
    _add("layout", layout, known=known, to_say=to_say)
    known["dtype"] = taken.dtype
    to_say["channels"] = ADVICE["channels"]
    if taken.dtype == "uint8":
        known |= {"mean": [0, 0, 0], "std": [1, 1, 1]}
    else:
        to_say |= {"mean": ADVICE["mean"], "std": ADVICE["std"]}
    if len(names := [*(one.port.name for one in outputs), *others]) > 1:
        to_say["output_name"] = "one of " + ", ".join(names)
    _add_output(outputs[0], layout=layout, size=size, known=known, to_say=to_say)
    return BegunCard(known=known, to_say=to_say)


def layout_of(taken: Port) -> str | None:
    """Return the layout of an input of 4 axes; None where either axis, or none, has three channels."""
    found = [name for name, axis in (("NCHW", 1), ("NHWC", 3)) if taken.sides[axis] == 3]
    return found[0] if len(found) == 1 else None


def size_of(taken: Port, *, layout: str) -> tuple[int, int] | None:
    """Return the height and width that an input of 4 axes takes; None where it takes any."""
    height, width = taken.sides[2:] if layout == "NCHW" else taken.sides[1:3]
    return None if height is None or width is None else (height, width)


def _add(name: str, value: Any, *, known: dict[str, Any], to_say: dict[str, str]) -> None:
    if value is None:
        to_say[name] = ADVICE[name]
    else:
        known[name] = value


def _add_output(
    output: Output,
    *,
    layout: str | None,
    size: tuple[int, int] | None,
    known: dict[str, Any],
    to_say: dict[str, str],
) -> None:
    sides: tuple[int | None, ...] = output.port.sides
    if output.seen is not None:
        sides, size = output.seen.sides, output.seen.size
    fits = _layouts(sides, size=size)
    if len(fits) != 1:
        to_say["output_layout"] = ADVICE["output_layout"]
    elif fits[0] != layout:
        known["output_layout"] = fits[0]
    channels = _channels(sides, layout=fits[0]) if len(fits) == 1 else None
    kind = _kind(output, channels=channels)
    if kind is not None:
        known["output"] = kind
    else:
        one = "logit (log-odds of person), probability (0..1), alpha (0..255), class_ids (numbers of classes)"
        several = "logits (before a softmax), probability (after it)"
        to_say["output"] = one if channels == 1 else several if channels else f"{several}; of one channel {one}"
    if kind in OF_CLASSES or channels != 1:
        which = f"which of the {channels} channels is person, 0 to {channels - 1}" if channels else "the one of person"
        to_say["person_index"] = "the number of the class person" if kind == "class_ids" else which


def _layouts(sides: tuple[int | None, ...], *, size: tuple[int, int] | None) -> list[OutputLayout]:
    """Return the layouts in which an output can be a plane like the input; without channels it is HW alone."""
    if len(sides) in {2, 3}:
        return ["HW"]
    if size is None or None in sides[1:]:
        return []
    found: list[OutputLayout] = []
    for layout in LAYOUTS:
        axes = read_axes_of([side or 1 for side in sides], layout=layout)
        if axes is not None and is_of_aspect(axes.plane, size=size):
            found.append(layout)
    return [layout for layout in found if layout != "HW"] or found


def _channels(sides: tuple[int | None, ...], *, layout: OutputLayout) -> int | None:
    if layout == "HW":
        return 1
    return sides[1 if layout == "NCHW" else 3]


def _kind(output: Output, *, channels: int | None) -> str | None:
    """Return what an output is, where nothing else is possible: numbers of classes, or what a softmax gives."""
    if channels == 1 and output.port.dtype in WHOLE_NUMBERS:
        return "class_ids"
    is_softmax = output.seen is not None and output.seen.adds_up_to_one and (channels or 0) > 1
    return "probability" if is_softmax else None


def _text(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
