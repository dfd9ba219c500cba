"""A model of three classes whose answers are known: background, skin (red) and shirt (blue), by the strongest."""

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
output: logits
person_index: 1
classes: 3
class_names: [background, skin, shirt]
"""


def write_classes_onnx(path: Path) -> Path:
    """Write a model, with its card, whose logits are 5 + 20 x green, 20 x red and 20 x blue of the picture."""
    weights = np.zeros((3, 3, 1, 1), np.float32)
    for number, channel in enumerate((1, 0, 2)):
        weights[number, channel] = 20
    bias = np.array([5, 0, 0], np.float32)
    node = helper.make_node("Conv", ["image", "weights", "bias"], ["logits"], kernel_shape=[1, 1])
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, H, W]) for name in ("image", "logits")]
    tensors = [numpy_helper.from_array(array, name) for name, array in (("weights", weights), ("bias", bias))]
    graph = helper.make_graph([node], "classes", [shapes[0]], [shapes[1]], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".yaml").write_text(CARD)
    return path
