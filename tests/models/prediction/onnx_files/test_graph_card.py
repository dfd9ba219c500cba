from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from onnx import ModelProto, TensorProto, helper

from curation.errors import InputRefused
from models.prediction.onnx_files.graph_card import refuse_other_graph
from tests.models.prediction.drawn_models import CARD, SIZE, convolution, model_of, red_model

FILE = Path("model.onnx")
TWO = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def relu(**settings: object) -> ModelProto:
    return model_of([helper.make_node("Relu", ["image"], ["output"])], **settings)  # type: ignore[arg-type]


def differences(model: ModelProto, **changes: object) -> str:
    with pytest.raises(InputRefused, match="do not agree") as refused:
        refuse_other_graph(model.SerializeToString(), card=msgspec.structs.replace(CARD, **changes), file=FILE)
    assert refused.value.exit_code == 4
    return refused.value.reason


def test_a_model_as_its_card_says_passes() -> None:
    refuse_other_graph(red_model().SerializeToString(), card=CARD, file=FILE)
    free = relu(shape=("n", "c", "h", "w")).SerializeToString()
    refuse_other_graph(free, card=msgspec.structs.replace(CARD, input_size=(99, 7)), file=FILE)


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        (red_model(), {"input_size": (24, 32)}, "input_size: the model takes a height of 32, the card says 24"),
        (
            red_model(),
            {"layout": "NHWC"},
            "layout: the card says NHWC, where the model takes 24 channels; with layout: NCHW",
        ),
        (relu(shape=("n", 1, *SIZE)), {}, "takes 1 or 24 channels, an image has 3"),
        (relu(shape=(4, 3, *SIZE)), {"batch": 2}, "batch: the model takes 4 images at once, the card says 2"),
        (relu(shape=(99, 3, *SIZE)), {}, "batch: the model takes 99 images at once, 64 at most are possible"),
        (relu(shape=(3, *SIZE)), {}, "has 3 axes, 4 are expected"),
        (convolution(TWO), {}, "output: the card says logit, which is one channel, and it gives 2"),
        (red_model(), {"output": "logits"}, "output: the card says logits, of two classes or more"),
        (convolution(TWO), {"output": "logits", "person_index": 2}, "person_index: the card says 2"),
        (
            convolution(TWO),
            {"output": "logits", "network": "unet", "classes": 3},
            "classes: the model gives 2, the card says 3",
        ),
    ],
)
def test_each_difference_is_named(model: ModelProto, changes: dict[str, object], said: str) -> None:
    assert said in differences(model, **changes)


def test_all_differences_are_listed_together() -> None:
    told = differences(convolution(TWO), input_size=(24, 32), output="logits", person_index=5)
    assert told.count("\n") == 3
    assert "a height of" in told and "a width of" in told and "person_index" in told


def test_other_inputs_and_types_are_named() -> None:
    model = red_model()
    model.graph.input.append(helper.make_tensor_value_info("size", TensorProto.INT64, [2]))
    assert "has 2 inputs (image, size)" in differences(model)
    model = red_model()
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert "mean, std: the input 'image' is uint8 and takes pixels as they are" in differences(model)
    assert "dtype: the card says float32, the input 'image' is uint8" in differences(model, dtype="float32")
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT8
    assert "the input 'image' is int8, which is none of uint8, float16 and float32" in differences(model)
    model = red_model()
    del model.graph.output[:]
    assert "no output" in differences(model)
