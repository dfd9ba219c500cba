from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from scipy.special import expit

from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, InputRefused, SecurityRefused
from models.card import read_card
from models.prediction import engines
from models.prediction import prepare as preparing
from models.prediction.find_model import find_model
from models.prediction.load_model import load_model
from models.prediction.prepare import checked_model, prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.drawn_models import SIZE, convolution, model_of, nan_on_black, red_model, write_onnx


def checked(path: Path, **options: object) -> ReadyModel:
    """Check a model here, without a process of its own, which takes seconds to start."""
    found = find_model(path)
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1, **options))  # type: ignore[arg-type]
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def data_dependent_bomb() -> onnx.ModelProto:
    """Return a model that fills as many GB as the image is bright: no shape in the file tells."""
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Abs", ["most"], ["positive"]),
        helper.make_node("Mul", ["positive", "much"], ["large"]),
        helper.make_node("Cast", ["large"], ["whole"], to=onnx.TensorProto.INT64),
        helper.make_node("Unsqueeze", ["whole", "axis"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
        helper.make_node("Conv", ["image", "kernel"], ["red"]),
        helper.make_node("Add", ["red", "zero"], ["output"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(1e11), name="much"),
        numpy_helper.from_array(np.array([0], dtype=np.int64), name="axis"),
        numpy_helper.from_array(np.array([[[[1.0]], [[0.0]], [[0.0]]]], dtype=np.float32), name="kernel"),
    ]
    return model_of(nodes, constants=constants)


def test_a_model_is_checked_in_another_process_and_predicts_here(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, red_model(), name="red")
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    model = load_model(path, threads=1)
    assert model.name == "red"
    np.testing.assert_allclose(model.predict([image])[0], expit((image[..., 0] - 100.0) / 50), atol=1e-6)


def test_a_bomb_that_only_running_finds_ends_within_its_limits(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, data_dependent_bomb())
    with pytest.raises(SecurityRefused, match="more memory than a model needs") as refused:
        prepare(path, options=EngineOptions(workers=1))
    assert refused.value.exit_code == 8


def test_what_takes_too_long_to_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "OPENING_TIMEOUT_S", 0.01)
    with pytest.raises(SecurityRefused, match="no result within"):
        prepare(write_onnx(tmp_path, red_model()), options=EngineOptions(workers=1))


def test_openvino_is_taken_where_it_agrees_with_onnx_runtime(tmp_path: Path) -> None:
    ready = checked(write_onnx(tmp_path, red_model()))
    assert (ready.engine, ready.precision, ready.notes) == ("openvino", "fp32", ())
    assert ready.sha256 == read_sha(ready.file)


def read_sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_openvino_is_left_where_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Off:
        batch = 1

        def run(self, inputs: NDArray[np.float32], places: Any = None) -> NDArray[np.float32]:
            return inputs[:, :1] + 0.1

    monkeypatch.setattr(engines, "open_openvino", lambda *_, **__: Off())
    ready = checked(write_onnx(tmp_path, red_model()))
    assert ready.engine == "onnxruntime"
    assert "openvino differs from onnxruntime by 0.02" in ready.notes[0]


def test_one_runtime_is_enough_and_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(tmp_path, red_model())
    monkeypatch.setattr(engines, "has_onnxruntime", lambda **_: False)
    assert checked(path).engine == "openvino"
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    with pytest.raises(EnvironmentProblem, match="neither OpenVINO nor ONNX Runtime"):
        checked(path)
    monkeypatch.setattr(engines, "has_onnxruntime", lambda **_: True)
    assert checked(path).engine == "onnxruntime"


def test_fast_is_bfloat16_where_the_processor_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_onnx(tmp_path, red_model())
    monkeypatch.setattr(engines, "has_fast_bfloat16", lambda: False)
    slow = checked(path, precision="fast")
    assert slow.precision == "fp32" and "bfloat16" in slow.notes[0]
    monkeypatch.setattr(engines, "has_fast_bfloat16", lambda: True)
    assert checked(path, precision="fast").precision == "bf16"
    monkeypatch.setattr("models.prediction.choose_engine.BFLOAT16_MEAN_OFF", -1.0)
    far = checked(path, precision="fast")
    assert far.precision == "fp32" and "bfloat16 differs" in far.notes[0]


def test_a_model_of_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="not finite"):
        checked(write_onnx(tmp_path, convolution([[float("nan"), 0, 0]])))


def test_logits_that_the_card_calls_a_probability_are_refused_with_their_range(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, red_model(), output="probability")
    with pytest.raises(InputRefused, match=r"values from -1\.\d* to 2\.\d* where its card promises") as refused:
        checked(path)
    assert refused.value.where == str(path)


def test_an_onnx_file_has_to_have_the_hash_and_the_answer_of_its_card(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, red_model(), sha256="0" * 64)
    with pytest.raises(InputRefused, match=f"{read_sha(path)}, the card says {'0' * 64}"):
        checked(path)
    path = write_onnx(tmp_path, red_model(), probe=(0.5,) * 16)
    with pytest.raises(InputRefused, match="does not answer as it did"):
        checked(path)


def test_what_no_runtime_opens_is_refused_with_their_reasons(tmp_path: Path) -> None:
    path = write_onnx(tmp_path, model_of([helper.make_node("NoSuchOperator", ["image"], ["output"])]))
    with pytest.raises(InputRefused, match=r"onnxruntime cannot run it: .*; openvino cannot run it: "):
        checked(path)


def test_a_gpu_that_is_not_there_is_told(tmp_path: Path) -> None:
    if engines.has_onnxruntime(on_cuda=True):
        pytest.skip("there is one")
    with pytest.raises(ConfigurationProblem, match="--device cuda"):
        checked(write_onnx(tmp_path, nan_on_black()), device="cuda")


def test_openvino_sends_no_telemetry() -> None:
    import sys

    assert engines.has_openvino()
    assert sys.modules["openvino_telemetry"] is None
