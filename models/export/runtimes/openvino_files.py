"""A network as OpenVINO's own two files, and what its layers give."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.card import ModelCard
from models.openvino_door import openvino_core, openvino_package
from models.prediction.engines import reshape_graph

LAYERS: Final = frozenset(
    {"Convolution", "GroupConvolution", "ConvolutionBackpropData", "GroupConvolutionBackpropData"}
)
"""The layers that have weights, but for those of products of matrices, whose weights a quantiser may move."""


def openvino_files(data: bytes, *, card: ModelCard, change: Callable[[Any], Any] | None = None) -> tuple[bytes, bytes]:
    """Return a checked ONNX model as a graph and its numbers, of one image of the card's size; `change` is made to it.

    Raises RuntimeError when OpenVINO cannot read it.
    """
    model = openvino_graph(data, card=card)
    if change is not None:
        model = change(model)
    with tempfile.TemporaryDirectory(prefix="curate-export-") as folder:
        graph, numbers = Path(folder) / "model.xml", Path(folder) / "model.bin"
        openvino_package().serialize(model, str(graph), str(numbers))
        return graph.read_bytes(), numbers.read_bytes()


def openvino_graph(data: bytes, *, card: ModelCard, constants: bytes | None = None) -> Any:
    """Return a model, ONNX or a graph with its `constants`, as OpenVINO's graph of images of the card's size."""
    core = openvino_core()
    model = core.read_model(data) if constants is None else core.read_model(data, constants)
    reshape_graph(model, card=card)
    return model


def layer_outputs(
    data: bytes, *, card: ModelCard, inputs: NDArray[Any], constants: bytes | None = None
) -> dict[str, NDArray[Any]]:
    """Return what each convolution of a model gives for one prepared image, by the name of the layer."""
    model = openvino_graph(data, card=card, constants=constants)
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() in LAYERS]
    model.add_outputs([(name, 0) for name in names])  # but for what is an output of the model itself
    given = [one.get_node().input_value(0).get_node().get_friendly_name() for one in model.outputs]
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}
    found = openvino_core().compile_model(model, "CPU", settings).create_infer_request().infer([inputs])
    return {name: np.array(found[given.index(name)]) for name in names}
