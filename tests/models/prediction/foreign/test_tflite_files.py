"""TFLite: numbers that stand for others are taken and given as those, and a file that is none is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused
from models.prediction.foreign.tflite_files import Tensor, ends_of_tflite
from tests.models.prediction.foreign.readied import picture, predicted, ready
from tests.models.prediction.foreign.tensorflow_files import card
from tests.models.prediction.foreign.tflite_drawn import red_parts, tflite, whole_parts

LOGIT = {"output": "logit", "person_index": 0}
TWENTIETH = 0.05
"""A step of the log-odds in whole numbers: they are off by half of it at most, and float32 by a little."""


def written(folder: Path, data: bytes, **fields: object) -> Path:
    path = folder / "portrait.tflite"
    path.write_bytes(data)
    return card(path, **{**LOGIT, **fields})


def log_odds() -> np.ndarray:
    return picture()[..., 0] / 50 - 2


def test_a_float_file_gives_what_its_convolution_says(tmp_path: Path) -> None:
    path = written(tmp_path, tflite(red_parts()))
    np.testing.assert_allclose(predicted(path, picture()), 1 / (1 + np.exp(-log_odds())), atol=1e-6)


@pytest.mark.parametrize(("taken", "given"), [("i1", "i1"), ("u1", "u1"), ("u1", "i1"), ("i1", "u1")])
def test_whole_numbers_are_the_numbers_that_they_stand_for(taken: str, given: str, tmp_path: Path) -> None:
    model = ready(written(tmp_path, tflite(whole_parts(taken=taken, given=given))))
    assert model.card.dtype == ("uint8" if taken == "u1" else "float32")
    output = model.predictor(threads=1).output([picture()])
    assert output.dtype == np.float32
    np.testing.assert_allclose(output[0, ..., 0], log_odds(), atol=TWENTIETH / 2 + 1e-3)
    np.testing.assert_allclose(output / TWENTIETH, np.round(output / TWENTIETH), atol=1e-3)


def test_uint8_takes_pixels_as_they_are_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, tflite(whole_parts(taken="u1", given="u1")), std=[255] * 3)
    with pytest.raises(InputRefused, match="is uint8 and takes pixels as they are"):
        ready(path)


def test_the_operator_of_mediapipe_is_named_and_the_way_by_onnx_told(tmp_path: Path) -> None:
    path = written(tmp_path, tflite(red_parts(), custom="Convolution2DTransposeBias"))
    with pytest.raises(InputRefused, match="OpenVINO has no operator Convolution2DTransposeBias") as refused:
        ready(path)
    assert "ONNX" in refused.value.remedy and refused.value.where == str(path)


def test_inputs_and_outputs_are_told_with_their_numbers() -> None:
    taken, given = ends_of_tflite(tflite(whole_parts(taken="i1", given="u1")), file=Path("x"))
    assert taken == [Tensor(name="image", scale=1.0, zero=-128)]
    assert given == [Tensor(name="logit", scale=float(np.float32(0.05)), zero=100)]
    assert ends_of_tflite(tflite(red_parts()), file=Path("x"))[1] == [Tensor(name="logit")]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tflite(whole_parts(taken="u1", given="u1"))
    for length in range(0, len(whole), 97):
        with pytest.raises(InputRefused, match=r"not a (whole )?TFLite file|cannot read it|is empty"):
            ready(written(tmp_path, whole[:length]))


def test_another_file_of_this_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="does not hold TFL3"):
        ready(written(tmp_path, b"not found: this is a text"))


def test_a_card_for_another_size_or_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="input_size: the model takes a height of 32, the card says 64"):
        ready(written(tmp_path, tflite(red_parts()), input_size=[64, 48]))
    with pytest.raises(InputRefused, match="with layout: NHWC it would be 3"):
        ready(written(tmp_path, tflite(red_parts()), layout="NCHW"))
