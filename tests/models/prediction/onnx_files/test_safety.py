from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from curation.errors import InputRefused, SecurityRefused
from models.prediction.onnx_files.safety import checked_onnx
from tests.models.prediction.drawn_models import SIZE, model_of, red_model

FILE = Path("model.onnx")


def refused(model: ModelProto) -> str:
    with pytest.raises(SecurityRefused) as problem:
        checked_onnx(model.SerializeToString(), file=FILE)
    assert problem.value.exit_code == 8 and problem.value.where == "model.onnx"
    return problem.value.reason


def external(location: str, *, name: str = "kernel") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1, 3, 1, 1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "12"}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def with_kernel(tensor: TensorProto) -> ModelProto:
    return model_of([helper.make_node("Conv", ["image", tensor.name], ["output"])], constants=[tensor])


def filling(shape: list[int]) -> ModelProto:
    """Return a model that fills a tensor of this shape with zeros, and adds one of them to the image."""
    sides = numpy_helper.from_array(np.array(shape, dtype=np.int64), name="shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Add", ["image", "zero"], ["output"]),
    ]
    return model_of(nodes, constants=[sides], channels=3)


@pytest.mark.parametrize("location", ["../weights", "/etc/passwd", "link", "hardlink", "model.onnx", "", "a/../../b"])
def test_data_in_another_file_is_refused_wherever_it_points(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * 12)
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", tmp_path / "hardlink")
    assert "keeps the tensor 'kernel' in another file" in refused(with_kernel(external(location)))


def test_data_in_another_file_is_found_in_every_corner() -> None:
    hidden = external("../w", name="hidden")
    constant = helper.make_node("Constant", [], ["c"], value=hidden)
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("c", 1, None)])
    inner = helper.make_graph(
        [helper.make_node("If", ["flag"], ["c"], then_branch=branch, else_branch=branch)],
        "inner",
        [],
        [helper.make_tensor_value_info("c", 1, None)],
    )
    of_graph = helper.make_graph([], "held", [], [], [hidden])
    own = helper.make_node("Identity", ["image"], ["output"])
    corners = [
        [constant, own],
        [helper.make_node("If", ["flag"], ["c"], then_branch=inner, else_branch=inner), own],
        [helper.make_node("If", ["flag"], ["c"], then_branch=of_graph, else_branch=of_graph), own],
        [helper.make_node("Constant", [], ["c"], values=[hidden]), own],
    ]
    for nodes in corners:
        assert "in another file ('../w')" in refused(model_of(nodes, channels=3))


def test_locations_without_the_external_mark_are_refused_too() -> None:
    tensor = external("../w")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = b"\0" * 12
    assert "in another file" in refused(with_kernel(tensor))


def test_foreign_operators_are_refused() -> None:
    for domain in ("com.microsoft", "ai.onnx.ml", "evil", "ai.onnx.preview.training"):
        node = helper.make_node("Gelu", ["image"], ["output"], domain=domain)
        assert domain in refused(model_of([node], channels=3, opsets=[("", 17), (domain, 1)]))
        assert domain in refused(model_of([node], channels=3))
        assert domain in refused(
            model_of([helper.make_node("Relu", ["image"], ["output"])], opsets=[("", 17), (domain, 1)])
        )


def test_functions_training_graphs_sparse_tensors_and_loops_are_refused() -> None:
    model = red_model()
    model.functions.add(name="f", domain="own")
    assert "functions of its own (own.f)" in refused(model)
    model = red_model()
    model.training_info.add()
    assert "training" in refused(model)
    model = red_model()
    model.graph.sparse_initializer.add()
    assert "sparse" in refused(model)
    for kind in ("Loop", "Scan", "SequenceMap"):
        body = helper.make_graph([], "body", [], [])
        assert f"loops ({kind}" in refused(model_of([helper.make_node(kind, ["image"], ["output"], body=body)]))


