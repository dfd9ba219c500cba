"""One rule (person where red is over a half), as a foreign model in every way in which other tools write it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.card import ModelCard

SIDE = 32
PIXELS = ModelCard(
    input_size=(SIDE, SIDE),
    channels="RGB",
    layout="NCHW",
    mean=(0.0, 0.0, 0.0),
    std=(255.0, 255.0, 255.0),
    output="probability",
)
FLOAT, HALF, BYTE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
SIGMOID = [helper.make_node("Conv", ["image", "w", "b"], ["y"]), helper.make_node("Sigmoid", ["y"], ["output"])]


def red(*, scale: float = 1.0, classes: Sequence[float] = (1.0,)) -> dict[str, np.ndarray]:
    """Return the weights of log-odds of 40 x red - 20, of red in 0..1/scale, once for each class, times its number."""
    weights, bias = np.zeros((len(classes), 3, 1, 1), np.float32), np.zeros(len(classes), np.float32)
    for index, times in enumerate(classes):
        weights[index, 0], bias[index] = 40 * times * scale, -20 * times
    return {"w": weights, "b": bias}


def net(
    path: Path,
    nodes: Sequence[NodeProto],
    *,
    constants: dict[str, np.ndarray],
    shape: Sequence[int | str] = (1, 3, SIDE, SIDE),
    kind: int = FLOAT,
    outputs: Sequence[str] = ("output",),
) -> Path:
    """Write a model whose outputs say nothing of their shape, as many exporters leave them."""
    graph = helper.make_graph(
        list(nodes),
        "drawn",
        [helper.make_tensor_value_info("image", kind, list(shape))],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    made = onnx.shape_inference.infer_shapes(made)
    for value in made.graph.output:
        value.type.tensor_type.ClearField("shape")
    path.write_bytes(made.SerializeToString())
    return path


def ending(
    *nodes: tuple[str, dict[str, Any]], first: str = "image", of_two: dict[str, str] | None = None
) -> list[NodeProto]:
    """Return a convolution and what follows it; the last gives `output`. `of_two` names second inputs."""
    made = [helper.make_node("Conv", [first, "w", "b"], ["t0"])]
    for number, (kind, settings) in enumerate(nodes, start=1):
        made.append(
            helper.make_node(
                kind, [f"t{number - 1}", *filter(None, [(of_two or {}).get(kind)])], [f"t{number}"], **settings
            )
        )
    made[-1].output[0] = "output"
    return made


def picture(number: int, *, with_person: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Draw a picture of green and blue with a red person that stands left of the middle; and its mask."""
    rng = np.random.default_rng(number)
    image = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    image[..., 0] = image[..., 0] // 3 + 3
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if with_person:
        cv2.ellipse(mask, (10 + number % 3, 26), (7, 20), 0, 0, 360, 255, -1)
        image[mask > 0, 0] = 200 + number
    return image, mask


TO_NHWC, FROM_NHWC = {"perm": [0, 2, 3, 1]}, {"perm": [0, 3, 1, 2]}
THREE = red(classes=(0.0, -1.0, 1.0))
MODELS: dict[str, tuple[list[NodeProto], dict[str, Any], dict[str, Any]]] = {
    "static": (SIGMOID, {"constants": red()}, {}),
    "any size": (SIGMOID, {"constants": red(), "shape": ("n", 3, "h", "w")}, {}),
    "channels last": (
        [
            helper.make_node("Transpose", ["image"], ["first"], **FROM_NHWC),
            *ending(("Sigmoid", {}), ("Transpose", TO_NHWC), first="first"),
        ],
        {"constants": red(), "shape": (1, SIDE, SIDE, 3)},
        {"layout": "NHWC"},
    ),
    "channels last in the output": (
        ending(("Sigmoid", {}), ("Transpose", TO_NHWC)),
        {"constants": red()},
        {"output_layout": "NHWC"},
    ),
    "two classes last in the output": (
        ending(("Softmax", {"axis": 1}), ("Transpose", TO_NHWC)),
        {"constants": red(classes=(0.0, 1.0))},
        {"output_layout": "NHWC", "person_index": 1},
    ),
    "pixels as they are": (
        [
            helper.make_node("Cast", ["image"], ["real"], to=FLOAT),
            *ending(("Sigmoid", {}), first="real"),
        ],
        {"constants": red(scale=1 / 255), "kind": BYTE},
        {"std": (1.0, 1.0, 1.0)},
    ),
    "half precision": (
        SIGMOID,
        {"constants": {name: value.astype(np.float16) for name, value in red().items()}, "kind": HALF},
        {"dtype": "float16"},
    ),
    "numbers of classes": (
        ending(("ArgMax", {"axis": 1})),
        {"constants": THREE},
        {"output": "class_ids", "person_index": 2},
    ),
    "numbers of classes without channels": (
        ending(("ArgMax", {"axis": 1, "keepdims": 0})),
        {"constants": THREE},
        {"output": "class_ids", "person_index": 2, "output_layout": "HW"},
    ),
    "yes and no": (ending(("ArgMax", {"axis": 1})), {"constants": red(classes=(0.0, 1.0))}, {}),
    "log-odds of classes": (ending(), {"constants": THREE}, {"output": "logits", "person_index": 2}),
    "alphas of 0..1": (SIGMOID, {"constants": red()}, {"output": "alpha"}),
    "alphas of 0..255": (
        [
            *ending(("Sigmoid", {}))[:-1],
            helper.make_node("Sigmoid", ["t0"], ["s"]),
            helper.make_node("Mul", ["s", "full"], ["output"]),
        ],
        {"constants": red() | {"full": np.float32(255)}},
        {"output": "alpha"},
    ),
    "four images at once": (SIGMOID, {"constants": red(), "shape": (4, 3, SIDE, SIDE)}, {}),
    "several outputs": (
        [*SIGMOID, helper.make_node("Neg", ["y"], ["other"])],
        {"constants": red(), "outputs": ("other", "output")},
        {"output_name": "output"},
    ),
    "a quarter of the size": (
        ending(("Sigmoid", {}), ("AveragePool", {"kernel_shape": [4, 4], "strides": [4, 4]})),
        {"constants": red()},
        {},
    ),
}
