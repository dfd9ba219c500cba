"""What each layer gives, of a network whose last layer is its output, by hand-worked numbers."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from models.export.runtimes.openvino_files import layer_outputs
from tests.models.prediction.drawn_models import CARD, SIZE, model_of


def test_each_layer_gives_its_own_values_where_the_last_one_is_the_output() -> None:
    twice = numpy_helper.from_array(np.array([[[[2.0]], [[0]], [[0]]], [[[0]], [[3.0]], [[0]]]], np.float32), "twice")
    sum_of = numpy_helper.from_array(np.ones((1, 2, 1, 1), np.float32), "sum_of")
    nodes = [
        helper.make_node("Conv", ["image", "twice"], ["scaled"], name="first"),
        helper.make_node("Conv", ["scaled", "sum_of"], ["output"], name="last"),
    ]
    data = model_of(nodes, constants=[twice, sum_of]).SerializeToString()
    red, green, blue = (np.full((1, *SIZE), value, np.float32) for value in (1, 10, 100))
    found = layer_outputs(data, card=CARD, inputs=np.stack([red, green, blue], axis=1))
    assert {name: np.unique(values).tolist() for name, values in found.items()} == {"first": [2, 30], "output": [32]}
