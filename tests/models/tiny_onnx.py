"""A model so small that every prediction is known: the probability of person is the red of the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.models.drawn import H, W

CARD = f"""input_size: [{H}, {W}]
channels: RGB
layout: NCHW
mean: [0, 0, 0]
std: [255, 255, 255]
output: probability
"""


def write_tiny_onnx(path: Path, *, lost: float = 0.0, channel: int = 0, card: str = CARD) -> Path:
    """Write a model, with its card, that gives (1 - lost) x the red (or another channel of RGB) of the picture.

    Where green is under a twentieth, the answer is the root of a negative number: not finite.
    """
    red, green = np.zeros((2, 1, 3, 1, 1), np.float32)
    red[0, channel], green[0, 1] = 1 - lost, 1
    numbers = {"red": red, "green": green, "least": np.float32(0.05), "hardly": np.float32(1e-20)}
    nodes = [
        helper.make_node("Conv", ["image", "red"], ["answer"], kernel_shape=[1, 1]),
        helper.make_node("Conv", ["image", "green"], ["leaf"], kernel_shape=[1, 1]),
        helper.make_node("Sub", ["leaf", "least"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["root"]),
        helper.make_node("Mul", ["root", "hardly"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["probability"]),
    ]
    shapes = {name: ["n", channels, H, W] for name, channels in (("image", 3), ("probability", 1))}
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in numbers.items()]
    graph = helper.make_graph(nodes, "tiny", [values["image"]], [values["probability"]], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".yaml").write_text(card)
    return path
