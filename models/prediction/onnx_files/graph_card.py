"""Whether the graph of an ONNX file takes and gives what its card says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto, ValueInfoProto

from models.card import InputType, ModelCard
from models.prediction.checks.ports import Port, agreed_ports

INPUT_TYPES: Final[dict[int, InputType]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}


def agreed(data: bytes, *, card: ModelCard, file: Path) -> tuple[bytes, ModelCard]:
    """Return a checked ONNX model that gives the one output that the card names, and the card as it is run by.

    In that card `dtype` and `batch` are those of the graph, where the card says nothing of them.
    Raises InputRefused listing every way in which the model differs from its card.
    """
    model = onnx.load_model_from_string(data)
    graph = model.graph
    index, run_by = agreed_ports(*ports_of(model), card=card, file=file)
    if len(graph.output) > 1:
        kept = onnx.ValueInfoProto()
        kept.CopyFrom(graph.output[index])
        del graph.output[:]
        graph.output.append(kept)
        data = model.SerializeToString()
    return data, run_by


def refuse_other_graph(data: bytes, *, card: ModelCard, file: Path) -> None:
    """Raise InputRefused listing every way in which a checked ONNX model differs from its card."""
    agreed(data, card=card, file=file)


def ports_of(model: onnx.ModelProto) -> tuple[list[Port], list[Port]]:
    """Return the inputs and the outputs of a checked ONNX model."""
    return list(map(_port, model.graph.input)), list(map(_port, model.graph.output))


def _port(value: ValueInfoProto) -> Port:
    kind, shape = value.type.tensor_type.elem_type, value.type.tensor_type.shape
    sides = tuple(side.dim_value if side.HasField("dim_value") else None for side in shape.dim)
    told = TensorProto.DataType.Name(kind).lower()
    return Port(name=value.name, dtype=INPUT_TYPES.get(kind, told), sides=sides)
