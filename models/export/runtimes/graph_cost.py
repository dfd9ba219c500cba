"""What the graph of a model costs for one image: numbers in it, multiply-adds, and bytes that its layers move."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from models.card import ModelCard
from models.export.runtimes.openvino_files import openvino_graph

CONVOLUTIONS: Final = frozenset({"Convolution", "GroupConvolution"})
TRANSPOSED: Final = frozenset({"ConvolutionBackpropData", "GroupConvolutionBackpropData"})
GROUPED: Final = frozenset({"GroupConvolution", "GroupConvolutionBackpropData"})
FREE: Final = frozenset(
    {"Parameter", "Constant", "Result", "Reshape", "Squeeze", "Unsqueeze", "ShapeOf", "Convert", "FakeQuantize"}
)
"""What moves nothing: other names for the same bytes, and roundings to int8, which runtimes do on the way."""
SMALL_TYPES: Final = frozenset({"i8", "u8"})
RENAMING: Final = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Convert"})
"""What gives the same numbers under another name."""
SCALING: Final = frozenset({"Convert", "Subtract", "Multiply"})
"""How 8-bit numbers become values again; runtimes do that on the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCost:
    """The cost of one image: numbers that the graph holds, multiply-adds, and the bytes that its layers read and write.

    Multiply-adds are those of convolutions, transposed ones too, and of products of matrices. Each layer reads its
    inputs, weights too, and writes its outputs; layers are those of the graph, before a runtime fuses any.
    """

    parameters: int
    multiply_adds: int
    memory_traffic: int


def graph_cost(data: bytes, *, card: ModelCard, constants: bytes | None = None) -> GraphCost:
    """Return the cost of a model, ONNX or OpenVINO's graph with its `constants`, per image.

    Raises RuntimeError when OpenVINO cannot read it.
    """
    nodes = openvino_graph(data, card=card, constants=constants).get_ordered_ops()
    images = card.batch or 1
    layers = [node for node in nodes if node.get_type_name() not in FREE and not _is_scaling(node)]
    return GraphCost(
        parameters=sum(_numbers(node) for node in nodes if node.get_type_name() == "Constant"),
        multiply_adds=sum(map(_multiply_adds, layers)) // images,
        memory_traffic=sum(map(_bytes_moved, layers)) // images,
    )


def _multiply_adds(node: Any) -> int:
    kind = node.get_type_name()
    if kind == "MatMul":
        sides = _sides(node.input(0))
        is_transposed = bool(node.get_attributes().get("transpose_a"))
        return _size(node.output(0)) * sides[-2 if is_transposed and len(sides) > 1 else -1]
    if kind not in CONVOLUTIONS | TRANSPOSED:
        return 0
    weights = _sides(
        node.input(1)
    )  # (out, in, kernel), or (groups, out, in, kernel); transposed ones (in, out, kernel)
    per_channel = math.prod(weights[2 if kind in GROUPED else 1 :])
    return per_channel * _size(node.output(0) if kind in CONVOLUTIONS else node.input(0))


def _bytes_moved(node: Any) -> int:
    if all(_is_shape(output) for output in node.outputs()):
        return 0
    return sum(map(_bytes_of, (*node.outputs(), *(one.get_source_output() for one in node.inputs()))))


def _bytes_of(output: Any) -> int:
    node = output.get_node()
    if _is_small(node) or _becomes_small(output):
        return _size(output)
    return _size(output) * int(output.get_element_type().size)


def _is_small(node: Any) -> bool:
    """Tell whether values come out of 8 bits: of a rounding to them, or of what is kept in them."""
    return node.get_type_name() == "FakeQuantize" or _is_8_bit(node) or _is_scaling(node)


def _becomes_small(output: Any) -> bool:
    targets = [one.get_node().get_type_name() for one in output.get_target_inputs()]
    return bool(targets) and all(name == "FakeQuantize" for name in targets)


def _is_scaling(node: Any) -> bool:
    """Tell whether a layer only makes values of 8-bit numbers again."""
    while node.get_type_name() in SCALING and not _is_8_bit(node):
        node = node.input(0).get_source_output().get_node()
        if _is_8_bit(node):
            return True
    return False


def _is_8_bit(node: Any) -> bool:
    return node.get_output_size() > 0 and node.output(0).get_element_type().get_type_name() in SMALL_TYPES


def _numbers(node: Any) -> int:
    """Return how many numbers a constant brings to a layer; sizes, axes and scales of roundings are none."""
    output = node.output(0)
    is_scale = all(
        one.get_type_name() in {"FakeQuantize", "Interpolate"} or (index == 1 and _is_scaling(one))
        for one, index in _uses(output)
    )
    is_number = output.get_element_type().is_real() or _is_8_bit(node)
    return _size(output) if is_number and not is_scale and not _is_shape(output) else 0


def _uses(output: Any) -> Iterator[tuple[Any, int]]:
    """Yield the layers that take an output, and as which of their inputs."""
    for one in output.get_target_inputs():
        if one.get_node().get_type_name() in RENAMING and one.get_index() == 0:
            yield from _uses(one.get_node().output(0))
        else:
            yield one.get_node(), one.get_index()


def _is_shape(output: Any) -> bool:
    """Tell whether whole numbers, which are sizes and places, come out."""
    return (
        bool(output.get_element_type().is_integral()) and output.get_element_type().get_type_name() not in SMALL_TYPES
    )


def _size(port: Any) -> int:
    return math.prod(_sides(port))


def _sides(port: Any) -> list[int]:
    return [int(side) for side in port.get_shape()]