def test_graphs_without_end_are_refused() -> None:
    graph = helper.make_graph([helper.make_node("Relu", ["image"], ["output"])], "g", [], [])
    for _ in range(12):
        graph = helper.make_graph(
            [helper.make_node("If", ["flag"], ["output"], then_branch=graph, else_branch=graph)], "g", [], []
        )
    assert "graphs inside each other" in refused(model_of(list(graph.node)))


@pytest.mark.parametrize(
    ("dims", "raw", "said"),
    [
        ([1 << 30], b"", "has a tensor of shape"),
        ([1 << 40, 1 << 40], b"", "has a tensor of shape"),
        ([-1, 3], b"", "has a tensor of shape"),
        ([1 << 20], b"\0" * 12, "promises 1,048,576 values in 'kernel' and holds 3"),
        ([1, 3, 1, 1], b"\0" * 16, "promises 3 values in 'kernel' and holds 4"),
    ],
)
def test_tensors_that_promise_what_they_do_not_hold_are_refused(dims: list[int], raw: bytes, said: str) -> None:
    tensor = TensorProto(name="kernel", data_type=TensorProto.FLOAT, dims=dims, raw_data=raw)
    assert said in refused(with_kernel(tensor))


def test_texts_and_unknown_types_are_no_weights() -> None:
    for kind in (TensorProto.STRING, TensorProto.UNDEFINED, TensorProto.COMPLEX128, 77):
        tensor = TensorProto(name="kernel", data_type=kind, dims=[1], string_data=[b"x"])
        assert f"of the type {kind}" in refused(with_kernel(tensor))


@pytest.mark.parametrize("shape", [[1 << 29], [1 << 20, 1 << 20], [50_000, 50_000]])
def test_a_bomb_of_zeros_is_refused_before_it_is_run(shape: list[int]) -> None:
    model = filling(shape)
    assert len(model.SerializeToString()) < 400
    assert "larger than any image needs" in refused(model)


def test_enlarging_beyond_all_measure_is_refused() -> None:
    scales = numpy_helper.from_array(np.array([1, 1, 1e4, 1e4], dtype=np.float32), name="scales")
    resize = helper.make_node("Resize", ["image", "", "scales"], ["large"], mode="nearest")
    again = helper.make_node("Relu", ["large"], ["output"])
    assert "larger than any image needs" in refused(model_of([resize, again], constants=[scales], shape=(1, 3, *SIZE)))
    repeats = numpy_helper.from_array(np.array([1, 1, 10**4, 10**4], dtype=np.int64), name="repeats")
    tile = helper.make_node("Tile", ["image", "repeats"], ["large"])
    assert "larger than any image needs" in refused(model_of([tile, again], constants=[repeats], shape=(1, 3, *SIZE)))


@pytest.mark.parametrize("data", [b"", b"\x08", b"not a model", b"\x08\x08\x3a\x05abc", bytes(100)])
def test_what_is_no_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(InputRefused, match="not a"):
        checked_onnx(data, file=FILE)


def test_a_truncated_model_is_refused() -> None:
    whole = red_model().SerializeToString()
    for kept in range(1, len(whole), 7):
        with pytest.raises((InputRefused, SecurityRefused)):
            checked_onnx(whole[:kept], file=FILE)


def test_a_sound_model_passes_and_computes_the_same() -> None:
    model = red_model()
    model.graph.input.append(helper.make_tensor_value_info("kernel", 1, [1, 3, 1, 1]))  # as old exporters do
    data = checked_onnx(model.SerializeToString(), file=FILE)
    assert [value.name for value in onnx.load_model_from_string(data).graph.input] == ["image"]
    image = np.random.default_rng(0).normal(size=(2, 3, *SIZE)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, {"image": image})[0][:, 0], image[:, 0])


def test_what_this_version_does_not_know_is_left_out() -> None:
    field = b"\xfa\x3f\x06secret"  # field 1023, of bytes
    data = checked_onnx(red_model().SerializeToString() + field, file=FILE)
    assert b"secret" not in data
