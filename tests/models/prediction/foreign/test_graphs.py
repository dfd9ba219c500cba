"""Frozen graphs: what they give is worked out by hand, person where red is over 100."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused, SecurityRefused
from tests.models.prediction.foreign.readied import picture, predicted, ready
from tests.models.prediction.foreign.tensorflow_files import (
    FLOAT,
    INT32,
    card,
    classes,
    graph,
    node,
    of_shape,
    of_type,
    pb,
    red_nodes,
    saved_model,
    signature,
    text,
    varint,
    whole,
)


def red_graph(folder: Path, *, nodes: list[bytes] | None = None, name: str = "deeplab", **fields: object) -> Path:
    path = folder / f"{name}.pb"
    path.write_bytes(graph(*(red_nodes() if nodes is None else nodes)))
    return card(path, **{"output_layout": "HW", **fields})


def with_node(name: str, operator: str, **attributes: bytes) -> list[bytes]:
    """Return the red graph with an operator between its logits and its classes."""
    nodes = red_nodes()[:-1]
    return [*nodes, node(name, operator, "logits", T=of_type(FLOAT), **attributes), classes(name)]


def test_uint8_image_tensor_to_class_ids_is_read_as_deeplab_is(tmp_path: Path) -> None:
    image = picture()
    model = ready(red_graph(tmp_path))
    assert (model.engine, model.card.dtype, model.name) == ("openvino", "uint8", "deeplab")
    found = model.predictor(threads=1).predict([image])[0]
    np.testing.assert_array_equal(found, image[..., 0] > 100)


def test_an_operator_inside_the_graph_can_be_named_as_output(tmp_path: Path) -> None:
    image = picture()
    for name in ("logits", "logits:0"):
        path = red_graph(tmp_path, output="logits", output_name=name, output_layout="NHWC")
        found = predicted(path, image)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-(image[..., 0] / 50 - 2))), atol=1e-6)


def test_what_the_named_output_does_not_need_is_left_out(tmp_path: Path) -> None:
    waiting = node("training", "Placeholder", dtype=of_type(FLOAT), shape=of_shape())
    odd = node("summary", "MatrixExponential", "logits", T=of_type(FLOAT))
    checked = node("check", "Assert", "logits", T=pb((1, pb((6, FLOAT)))))
    nodes = [waiting, checked, *red_nodes(), odd]
    path = red_graph(tmp_path, nodes=nodes, output_name="SemanticPredictions")
    np.testing.assert_array_equal(predicted(path, picture()), picture()[..., 0] > 100)
    with pytest.raises(InputRefused, match="has 2 outputs: SemanticPredictions, summary; the card does not say which"):
        ready(red_graph(tmp_path, nodes=nodes))
    with pytest.raises(InputRefused, match=r"'mask', the graph has no such operator; it ends in SemanticPredictions"):
        ready(red_graph(tmp_path, nodes=nodes, output_name="mask"))


def test_an_operator_that_openvino_lacks_is_named_and_the_way_by_onnx_told(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="OpenVINO has no operator MatrixExponential") as refused:
        ready(red_graph(tmp_path, nodes=with_node("odd", "MatrixExponential")))
    assert refused.value.exit_code == 4 and "ONNX" in refused.value.remedy
    assert str(tmp_path / "deeplab.pb") in str(refused.value)


def test_zeros_among_the_attributes_are_kept(tmp_path: Path) -> None:
    """A resize that does not align corners says so by a false: left out, OpenVINO reads no value at all."""
    nodes = red_nodes(sides=(1, 32, 24, 3))[:-1]
    larger = [
        node("size", "Shape", "logits", T=of_type(FLOAT), out_type=of_type(INT32)),
        node("sides", "StridedSlice", "size", "one", "three", "step", **_slice()),
        *(_whole_constant(name, value) for name, value in {"one": 1, "three": 3, "step": 1}.items()),
        node("bigger", "ResizeBilinear", "logits", "sides", T=of_type(FLOAT), align_corners=pb((5, 0))),
    ]
    path = red_graph(tmp_path, nodes=[*nodes, *larger, classes("bigger")])
    np.testing.assert_array_equal(predicted(path, picture()), picture()[..., 0] > 100)


def _slice() -> dict[str, bytes]:
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    return {"T": of_type(INT32), "Index": of_type(INT32), **{mask: pb((3, 0)) for mask in masks}}


def _whole_constant(name: str, value: int) -> bytes:
    content = pb((8, pb((1, INT32), (2, pb((2, pb((1, 1))))), (7, value))))
    return node(name, "Const", dtype=of_type(INT32), value=content)


def test_a_graph_whose_weights_lie_elsewhere_is_no_frozen_graph(tmp_path: Path) -> None:
    nodes = [*red_nodes(), node("kernel_1", "VariableV2", dtype=of_type(FLOAT), shape=of_shape(3))]
    with pytest.raises(InputRefused, match=r"reads 'kernel_1' \(VariableV2\) from other files") as refused:
        ready(red_graph(tmp_path, nodes=nodes))
    assert "SavedModel" in refused.value.remedy


@pytest.mark.parametrize("data", [b"hello", graph(*red_nodes())[:-7], pb((1, pb((1, "x"))))])
def test_what_is_no_graph_is_refused(data: bytes, tmp_path: Path) -> None:
    path = red_graph(tmp_path)
    path.write_bytes(data)
    with pytest.raises(InputRefused, match="not a graph of TensorFlow"):
        ready(path)


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = red_graph(tmp_path)
    path.write_bytes(graph(*red_nodes()).replace(b"Cast", b"C\xffst"))
    with pytest.raises(InputRefused, match="names in it are no text"):
        ready(path)


def test_the_graph_of_a_saved_model_under_another_name_is_told(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "m", signatures={"one": signature({"x": "ImageTensor:0"}, {"mask": "logits:0"})})
    path = red_graph(tmp_path)
    path.write_bytes((folder / "saved_model.pb").read_bytes())
    with pytest.raises(InputRefused, match="the graph of a SavedModel") as refused:
        ready(path)
    assert "saved_model.pb" in refused.value.remedy


def test_a_constant_that_promises_more_than_memory_is_refused(tmp_path: Path) -> None:
    """One value stands for all of a shape: these bytes ask for 4 TB."""
    huge = pb((8, pb((1, FLOAT), (2, pb(*((2, pb((1, side))) for side in (1_000_000, 1_000_000)))), (5, b"\0" * 4))))
    nodes = [*red_nodes()[:-1], node("huge", "Const", dtype=of_type(FLOAT), value=huge)]
    nodes += [node("sum", "Sum", "huge", "both", T=of_type(FLOAT), Tidx=of_type(INT32), keep_dims=pb((5, 0)))]
    nodes += [_both(), node("more", "AddV2", "logits", "sum", T=of_type(FLOAT)), classes("more")]
    with pytest.raises((SecurityRefused, InputRefused), match=r"memory|larger than any image"):
        ready(red_graph(tmp_path, nodes=nodes))


def _both() -> bytes:
    content = pb((8, pb((1, INT32), (2, pb((2, pb((1, 2))))), (4, np.array([0, 1], np.int32).tobytes()))))
    return node("both", "Const", dtype=of_type(INT32), value=content)


def test_the_encoder_of_these_tests_writes_what_the_format_says() -> None:
    """The examples of the encoding's documentation: 150 as `08 96 01`, "testing" as `12 07` and its letters."""
    assert pb((1, 150)) == b"\x08\x96\x01" and pb((2, "testing")) == b"\x12\x07testing"
    assert varint(-1) == b"\xff" * 9 + b"\x01" and text("a") == b"\x12\x01a" and whole(3) == b"\x0a\x02\x18\x03"
