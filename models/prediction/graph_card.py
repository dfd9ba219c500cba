"""Whether the graph of an ONNX file takes and gives what its card says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto

from curation.errors import InputRefused
from models.card import ModelCard


def refuse_other_graph(data: bytes, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused listing every way in which a checked ONNX model differs from its card."""
    model = onnx.load_model_from_string(data)
    found = list(_differences(model, card=card))
    if found:
        listed = "\n    ".join(found)
        raise InputRefused(
            f"the model and its card do not agree:\n    {listed}",
            where=file,
            remedy="correct the card, whose fields are named",
        )


def _differences(model: ModelProto, *, card: ModelCard) -> Iterator[str]:
    graph = model.graph
    if len(graph.input) != 1:
        names = ", ".join(value.name for value in graph.input)
        yield f"the model has {len(graph.input)} inputs ({names}), one image is expected"
        return
    yield from _differences_of_input(graph.input[0], card=card)
    if not graph.output:
        yield "the model has no output"
    else:
        yield from _differences_of_output(graph.output[0], card=card)


def _differences_of_input(value: ValueInfoProto, *, card: ModelCard) -> Iterator[str]:
    kind, sides = value.type.tensor_type.elem_type, _sides(value)
    if kind != TensorProto.FLOAT:
        yield f"the input {value.name!r} is {TensorProto.DataType.Name(kind).lower()}, float is expected"
    if len(sides) != 4:
        yield f"the input {value.name!r} has {len(sides)} axes, 4 are expected (layout: {card.layout})"
        return
    at = ["height", "width"]
    order = ["batch", "channels", *at] if card.layout == "NCHW" else ["batch", *at, "channels"]
    found = dict(zip(order, sides))
    if found["batch"] not in {None, 1}:
        yield f"the model takes {found['batch']} images at once; 1 or any number is expected"
    if found["channels"] not in {None, 3}:
        other = "NHWC" if card.layout == "NCHW" else "NCHW"
        meant = f"; with layout: {other} it would be 3" if sides[1 if other == "NCHW" else 3] == 3 else ""
        yield f"layout: the card says {card.layout}, where the model takes {found['channels']} channels{meant}"
        return
    for side, wanted in zip(at, card.input_size):
        if found[side] not in {None, wanted}:
            yield f"input_size: the model takes a {side} of {found[side]}, the card says {wanted}"


def _differences_of_output(value: ValueInfoProto, *, card: ModelCard) -> Iterator[str]:
    sides = _sides(value)
    if len(sides) != 4:
        return  # the run on the probe tells
    channels = sides[1 if card.layout == "NCHW" else 3]
    if channels is None:
        return
    if card.network is not None and channels != card.classes:
        yield f"classes: the model gives {channels}, the card says {card.classes}"
    if card.output == "logit" and channels != 1:
        yield f"output: the card says logit, which is one channel; the model gives {channels}"
    if card.output == "logits" and channels < 2:
        yield "output: the card says logits, of two classes or more; the model gives one channel"
    if card.output != "logit" and channels > 1 and card.person_index >= channels:
        yield f"person_index: the card says {card.person_index}, the model's channels are 0 to {channels - 1}"


def _sides(value: ValueInfoProto) -> list[int | None]:
    """Give the shape; None where a side is not fixed."""
    return [side.dim_value if side.HasField("dim_value") else None for side in value.type.tensor_type.shape.dim]
