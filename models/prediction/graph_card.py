"""Whether the graph of an ONNX file takes and gives what its card says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import onnx
from onnx import TensorProto, ValueInfoProto

from curation.errors import InputRefused
from models.card import MAX_BATCH, InputType, ModelCard
from models.prediction.output_axes import WrongShape, read_axes

INPUT_TYPES: Final[dict[int, InputType]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
MEND_CARD: Final = "correct the card, whose fields are named"
ONE_IMAGE: Final = (
    "no card can mend that: export the model again so that it takes one image of 3 channels and no more, "
    "e.g. as a module whose `forward` takes the image alone and fills in the rest"
)


def agreed(data: bytes, *, card: ModelCard, file: Path) -> tuple[bytes, ModelCard]:
    """Return a checked ONNX model that gives the one output that the card names, and the card as it is run by.

    In that card `dtype` and `batch` are those of the graph, where the card says nothing of them.
    Raises InputRefused listing every way in which the model differs from its card.
    """
    model = onnx.load_model_from_string(data)
    graph = model.graph
    if len(graph.input) != 1 or len(_sides(graph.input[0])) != 4:
        raise _refused([_no_image(graph.input)], file=file, remedy=ONE_IMAGE)
    names = [value.name for value in graph.output]
    chosen = next((value for value in graph.output if card.output_name in {None, value.name}), None)
    if chosen is None:
        told = f"output_name: the card says {card.output_name!r}, the model gives {', '.join(names)}" if names else ""
        raise _refused([told or "the model has no output"], file=file, remedy=MEND_CARD if names else ONE_IMAGE)
    twins = [value.name for value in graph.output if _sides(value) == _sides(chosen)]
    if card.output_name is None and len(twins) > 1:
        told = f"output_name: the model gives {', '.join(twins)}, which nothing tells apart; the card names none"
        raise _refused([told], file=file, remedy=f"write one of them in the card, such as output_name: {twins[0]}")
    kept = onnx.ValueInfoProto()
    kept.CopyFrom(chosen)
    run_by = _as_graph_says(graph.input[0], card=card)
    if found := list(_differences(graph.input[0], kept, card=run_by)):
        is_lost = any("channels, an image" in one or "is none of" in one for one in found)
        raise _refused(found, file=file, remedy=ONE_IMAGE if is_lost else MEND_CARD)
    if len(names) > 1:
        del graph.output[:]
        graph.output.append(kept)
        data = model.SerializeToString()
    return data, run_by


def refuse_other_graph(data: bytes, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused listing every way in which a checked ONNX model differs from its card."""
    agreed(data, card=card, file=file)


def _refused(found: list[str], *, file: Path, remedy: str) -> InputRefused:
    listed = "\n    ".join(found)
    return InputRefused(f"the model and its card do not agree:\n    {listed}", where=file, remedy=remedy)


def _no_image(inputs: object) -> str:
    values: list[ValueInfoProto] = list(inputs)  # type: ignore[call-overload]
    if len(values) != 1:
        names = ", ".join(value.name for value in values)
        return f"the model has {len(values)} inputs ({names}), one image is expected"
    return f"the input {values[0].name!r} has {len(_sides(values[0]))} axes, 4 are expected"


def _as_graph_says(value: ValueInfoProto, *, card: ModelCard) -> ModelCard:
    batch, dtype = _sides(value)[0], INPUT_TYPES.get(value.type.tensor_type.elem_type)
    is_possible = batch is not None and 1 <= batch <= MAX_BATCH
    return msgspec.structs.replace(
        card, dtype=card.dtype or dtype, batch=card.batch or (batch if is_possible else None)
    )


def _differences(taken: ValueInfoProto, given: ValueInfoProto, *, card: ModelCard) -> Iterator[str]:
    yield from _differences_of_input(taken, card=card)
    plane = _sides(taken)[2:] if card.layout == "NCHW" else _sides(taken)[1:3]
    if not (sides := _sides(given)) or None in (*sides[1:], *plane):
        return  # the run on the probe tells; of an input of any size, exporters write a size of the output that is not
    as_taken = msgspec.structs.replace(card, input_size=(plane[0] or 1, plane[1] or 1))
    try:
        channels = read_axes([side or 1 for side in sides], card=as_taken).channels
    except WrongShape as error:
        yield f"{error.reason} ({error.remedy})"
        return
    if card.network is not None and channels != card.classes:
        yield f"classes: the model gives {channels}, the card says {card.classes}"


def _differences_of_input(value: ValueInfoProto, *, card: ModelCard) -> Iterator[str]:
    kind, sides = value.type.tensor_type.elem_type, _sides(value)
    told = TensorProto.DataType.Name(kind).lower()
    if kind not in INPUT_TYPES:
        yield f"the input {value.name!r} is {told}, which is none of uint8, float16 and float32"
    elif INPUT_TYPES[kind] != card.dtype:
        yield f"dtype: the card says {card.dtype}, the input {value.name!r} is {INPUT_TYPES[kind]}"
    elif kind == TensorProto.UINT8 and (any(card.mean) or set(card.std) != {1.0}):
        yield (
            f"mean, std: the input {value.name!r} is uint8 and takes pixels as they are: "
            "mean: [0, 0, 0] and std: [1, 1, 1]"
        )
    at = ["height", "width"]
    order = ["batch", "channels", *at] if card.layout == "NCHW" else ["batch", *at, "channels"]
    found = dict(zip(order, sides))
    if found["batch"] not in {None, card.batch}:
        said = f"the card says {card.batch}" if card.batch else f"{MAX_BATCH} at most are possible"
        yield f"batch: the model takes {found['batch']} images at once, {said}"
    if found["channels"] not in {None, 3}:
        other = "NHWC" if card.layout == "NCHW" else "NCHW"
        if sides[1 if other == "NCHW" else 3] == 3:
            meant = f"with layout: {other} it would be 3"
            yield f"layout: the card says {card.layout}, where the model takes {found['channels']} channels; {meant}"
        else:
            yield f"the input {value.name!r} takes {found['channels']} channels, an image has 3 (layout: {card.layout})"
        return
    for side, wanted in zip(at, card.input_size):
        if found[side] not in {None, wanted}:
            yield f"input_size: the model takes a {side} of {found[side]}, the card says {wanted}"


def _sides(value: ValueInfoProto) -> list[int | None]:
    """Return the shape; None where a side is not fixed."""
    return [side.dim_value if side.HasField("dim_value") else None for side in value.type.tensor_type.shape.dim]
