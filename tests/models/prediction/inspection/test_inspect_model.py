"""What files of each form say of themselves, read in a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto, helper

from curation.errors import CurateError, InputRefused, SecurityRefused
from models.card import UNSAID, read_card
from models.model_files import model_on_disk
from models.prediction.inspection.inspect_model import Inspected, inspect_model, inspected_here
from tests.models.prediction.drawn_models import model_of, red_model, write_onnx
from tests.models.prediction.foreign.readied import picture, predicted
from tests.models.prediction.foreign.tensorflow_files import graph, red_nodes, saved_model, signature
from tests.models.prediction.foreign.tflite_drawn import red_parts, tflite
from tests.models.test_packed_models import archive


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def here(path: Path) -> Inspected:
    found = inspected_here(model_on_disk(path))
    if isinstance(found, CurateError):
        raise found
    return found


def test_the_card_of_each_form_is_begun(tmp_path: Path) -> None:
    (tmp_path / "zoo.tar.gz").write_bytes(archive(("a/frozen_inference_graph.pb", graph(*red_nodes()))))
    (tmp_path / "red.tflite").write_bytes(tflite(red_parts()))
    saved_model(tmp_path / "saved", signatures={"one": signature({"x": "ImageTensor:0"}, {"mask": "logits:0"})})
    files = [tmp_path / "zoo.tar.gz", tmp_path / "red.tflite", tmp_path / "saved"]
    zoo, red, saved = map(here, files)
    assert [one.card_file.name for one in (zoo, red, saved)] == ["zoo.yaml", "red.yaml", "saved.yaml"]
    assert (zoo.form, zoo.card.known["output"], zoo.card.known["output_layout"]) == ("archive", "class_ids", "HW")
    assert (red.inputs[0].sides, red.outputs[0].port.name) == ((1, 32, 24, 3), "logit")
    assert saved.outputs[0].seen is not None and saved.outputs[0].seen.high == pytest.approx(255 / 50 - 2, abs=1e-5)
    onnx = here(write_onnx(tmp_path, red_model(), name="drawn"))
    assert (onnx.form, onnx.card.known["layout"], onnx.card.known["input_size"]) == ("onnx", "NCHW", [32, 24])


def test_a_begun_card_is_refused_until_it_is_complete_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "zoo.tar.gz"
    path.write_bytes(archive(("a/frozen_inference_graph.pb", graph(*red_nodes()))))
    lines = here(path).card.lines()
    card = tmp_path / "zoo.yaml"
    card.write_text("\n".join(lines))
    with pytest.raises(InputRefused, match=r"still says \?\?\? for input_size, channels, person_index"):
        read_card(card)
    said = {"input_size": "[32, 24]", "channels": "RGB", "person_index": "1"}
    told = [line if UNSAID not in line else _completed(line, said) for line in lines]
    card.write_text("\n".join(told))
    assert (predicted(path, picture()) == (picture()[..., 0] > 100)).all()


def test_each_signature_is_told(tmp_path: Path) -> None:
    one = signature({"x": "ImageTensor:0"}, {"mask": "logits:0"})
    found = here(saved_model(tmp_path / "two", signatures={"serving_default": one, "plain": one}))
    assert [output.port.name for output in found.outputs] == ["plain/mask", "serving_default/mask"]
    assert "output_name" in found.card.to_say


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [
        ((0, 3, 32, 24), TensorProto.FLOAT, "takes 0 images at once"),
        ((99, 3, 32, 24), TensorProto.FLOAT, "takes 99 images at once, 64 at most"),
        ((1, 3, 0, 24), TensorProto.FLOAT, "a side has 1 to 8192 pixels"),
        ((1, 3, 9000, 24), TensorProto.FLOAT, "a side has 1 to 8192 pixels"),
        ((1, 4, 32, 24), TensorProto.FLOAT, "takes 4 or 24 channels, an image has 3"),
        ((1, 3, 32, 24), TensorProto.INT8, "is int8, which is none of"),
    ],
)
def test_no_card_is_begun_that_no_command_would_take(
    shape: tuple[int, ...], dtype: int, said: str, tmp_path: Path
) -> None:
    model = model_of([helper.make_node("Relu", ["image"], ["output"])], shape=shape)
    model.graph.input[0].type.tensor_type.elem_type = dtype
    with pytest.raises(InputRefused, match=said) as refused:
        here(write_onnx(tmp_path, model))
    assert "no card can correct that" in refused.value.remedy


def test_outputs_that_are_not_run_are_told_by_name(tmp_path: Path) -> None:
    names = [f"mask{number}" for number in range(15)]
    model = model_of([helper.make_node("Relu", ["image"], [name]) for name in names], channels=3)
    first = model.graph.output.pop()
    for name in names:
        first.name = name
        model.graph.output.append(first)
    found = here(write_onnx(tmp_path, model))
    assert [one.port.name for one in found.outputs] == names[:12] and found.others == tuple(names[12:])
    assert found.card.to_say["output_name"] == "one of " + ", ".join(names)


def test_it_is_read_in_another_process_and_what_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "red.tflite"
    path.write_bytes(tflite(red_parts(), custom="Convolution2DTransposeBias"))
    with pytest.raises(InputRefused, match="Convolution2DTransposeBias"):
        inspect_model(path)
    (tmp_path / "evil.pb").write_bytes(b"\x80\x04\x95.")
    with pytest.raises(SecurityRefused, match="a Python pickle"):
        inspect_model(tmp_path / "evil.pb")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    with pytest.raises(InputRefused, match="run folder of curate, which has its card"):
        inspect_model(tmp_path / "run")


def _completed(line: str, said: dict[str, str]) -> str:
    name = line.partition(":")[0]
    return f"{name}: {said[name]}"
