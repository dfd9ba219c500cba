"""Models as other tools leave them: masks are those of the bare runtime, scores those of the same network as ONNX."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curation.errors import CurateError
from models.card import UNSAID, read_card
from models.metrics.confusion import confusion, image_miou
from models.model_files import model_on_disk
from models.prediction.features import image_features
from models.prediction.find_model import find_model
from models.prediction.foreign.tensorflow_messages import message
from models.prediction.inspection.inspect_model import Inspected, inspected_here
from models.prediction.predictor import EnginePredictor
from models.prediction.prepare import checked_model
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.foreign.tensorflow_files import (
    FLOAT,
    INT32,
    INT64,
    UINT8,
    constant,
    graph,
    node,
    of_shape,
    of_type,
)
from tests.places import REAL_DATA

FOREIGN = REAL_DATA / "models" / "foreign"
PORTRAITS = REAL_DATA / "data" / "portraits"
IMAGENET = {"mean": "[123.675, 116.28, 103.53]", "std": "[58.395, 57.12, 57.375]"}
SAID = {
    "ppseg_float32.tflite": {"channels": "RGB", "person_index": "1", **IMAGENET},
    "ppseg_saved_model": {"channels": "RGB", "person_index": "1", **IMAGENET},
    "mnv3_seg_float.tflite": {
        "channels": "RGB",
        "person_index": "1",
        "mean": "[0, 0, 0]",
        "std": "[255, 255, 255]",
        "output": "logits",
    },
    "mnv3_post_quant.tflite": {"channels": "RGB", "person_index": "1", "output": "logits"},
}
"""What a person says of each, where its begun card is marked."""
STEP = 0.08694140613079071
"""Of the log-odds of mnv3_post_quant, as its file says."""
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not FOREIGN.is_dir(), reason=f"no {FOREIGN}; set CURATE_REAL_DATA to the folder of real data"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Link the files into a folder that can be written, each with the card that its inspection began."""
    folder = tmp_path_factory.mktemp("foreign")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name, said in SAID.items():
            path = folder / name
            path.symlink_to(FOREIGN / name) if (FOREIGN / name).is_dir() else path.hardlink_to(_copied(folder, name))
            found = inspected_here(model_on_disk(path))
            assert isinstance(found, Inspected), found
            lines = [
                f"{line.partition(':')[0]}: {said[line.partition(':')[0]]}" if UNSAID in line else line
                for line in found.card.lines()
            ]
            found.card_file.write_text("\n".join(lines))
        yield folder


def _copied(folder: Path, name: str) -> Path:
    target = folder / f"copy of {name}"
    target.write_bytes((FOREIGN / name).read_bytes())
    return target


@cache
def opened(path: Path) -> EnginePredictor:
    return ready(path).predictor(threads=1)


