"""A network whose deepest activation is known, among maps that it must not be taken for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

from tests.models.prediction.drawn_models import SIZE, model_of

STRIDE = 8
CHANNELS = 16


def deep_model(kernel: NDArray[np.float32], *, layout: str = "NCHW") -> ModelProto:
    """Return a model whose deepest activation, `deep`, is a convolution of the image by `STRIDE`, cut off below 0.

    What shape is convolved is known in a run alone. Of fewer pixels are a map of 4 channels, a gate of one pixel, and
    blocks of pixels that were made channels.
    """
    height, width = (side // STRIDE for side in SIZE)
    constants = {
        "kernel": kernel,
        "few": np.full((4, CHANNELS, 2, 2), 0.1, np.float32),
        "squeeze": np.full((CHANNELS, CHANNELS, height, width), 0.01, np.float32),
        "person": np.full((1, CHANNELS, 1, 1), 0.1, np.float32),
        "blocks": np.int64([1, CHANNELS * height * width // 2, 2, 1]),
        "as before": np.int64([1, CHANNELS, height, width]),
        "larger": np.float32([1, 1, STRIDE / 2, STRIDE / 2]),
        "twice": np.float32([1, 1, 2, 2]),
    }
    planes = "planes" if layout == "NHWC" else "image"
    nodes = [
        *([helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])] if layout == "NHWC" else []),
        helper.make_node("Shape", [planes], ["sides"]),
        helper.make_node("Abs", ["sides"], ["computed sides"]),
        helper.make_node("Reshape", [planes, "computed sides"], ["the same"]),
        helper.make_node("Conv", ["the same", "kernel"], ["convolved"], strides=[STRIDE, STRIDE]),
        helper.make_node("Relu", ["convolved"], ["deep"]),
        helper.make_node("Conv", ["deep", "few"], ["smaller"]),
        helper.make_node("Conv", ["deep", "squeeze"], ["gate"]),
        helper.make_node("Reshape", ["deep", "blocks"], ["shuffled"]),
        helper.make_node("Reshape", ["shuffled", "as before"], ["back"]),
        helper.make_node("Resize", ["back", "", "twice"], ["wide"]),
        helper.make_node("Mul", ["wide", "gate"], ["gated"]),
        helper.make_node("Conv", ["gated", "person"], ["coarse"]),
        helper.make_node("Resize", ["coarse", "", "larger"], ["output" if layout == "NCHW" else "logit"]),
        *([helper.make_node("Transpose", ["logit"], ["output"], perm=[0, 2, 3, 1])] if layout == "NHWC" else []),
    ]
    shape = (1, 3, *SIZE) if layout == "NCHW" else (1, *SIZE, 3)
    tensors = [numpy_helper.from_array(one, name) for name, one in constants.items()]
    made = model_of(nodes, constants=tensors, shape=shape)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    return made
