"""The deepest activation of a model in OpenVINO's form, from which features of images are taken."""

from __future__ import annotations

import math
from typing import Any, Final

from models import openvino_door
from models.prediction import engines
from models.prediction.engines import Engine, input_shape
from models.prediction.ready_model import ReadyModel

CONVOLUTIONS: Final = frozenset(
    {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData"}
)
POINTWISE: Final = frozenset(
    {
        *("Add", "AvgPool", "BatchNormInference", "Clamp", "Concat", "Elu", "FakeQuantize", "HSwish"),
        *("MaxPool", "Multiply", "PRelu", "Relu", "Subtract", "Swish"),
    }
)
"""What keeps the axes (n, channels, h, w) that convolutions have in OpenVINO, whatever the model's own layout is."""


def open_deepest(model: ReadyModel, *, threads: int, least_channels: int) -> Engine | None:
    """Return OpenVINO with the part of a converted model that ends in its deepest activation (n, channels, h, w).

    That is the map of fewest pixels, but more than one, of `least_channels` or more; of several the last. None where it
    has no such map.
    """
    graph = openvino_door.openvino_core().read_model(model.data, model.constants)
    graph.reshape({graph.inputs[0]: list(input_shape(model.card))})
    best, fewest = None, math.inf
    maps: set[str] = set()
    for node in graph.get_ordered_ops():
        if not _makes_map(node, maps=maps):
            continue
        maps.add(node.get_friendly_name())
        shape = node.output(0).get_partial_shape()
        sides = list(shape.to_shape()) if shape.is_static else []
        if len(sides) == 4 and sides[1] >= least_channels and 1 < sides[2] * sides[3] <= fewest:
            best, fewest = node.output(0), sides[2] * sides[3]
    if best is None:
        return None
    part = openvino_door.openvino_package().Model([best], graph.get_parameters())
    return engines.open_graph(part, card=model.card, threads=threads)


def _makes_map(node: Any, *, maps: set[str]) -> bool:
    kind = node.get_type_name()
    sources = {value.get_source_output().get_node().get_friendly_name() for value in node.inputs()}
    return kind in CONVOLUTIONS or (kind in POINTWISE and bool(sources & maps))