@cache
def ready(path: Path) -> ReadyModel:
    found = find_model(path)
    outcome = checked_model(found, read_card(found.card), EngineOptions(workers=1))
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def images(number: int) -> list[tuple[Path, NDArray[np.uint8]]]:
    files = sorted((PORTRAITS / "images").iterdir())[:: 200 // number][:number]
    return [(file, cv2.imread(str(file))[..., ::-1].copy()) for file in files]


@cache
def bare(name: str) -> Any:
    """Return what OpenVINO alone gives for a prepared image, without anything of ours: the person's probability."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    source = "ppseg_float32.tflite" if name == "ppseg_saved_model" else name
    compiled = openvino.Core().compile_model(str(FOREIGN / source), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(image: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = (224, 398) if source.startswith("ppseg") else (256, 256)
        shrinks = image.shape[0] >= height and image.shape[1] >= width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        pixels = cv2.resize(image, (width, height), interpolation=how)
        if source.startswith("ppseg"):
            values = (pixels.astype(np.float32) - np.float32([123.675, 116.28, 103.53])) / np.float32(
                [58.395, 57.12, 57.375]
            )
            return np.asarray(compiled(values[None])[0][0, 1])
        step = 1.0 if source.endswith("float.tflite") else STEP
        given = compiled(pixels[None] / np.float32(255) if step == 1.0 else pixels[None])[0][0].astype(np.float32)
        return np.asarray(1 / (1 + np.exp(-step * (given[..., 1] - given[..., 0]))), np.float32)

    return run


@pytest.mark.parametrize("name", SAID)
def test_masks_are_those_of_the_bare_runtime(name: str, models: Path) -> None:
    runtime, predictor = bare(name), opened(models / name)
    for file, image in images(3):
        expected = cv2.resize(runtime(image), image.shape[1::-1], interpolation=cv2.INTER_LINEAR) >= 0.5
        found = predictor.predict([image])[0] >= 0.5
        assert np.array_equal(found, expected), file


def test_the_network_scores_in_every_form_what_it_scores_as_onnx(models: Path) -> None:
    scores = []
    for path in (
        REAL_DATA / "models" / "pphumanseg_lite.onnx",
        models / "ppseg_float32.tflite",
        models / "ppseg_saved_model",
    ):
        predictor = opened(path)
        found = []
        for file, image in images(5):
            truth = cv2.imread(str(PORTRAITS / "masks" / f"{file.stem}.png"), cv2.IMREAD_GRAYSCALE)
            truth = cv2.resize(truth, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            mask = np.where(predictor.predict([image])[0] >= 0.5, np.uint8(255), np.uint8(0))
            found.append(
                image_miou(confusion(mask, truth=np.where(truth >= 128, np.uint8(255), np.uint8(0)), valid=None))
            )
        scores.append(float(np.mean(found)))
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-4) and scores[0] > 0.75


def test_features_are_those_of_the_same_network_as_onnx(models: Path) -> None:
    """Its deepest map is found in both forms, in any layout."""
    pictures = [(file.parent, file.name) for file, _ in images(3)]
    of_onnx, of_tflite = (
        image_features(ready(path), images=pictures, threads=1)
        for path in (REAL_DATA / "models" / "pphumanseg_lite.onnx", models / "ppseg_float32.tflite")
    )
    assert of_onnx.shape[0] == of_tflite.shape[0] == 3 and of_tflite.std(axis=0).max() > 0
    if of_onnx.shape == of_tflite.shape:
        np.testing.assert_allclose(of_tflite, of_onnx, atol=1e-2)


def test_a_frozen_graph_from_uint8_pixels_to_class_ids_says_what_its_network_says(models: Path) -> None:
    """As DeepLab's are: the SavedModel's network, with the normalisation before it and the choice of class after it."""
    path = models / "deeplab.pb"
    path.write_bytes(frozen_network(FOREIGN / "ppseg_saved_model" / "saved_model.pb"))
    found = inspected_here(model_on_disk(path))
    assert isinstance(found, Inspected), found
    assert found.card.known["output"] == "class_ids" and found.inputs[0].dtype == "uint8"
    said = {"channels": "RGB", "person_index": "1"}
    lines = [
        f"{line.split(':')[0]}: {said[line.split(':')[0]]}" if UNSAID in line else line for line in found.card.lines()
    ]
    found.card_file.write_text("\n".join(lines))
    runtime, predictor = bare("ppseg_float32.tflite"), opened(path)
    for file, image in images(3):
        plane = (runtime(image) > 0.5).astype(np.float32)  # of two classes alike, ArgMax takes the first: background
        expected = cv2.resize(plane, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) >= 0.5
        off = float(np.mean((predictor.predict([image])[0] >= 0.5) != expected))
        assert off < 1e-4, file  # a rounding may decide where both are nearly alike


def frozen_network(saved: Path) -> bytes:
    """Return the one function of a SavedModel as a graph by itself, from `ImageTensor` to `SemanticPredictions`."""
    model = message("SavedModel")
    model.ParseFromString(saved.read_bytes())
    whole = model.meta_graphs[0]
    [concrete] = whole.object_graph_def.concrete_functions
    [body] = [one for one in whole.graph_def.library.function if one.signature.name == concrete.key]
    held = [whole.object_graph_def.nodes[index].constant.operation for index in concrete.value.bound_inputs]
    named = dict(zip([one.name for one in body.signature.input_arg], ["Normalised", *held], strict=True))
    made = message("Graph")
    made.ParseFromString(graph(*BEFORE, *AFTER))
    for part in (one for one in whole.graph_def.node if one.name in held):
        made.node.add().CopyFrom(part)
    for part in body.node_def:
        copied = made.node.add()
        copied.CopyFrom(part)
        del copied.input[:]
        # in a function, the second output of `a` is `a:output:1`, and arguments are taken by their names
        copied.input.extend(named.get(one, re.sub(r":\w+:", ":", one)) for one in part.input)
    data: bytes = made.SerializeToString()
    return data


OF_FLOAT = {"T": of_type(FLOAT)}
BEFORE = [
    node("ImageTensor", "Placeholder", dtype=of_type(UINT8), shape=of_shape(1, 224, 398, 3)),
    node("Pixels", "Cast", "ImageTensor", SrcT=of_type(UINT8), DstT=of_type(FLOAT)),
    constant("mean", np.array([123.675, 116.28, 103.53], np.float32)),
    constant("std", np.array([58.395, 57.12, 57.375], np.float32)),
    node("Centred", "Sub", "Pixels", "mean", **OF_FLOAT),
    node("Normalised", "RealDiv", "Centred", "std", **OF_FLOAT),
]
AFTER = [
    constant("class_axis", np.array(1, np.int32)),
    node(
        "SemanticPredictions",
        "ArgMax",
        "Identity",
        "class_axis",
        Tidx=of_type(INT32),
        output_type=of_type(INT64),
        **OF_FLOAT,
    ),
]
