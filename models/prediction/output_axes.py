"""Which axis of a model's output is which: as its card says, never guessed, and only where the plane fits the image.

An output that is read with its axes exchanged still gives numbers, and a score that is wrong in silence. The aspect of
the plane tells, and the number of channels; where another reading would fit, the refusal names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from curation.errors import InputRefused
from models.card import ModelCard, OutputLayout

LAYOUTS: Final[tuple[OutputLayout, ...]] = ("NCHW", "NHWC", "HW")
AXES: Final[dict[OutputLayout, str]] = {
    "NCHW": "(n, channels, height, width)",
    "NHWC": "(n, height, width, channels)",
    "HW": "(n, height, width)",
}
SHARES: Final = frozenset({"probability", "alpha"})
"""Outputs of one channel, or of several of which one is person."""
Order = tuple[int | None, int | None, int, int]


class WrongShape(InputRefused):
    """The model gives an output of another shape than its card says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAxes:
    """Where images, channels, height and width lie in an output (None: there is no such axis), and their sizes."""

    order: Order
    images: int
    channels: int
    plane: tuple[int, int]


def read_axes(shape: Sequence[int], *, card: ModelCard) -> OutputAxes:
    """Return the axes of an output of this shape.

    Raises WrongShape when it has another shape than the card says, or its plane not the aspect of the input.
    """
    axes = read_axes_of(shape, layout=card.planes)
    if axes is None or not _has_channels(axes, card=card) or not is_of_aspect(axes.plane, size=card.input_size):
        raise _wrong_shape(shape, axes=axes, card=card)
    return axes


def is_of_aspect(plane: tuple[int, int], *, size: tuple[int, int]) -> bool:
    """Tell whether a plane (h, w) is one of `size` (height, width) at any scale, each side rounded up or down.

    >>> is_of_aspect((65, 49), size=(513, 385)), is_of_aspect((49, 65), size=(513, 385))
    (True, False)
    """
    (h, w), (height, width) = plane, size
    # the scales at which a side is h, (h - 1) / height < scale < (h + 1) / height, and those of w have one in common
    return (h - 1) * width < (w + 1) * height and (w - 1) * height < (h + 1) * width


def read_axes_of(shape: Sequence[int], *, layout: OutputLayout) -> OutputAxes | None:
    """Return the axes that a shape has when it is read as a layout; None when it cannot be."""
    order: Order | None = None
    if len(shape) == 4 and layout == "NCHW":
        order = (0, 1, 2, 3)
    elif len(shape) == 4 and layout == "NHWC":
        order = (0, 3, 1, 2)
    elif len(shape) == 4 and 1 in (shape[1], shape[3]):  # HW, whose axis of one channel was kept
        order = (0, 1, 2, 3) if shape[1] == 1 else (0, 3, 1, 2)
    elif len(shape) == 3:
        order = (0, None, 1, 2)
    elif len(shape) == 2:
        order = (None, None, 0, 1)
    if order is None:
        return None
    images, channels, height, width = order
    return OutputAxes(
        order=order,
        images=1 if images is None else shape[images],
        channels=1 if channels is None else shape[channels],
        plane=(shape[height], shape[width]),
    )


def _has_channels(axes: OutputAxes, *, card: ModelCard) -> bool:
    if card.output == "logits":
        return axes.channels > max(1, card.person_index)
    return axes.channels == 1 or (card.output in SHARES and axes.channels > card.person_index)


def _wrong_shape(shape: Sequence[int], *, axes: OutputAxes | None, card: ModelCard) -> WrongShape:
    reason = f"the model gives an output of shape {tuple(shape)}"
    height, width = card.input_size
    if axes is None:
        reason += f", which is not {AXES[card.planes]}"
    elif not is_of_aspect(axes.plane, size=card.input_size):
        high, wide = axes.plane
        reason += f", as {AXES[card.planes]} a plane of {high} x {wide}, at no scale the input's {height} x {width}"
    elif axes.channels == 1:
        reason += "; output: the card says logits, of two classes or more"
    elif card.output == "logits" or card.output in SHARES:
        reason += f"; person_index: the card says {card.person_index}, its channels are 0 to {axes.channels - 1}"
    else:
        reason += f"; output: the card says {card.output}, which is one channel, and it gives {axes.channels}"
    return WrongShape(reason, remedy=_remedy(shape, card=card))


def _remedy(shape: Sequence[int], *, card: ModelCard) -> str:
    for layout in LAYOUTS:
        axes = read_axes_of(shape, layout=layout)
        if axes is None or layout == card.planes or not is_of_aspect(axes.plane, size=card.input_size):
            continue
        if _has_channels(axes, card=card):
            return f"as `output_layout: {layout}` it would fit: write that in the card if it is so"
    axes = read_axes_of(shape, layout=card.planes)
    if axes is not None and is_of_aspect(axes.plane, size=card.input_size):
        return "correct output, output_layout or person_index in the card"
    return (
        "no card can say where the image is in it: name another output in `output_name`, or export the model again "
        "with its output as (n, channels, height, width)"
    )
