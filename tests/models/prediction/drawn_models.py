"""Small ONNX models whose predictions can be worked out by hand, and payloads that would leave a mark if they ran."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.card import ModelCard, card_text

SIZE = (32, 24)
CARD = ModelCard(
    input_size=SIZE,
    channels="RGB",
    layout="NCHW",
    mean=(100.0, 110.0, 120.0),
    std=(50.0, 60.0, 70.0),
    output="logit",
)


def red_model() -> ModelProto:
    """Return a model whose logit of person is the normalised red of the pixel: weights 1, 0, 0."""
    return convolution([[1.0, 0.0, 0.0]])


def convolution(weights: Sequence[Sequence[float]]) -> ModelProto:
    """Return a model of one 1 x 1 convolution, without bias: one row of weights for each output channel."""
    kernel = numpy_helper.from_array(np.array(weights, dtype=np.float32)[:, :, None, None], name="kernel")
    return model_of(
        [helper.make_node("Conv", ["image", "kernel"], ["output"])], constants=[kernel], channels=len(weights)
    )


def model_of(
    nodes: Sequence[NodeProto],
    *,
    constants: Sequence[TensorProto] = (),
    channels: int = 1,
    shape: Sequence[int | str] = ("n", 3, *SIZE),
    opsets: Sequence[tuple[str, int]] = (("", 17),),
) -> ModelProto:
    """Return a model from nodes that lead from `image` to `output`."""
    graph = helper.make_graph(
        list(nodes),
        "drawn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", channels, *SIZE])],
        list(constants),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid(*opset) for opset in opsets])
    made.ir_version = 8
    return made


def nan_on_black() -> ModelProto:
    """Return a model that divides by the brightest channel value: 0 / 0 where the normalised image is all zero."""
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Div", ["image", "most"], ["share"]),
        helper.make_node("Conv", ["share", "kernel"], ["output"]),
    ]
    kernel = numpy_helper.from_array(np.array([[[[1.0]], [[0.0]], [[0.0]]]], dtype=np.float32), name="kernel")
    return model_of(nodes, constants=[kernel])


def write_onnx(folder: Path, model: ModelProto | bytes, *, name: str = "model", **changes: object) -> Path:
    """Write a model with its card (`CARD`, changed), and give the path of the ONNX file."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    path = folder / f"{name}.onnx"
    path.write_bytes(data)
    path.with_suffix(".yaml").write_bytes(card_text(msgspec.structs.replace(CARD, **changes)))
    return path


def elements(node: str, output: str, *, value: onnx.TensorProto) -> NodeProto:
    """Return a Constant node."""
    return helper.make_node("Constant", [], [output], name=node, value=value)
