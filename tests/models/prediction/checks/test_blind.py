"""Answers of teachers that tell nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curation.errors import InputRefused
from models.prediction.checks.blind import refuse_blind
from tests.models.data.discs import write_png

MODEL = Path("m/teacher.onnx")


def answers(folder: Path, *values: int) -> list[Path]:
    files = [folder / f"{number}.png" for number in range(len(values))]
    for file, value in zip(files, values, strict=True):
        write_png(file, np.array([[value, values[0]]], np.uint8))
    return files


def test_one_image_with_a_person_and_background_is_enough(tmp_path: Path) -> None:
    assert refuse_blind(answers(tmp_path, 0, 0, 255), model=MODEL, asked=3) == []
    assert refuse_blind(answers(tmp_path, 255, 0), model=MODEL, asked=2) == []
    assert refuse_blind([], model=MODEL, asked=0) == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0, 127), "sees nobody in any of 2 images"),
        ((255, 128), "takes the whole of each of 2 images for a person"),
        ((), "gives nothing for any of 2 images"),
    ],
)
def test_a_teacher_that_tells_nothing_is_refused(tmp_path: Path, values: tuple[int, ...], told: str) -> None:
    with pytest.raises(InputRefused, match=f"this teacher {told}") as error:
        refuse_blind(answers(tmp_path, *values), model=MODEL, asked=2)
    assert str(error.value.where) == str(MODEL)
    assert refuse_blind(answers(tmp_path, *values), model=MODEL, asked=2, enough=3) == [f"teacher {told}"]
