"""Whether what a model takes and gives is what its card says, whatever the form of its file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import msgspec

from curation.errors import InputRefused
from models.card import MAX_BATCH, MAX_SIDE_PX, InputType, ModelCard
from models.prediction.output_axes import WrongShape, read_axes

PLACE: Final = (2, 3)
"""The shape of the place of a face, beside the axis of images."""
INPUT_TYPES: Final = frozenset(get_args(InputType))
MEND_CARD: Final = "correct the card, whose fields are named"
ONE_IMAGE: Final = (
    "no card can correct that: export the model again so that it takes one image of 3 channels, as float32, float16 or "
    "uint8, and no more, e.g. as a module whose `forward` takes the image alone and fills in the rest"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output of a graph: its name, its type as NumPy calls it, its shape; None is a side of any size."""

    name: str
    dtype: str
    sides: tuple[int | None, ...]


def agreed_ports(
    inputs: Sequence[Port], outputs: Sequence[Port], *, card: ModelCard, file: Path
) -> tuple[int, ModelCard]:
    """Return which output the card names, and the card as the model is run by.

    In that card `dtype` and `batch` are those of the graph, where the card says nothing of them.
    Raises InputRefused listing every way in which the model differs from its card.
    """
    if found := list(_other_than_image(inputs, card=card)):
        raise refused(found, file=file, remedy=ONE_IMAGE)
    index = output_index(outputs, name=card.output_name, file=file)
    run_by = _as_graph_says(inputs[0], card=card)
    if found := list(_differences(inputs[0], outputs[index], card=run_by)):
        raise refused(found, file=file, remedy=MEND_CARD)
    return index, run_by


def _other_than_image(inputs: Sequence[Port], *, card: ModelCard) -> Iterator[str]:
    """Yield in which ways a model takes something else than images, and places of faces where its card says so."""
    if not card.structure.takes_place:
        yield from no_image(inputs)
        return
    yield from no_image(inputs[:1])
    found = [(port.dtype, port.sides[1:]) for port in inputs[1:]]
    if found != [("float32", PLACE)]:
        told = ", ".join(f"{port.name} {list(port.sides)}" for port in inputs[1:]) or "none"
        yield f"structure: with `prior: face` a second input of places [n, 2, 3] float32 is expected - got {told}"


def no_image(inputs: Sequence[Port]) -> Iterator[str]:
    """Yield in which ways a model takes something else than images, whatever its card says."""
    if len(inputs) != 1:
        names = ", ".join(port.name for port in inputs)
        yield f"the model has {len(inputs)} inputs ({names}), one image is expected"
        return
    [port] = inputs
    if len(port.sides) != 4:
        yield f"the input {port.name!r} has {len(port.sides)} axes, 4 are expected"
        return
    batch, *sides = port.sides
    if port.dtype not in INPUT_TYPES:
        yield f"the input {port.name!r} is {port.dtype}, which is none of uint8, float16 and float32"
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        yield f"batch: the model takes {batch} images at once, {MAX_BATCH} at most are possible"
    if sides[0] not in {None, 3} and sides[2] not in {None, 3}:
        yield f"the input {port.name!r} takes {sides[0]} or {sides[2]} channels, an image has 3"
    if any(side is not None and not 1 <= side <= MAX_SIDE_PX for side in sides):
        yield f"input_size: the input {port.name!r} is {list(port.sides)}; a side has 1 to {MAX_SIDE_PX} pixels"


def output_index(outputs: Sequence[Port], *, name: str | None, file: Path) -> int:
    """Return which output has a name; without a name the first, if no other has its shape. Raises InputRefused."""
    names = [port.name for port in outputs]
    if (name is not None and name not in names) or not names:
        told = f"output_name: the card says {name!r}, the model gives {', '.join(names)}" if names else ""
        raise refused([told or "the model has no output"], file=file, remedy=MEND_CARD if names else ONE_IMAGE)
    if name is not None:
        return names.index(name)
    twins = [port.name for port in outputs if port.sides == outputs[0].sides]
    if len(twins) > 1:
        told = f"output_name: the model gives {', '.join(twins)}, all alike; the card names none"
        raise refused([told], file=file, remedy=f"write one of them in the card, such as output_name: {twins[0]}")
    return 0


def refused(found: Sequence[str], *, file: Path, remedy: str) -> InputRefused:
    """Return the refusal of a model that is not as its card says, in these ways."""
    listed = "\n    ".join(found)
    return InputRefused(f"the model and its card do not agree:\n    {listed}", where=file, remedy=remedy)


def _as_graph_says(port: Port, *, card: ModelCard) -> ModelCard:
    dtype: InputType = port.dtype  # type: ignore[assignment]  # one of INPUT_TYPES
    return msgspec.structs.replace(card, dtype=card.dtype or dtype, batch=card.batch or port.sides[0])


def _differences(taken: Port, given: Port, *, card: ModelCard) -> Iterator[str]:
    yield from _differences_of_input(taken, card=card)
    plane = taken.sides[2:] if card.layout == "NCHW" else taken.sides[1:3]
    if not given.sides or None in (*given.sides[1:], *plane):
        return  # the run on the probe tells; of an input of any size, exporters write a size of the output that is not
    as_taken = msgspec.structs.replace(card, input_size=(plane[0] or 1, plane[1] or 1))
    try:
        channels = read_axes([side or 1 for side in given.sides], card=as_taken).channels
    except WrongShape as error:
        yield f"{error.reason} ({error.remedy})"
        return
    if card.network is not None and channels != card.classes:
        yield f"classes: the model gives {channels}, the card says {card.classes}"


def _differences_of_input(port: Port, *, card: ModelCard) -> Iterator[str]:
    if port.dtype != card.dtype:
        yield f"dtype: the card says {card.dtype}, the input {port.name!r} is {port.dtype}"
    elif port.dtype == "uint8" and (any(card.mean) or set(card.std) != {1.0}):
        yield (
            f"mean, std: the input {port.name!r} is uint8 and takes pixels as they are: "
            "mean: [0, 0, 0] and std: [1, 1, 1]"
        )
    at = ["height", "width"]
    order = ["batch", "channels", *at] if card.layout == "NCHW" else ["batch", *at, "channels"]
    found = dict(zip(order, port.sides))
    if found["batch"] not in {None, card.batch}:
        yield f"batch: the model takes {found['batch']} images at once, the card says {card.batch}"
    if found["channels"] not in {None, 3}:
        other = "NHWC" if card.layout == "NCHW" else "NCHW"
        meant = f"with layout: {other} it would be {port.sides[1 if other == 'NCHW' else 3] or 'any number'}"
        yield f"layout: the card says {card.layout}, where the model takes {found['channels']} channels; {meant}"
        return
    for side, wanted in zip(at, card.input_size):
        if found[side] not in {None, wanted}:
            yield f"input_size: the model takes a {side} of {found[side]}, the card says {wanted}"
