"""A model of faces so small that what it sees is known: one face, in a place of its own, where the picture is red."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CELLS = 64, 16
CARD = f"""reads: centerface
heatmap: heatmap
sizes: sizes
offsets: offsets
points: points
side: {SIDE}
license: CC0
"""


def write_tiny_faces(
    path: Path,
    *,
    eyes: tuple[tuple[float, float], tuple[float, float]],
    mouth: tuple[float, float],
    box: tuple[float, float, float, float],
) -> Path:
    """Write a model, with its card, that sees one face where its middle is red; all in shares of the longer side.

    `eyes` and `mouth` are points (x, y), `box` is xyxy. Nose and corners of the mouth are one point.
    """
    left, top, right, bottom = (SIDE * side for side in box)
    middle = np.array([(top + bottom) / 2, (left + right) / 2])
    row, column = (int(one // 4) for one in middle)
    within = np.zeros((1, 1, CELLS, CELLS), np.float32)
    within[0, 0, row, column] = 1 / 255
    sides = np.array([bottom - top, right - left])
    five = [(SIDE * x, SIDE * y) for x, y in (*eyes, mouth, mouth, mouth)]
    coded = [value for x, y in five for value in ((y - top) / sides[0], (x - left) / sides[1])]
    constants = {
        "red": np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1),
        "within": within,
        "nothing": np.zeros(1, np.float32),
        "log": np.log(sides / 4).astype(np.float32).reshape(1, 2, 1, 1),
        "off": (middle / 4 - (row, column) - 0.5).astype(np.float32).reshape(1, 2, 1, 1),
        "five": np.array(coded, np.float32).reshape(1, 10, 1, 1),
    }
    nodes = [
        helper.make_node("Conv", ["image", "red"], ["reds"], kernel_shape=[1, 1]),
        helper.make_node("AveragePool", ["reds"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Mul", ["cells", "within"], ["heatmap"]),
        helper.make_node("Mul", ["cells", "nothing"], ["zeros"]),
        helper.make_node("Add", ["zeros", "log"], ["sizes"]),
        helper.make_node("Add", ["zeros", "off"], ["offsets"]),
        helper.make_node("Add", ["zeros", "five"], ["points"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, CELLS, CELLS])
        for name, channels in (("heatmap", 1), ("sizes", 2), ("offsets", 2), ("points", 10))
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "tiny faces", [image], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".yaml").write_text(CARD)
    return path
