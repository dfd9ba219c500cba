"""Foreign models, as other tools leave them: one rule (person where red is over a half), and every way to write it.

The truth is that rule. What a card can say is read right; what a card says wrongly is refused with what mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from curation.errors import CurateError, InputRefused
from curation.pixels import encode_image, encode_mask
from models.card import ModelCard, card_text, read_card
from models.metrics.confusion import cut
from models.prediction.finding import find_model
from models.prediction.preparing import checked_model
from models.prediction.protocol import EngineOptions
from models.prediction.ready import ReadyModel
from models.prediction.real_pictures import Sample
from tests.models.prediction.drawn_models import CARD

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
    """Give the weights of log-odds of 40 x red - 20, of red in 0..1/scale, once for each class, times its number."""
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


def ending(*nodes: tuple[str, dict[str, Any]], first: str = "image") -> list[NodeProto]:
    """Give a convolution and what follows it; the last gives `output`."""
    made = [helper.make_node("Conv", [first, "w", "b"], ["t0"])]
    for number, (kind, settings) in enumerate(nodes, start=1):
        made.append(helper.make_node(kind, [f"t{number - 1}"], [f"t{number}"], **settings))
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


def samples(folder: Path, *, number: int = 5, with_labels: bool = True, with_person: bool = True) -> list[Sample]:
    """Write pictures, with their labels or without."""
    folder.mkdir(exist_ok=True)
    found = []
    for index in range(number):
        image, mask = picture(index, with_person=with_person)
        file = folder / f"{index}.png"
        file.write_bytes(encode_image(image, quality=None))
        (folder / f"{index}-mask.png").write_bytes(encode_mask(mask))
        row = {"image": file.name, "mask": f"{index}-mask.png", "persons": 1}
        found.append(Sample(file=file, row=row, folder=folder) if with_labels else Sample(file=file))
    return found


def looked_at(path: Path, card: ModelCard, pictures: Sequence[Sample]) -> ReadyModel:
    """Check a model here, without a process of its own."""
    path.with_suffix(".yaml").write_bytes(card_text(card))
    found = find_model(path)
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1), pictures)
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def changed(**fields: Any) -> ModelCard:
    return msgspec.structs.replace(PIXELS, **fields)


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
    "the first of several outputs": (
        [*SIGMOID, helper.make_node("Neg", ["y"], ["other"])],
        {"constants": red(), "outputs": ("output", "other")},
        {},
    ),
    "a quarter of the size": (
        ending(("Sigmoid", {}), ("AveragePool", {"kernel_shape": [4, 4], "strides": [4, 4]})),
        {"constants": red()},
        {},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_another_tool_is_read_as_its_card_says(tmp_path: Path, name: str) -> None:
    nodes, how, card = MODELS[name]
    path = net(tmp_path / "model.onnx", nodes, **how)
    ready = looked_at(path, changed(**card), samples(tmp_path / "data"))
    pictures = [picture(index) for index in range(5)]
    found = ready.predictor(threads=1).predict([image for image, _ in pictures])
    agree = [float((cut(one) == mask).mean()) for one, (_, mask) in zip(found, pictures, strict=True)]
    assert min(agree) == 1.0 if name != "a quarter of the size" else min(agree) > 0.95


WRONG: dict[str, tuple[list[NodeProto], dict[str, Any], dict[str, Any], str]] = {
    "channels last, unsaid": (
        ending(("Sigmoid", {}), ("Transpose", TO_NHWC)),
        {"constants": red()},
        {},
        r"output of shape \(1, 32, 32, 1\).* a plane of 32 x 1, at no scale the input's 32 x 32.*`output_layout: NHWC`",
    ),
    "the plane transposed": (
        ending(("Sigmoid", {}), ("Transpose", {"perm": [0, 1, 3, 2]})),
        {"constants": red()},
        {},
        "the model's output is transposed.*check layout and output_layout",
    ),
    "alphas called probability": (
        MODELS["alphas of 0..255"][0],
        MODELS["alphas of 0..255"][1],
        {"output": "probability"},
        "where its card promises a probability.*write `output: alpha`",
    ),
    "probabilities called log-odds": (
        SIGMOID,
        {"constants": red()},
        {"output": "logit"},
        "all that the model gives lies in 0..1.*write `output: probability`",
    ),
    "background called person": (
        ending(("Softmax", {"axis": 1})),
        {"constants": red(classes=(0.0, 1.0))},
        {"person_index": 0},
        "its mIoU is 0.0.*write `person_index: 1` in the card",
    ),
    "another class called person": (
        MODELS["numbers of classes"][0],
        {"constants": THREE},
        {"output": "class_ids", "person_index": 1},
        "write `person_index: 2` in the card",
    ),
    "the opposite of the labels": (
        SIGMOID,
        {"constants": {name: -value for name, value in red().items()}},
        {},
        "for the opposite of what it says",
    ),
    "pixels of 0..255 for 0..1": (
        SIGMOID,
        {"constants": red()},
        {"std": (1.0, 1.0, 1.0)},
        r"`std: \[255.0, 255.0, 255.0\]` \(pixels of 0..1\) in the card",
    ),
    "pixels of 0..1 for 0..255": (
        SIGMOID,
        {"constants": red(scale=1 / 255)},
        {},
        "the model gives nearly the same answer.*check mean and std",
    ),
    "blue for red": (SIGMOID, {"constants": red()}, {"channels": "BGR"}, "write `channels: RGB` in the card"),
    "an output that is not there": (
        SIGMOID,
        {"constants": red()},
        {"output_name": "mask"},
        "output_name: the card says 'mask', the model gives output",
    ),
    "no image at all": (
        ending(("Sigmoid", {}), ("Flatten", {})),
        {"constants": red()},
        {},
        r"output of shape \(1, 1024\).* name another output in `output_name`",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_card_that_misleads_is_refused_with_what_mends_it(tmp_path: Path, name: str) -> None:
    nodes, how, card, said = WRONG[name]
    path = net(tmp_path / "model.onnx", nodes, **how)
    with pytest.raises(InputRefused, match=f"(?s){said}") as refused:
        looked_at(path, changed(**card), samples(tmp_path / "data"))
    assert refused.value.where == str(path)


@pytest.mark.parametrize("name", ["the plane transposed", "probabilities called log-odds", "pixels of 0..1 for 0..255"])
def test_some_of_it_shows_without_labels(tmp_path: Path, name: str) -> None:
    nodes, how, card, said = WRONG[name]
    with pytest.raises(InputRefused, match=f"(?s){said}"):
        looked_at(net(tmp_path / "m.onnx", nodes, **how), changed(**card), samples(tmp_path / "d", with_labels=False))


def test_a_network_fed_far_too_much_or_that_sees_person_everywhere_is_refused_without_labels(tmp_path: Path) -> None:
    data = samples(tmp_path / "d", with_labels=False)
    logits = net(tmp_path / "logit.onnx", ending(), constants=red(scale=4000.0))
    with pytest.raises(InputRefused, match="beyond all measure"):
        looked_at(logits, changed(output="logit", std=(1.0, 1.0, 1.0)), data)
    everywhere = net(tmp_path / "all.onnx", SIGMOID, constants=red(scale=100.0))
    with pytest.raises(InputRefused, match="nothing but person in each of 5 pictures"):
        looked_at(everywhere, PIXELS, data)
    upside = net(tmp_path / "plain.onnx", SIGMOID, constants={"w": red()["w"] * 0, "b": np.float32([3.0])})
    with pytest.raises(InputRefused, match="gives the same"):
        looked_at(upside, PIXELS, data)


def test_a_model_that_finds_nobody_where_nobody_is_passes(tmp_path: Path) -> None:
    nodes, how, card = MODELS["numbers of classes"]
    blind = net(tmp_path / "m.onnx", nodes, constants=THREE | {"b": np.float32([90, 0, -20])})
    nobody = samples(tmp_path / "d", with_labels=False, with_person=False)
    assert looked_at(blind, changed(**card), nobody).card.output == "class_ids"
    sharp = net(tmp_path / "s.onnx", nodes, **how)
    assert looked_at(sharp, changed(**card), nobody).card.output == "class_ids"
    with pytest.raises(InputRefused, match="gives the same"):
        looked_at(blind, changed(**card), samples(tmp_path / "p"))


def test_two_labels_are_too_few_to_overrule_a_card_and_broken_pictures_are_passed_over(tmp_path: Path) -> None:
    nodes, how, card, _ = WRONG["background called person"]
    path = net(tmp_path / "m.onnx", nodes, **how)
    assert looked_at(path, changed(**card), samples(tmp_path / "d", number=2)).card.person_index == 0
    broken = samples(tmp_path / "d", number=4)
    broken[0].file.write_bytes(b"no picture")
    assert looked_at(path, changed(person_index=1), broken).card.person_index == 1


def test_a_card_in_units_of_a_pixel_of_0_to_1_is_refused_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(card_text(CARD).replace(b"50.0", b"0.229").replace(b"60.0", b"0.224").replace(b"70.0", b"0.225"))
    with pytest.raises(InputRefused, match=r"multiply both by 255, std: \[58.395, 57.12, 57.375\]"):
        read_card(path)


@pytest.mark.parametrize("output", ["logits", "class_ids"])
def test_of_several_classes_the_card_has_to_name_that_of_person(tmp_path: Path, output: str) -> None:
    path = tmp_path / "model.yaml"
    text = card_text(msgspec.structs.replace(CARD, output=output)).decode()
    path.write_text("\n".join(line for line in text.splitlines() if "person_index" not in line))
    with pytest.raises(InputRefused, match="person_index is missing"):
        read_card(path)
