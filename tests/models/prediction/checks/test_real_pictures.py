"""Foreign models, as other tools leave them: one rule (person where red is over a half), and every way to write it.

The truth is that rule. What a card can say is read right; what a card says wrongly is refused with what mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from onnx import NodeProto, helper

from curation.errors import CurateError, InputRefused
from curation.images.pixels import encode_image, encode_mask
from curation.labels.masks import mask_of
from models.card import ModelCard, card_text, read_card
from models.prediction.checks.other_readings import _other_layouts
from models.prediction.checks.real_pictures import Sample
from models.prediction.find_model import find_model
from models.prediction.prepare import checked_model
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.drawn_models import CARD
from tests.models.prediction.foreign_models import (
    MODELS,
    PIXELS,
    SIDE,
    SIGMOID,
    THREE,
    TO_NHWC,
    ending,
    net,
    picture,
    red,
)


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
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1), samples=pictures)
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def changed(**fields: Any) -> ModelCard:
    return msgspec.structs.replace(PIXELS, **fields)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_another_tool_is_read_as_its_card_says(tmp_path: Path, name: str) -> None:
    nodes, how, card = MODELS[name]
    path = net(tmp_path / "model.onnx", nodes, **how)
    ready = looked_at(path, changed(**card), samples(tmp_path / "data"))
    pictures = [picture(index) for index in range(5)]
    found = ready.predictor(threads=1).predict([image for image, _ in pictures])
    agree = [float((mask_of(one) == mask).mean()) for one, (_, mask) in zip(found, pictures, strict=True)]
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
    "alphas of 0..255 for log-odds": (
        ending(("Sigmoid", {}), ("Mul", {}), of_two={"Mul": "f"}),
        {"constants": red() | {"f": np.array(255, np.float32)}},
        {"output": "logit"},
        r"cut at 127.5, halfway .* the card says logit.*correct output in the card",
    ),
    "per cent for alphas of 0..255": (
        ending(("Sigmoid", {}), ("Mul", {}), of_two={"Mul": "f"}),
        {"constants": red() | {"f": np.array(100, np.float32)}},
        {"output": "alpha"},
        "cut at 50, halfway .*the card says alpha.*correct output",
    ),
    "as many classes as rows, last": (
        ending(("Transpose", {"perm": [0, 2, 3, 1]})),
        {"constants": red(classes=[-1.0, 1.0, *[-99.0] * (SIDE - 2)])},
        {"output": "logits", "person_index": 1},
        "output_layout",
    ),
    "noise that is drawn anew": (
        ending(("Sigmoid", {}), ("RandomUniformLike", {})),
        {"constants": red()},
        {},
        "another answer when it sees the same picture again.*`model.eval\\(\\)`",
    ),
    "blue for red": (SIGMOID, {"constants": red()}, {"channels": "BGR"}, "write `channels: RGB` in the card"),
    "an output that is not there": (
        SIGMOID,
        {"constants": red()},
        {"output_name": "mask"},
        "output_name: the card says 'mask', the model gives output",
    ),
    "several outputs of one size, and none is named": (
        [*SIGMOID, helper.make_node("Neg", ["y"], ["other"])],
        {"constants": red(), "outputs": ("output", "other")},
        {},
        "output_name: the model gives output, other.*such as output_name: output",
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
    with pytest.raises(InputRefused, match="implausibly large"):
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


@pytest.mark.parametrize(("shape", "told"), [((1, 4, 4, 4), ["`output_layout: NHWC`"]), ((1, 2, 4, 4), [])])
def test_another_layout_is_tried_where_the_shape_tells_none(shape: tuple[int, ...], told: list[str]) -> None:
    card = changed(input_size=(4, 4), output="logits", person_index=1)
    assert [one.told for one in _other_layouts([np.zeros(shape, np.float32)], card)] == told
