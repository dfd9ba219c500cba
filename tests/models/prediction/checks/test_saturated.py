"""Whether a saturated output is told from a model that is sure of itself, by drawn models whose numbers are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx import helper, numpy_helper

from curation.errors import InputRefused
from curation.images.pixels import Image
from models.prediction.checks.real_pictures import Sample, refuse_misread
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.drawn_models import convolution, model_of, write_onnx
from tests.models.prediction.foreign.readied import ready


def album(folder: Path) -> list[Sample]:
    """Return pictures of a bright disc on dark noise, each at another place."""
    samples = []
    for number in range(6):
        rows, columns = np.mgrid[:64, :48]
        disc = np.hypot(rows - 12 - 7 * number, columns - 24) < 14
        noise = np.random.default_rng(number).integers(0, 60, (64, 48, 3), dtype=np.uint8)
        picture: Image = np.where(disc[..., None], np.uint8(190 + number), noise)
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        samples.append(Sample(file=folder / f"{number}.png"))
    return samples


def model(folder: Path, *, std: float, mean: float, strength: float) -> ReadyModel:
    """Return a model whose log-odds are `strength` times the normalised red."""
    network = convolution([[strength, 0.0, 0.0]])
    return ready(write_onnx(folder, network, mean=(mean,) * 3, std=(std,) * 3))


def test_an_input_that_is_too_large_is_told_with_the_numbers_of_the_usual_one(tmp_path: Path) -> None:
    """Of pixels of -1..1 it gives log-odds of -8 to 8; of pixels less 127.5 as they are, up to 1000."""
    right = model(tmp_path, mean=127.5, std=127.5, strength=8)
    assert refuse_misread(right, samples=album(tmp_path), threads=1) == right
    wrong = replace(right, card=model(tmp_path, mean=127.5, std=1, strength=8).card)
    with pytest.raises(InputRefused, match=r"output is saturated: .* sure of \d+% of all pixels") as refused:
        refuse_misread(wrong, samples=album(tmp_path), threads=1)
    assert "127.5" in refused.value.remedy and refused.value.where is not None


def test_a_model_that_is_sure_of_itself_is_not_refused(tmp_path: Path) -> None:
    sure = model(tmp_path, mean=100, std=255, strength=200)
    assert refuse_misread(sure, samples=album(tmp_path), threads=1) == sure


def wave(folder: Path, *, std: float) -> ReadyModel:
    """Return a model whose log-odds are -8 cos(pi red), of red as it enters: of whole numbers 8 times 1 or -1."""
    red = np.array([[[[np.pi]], [[0]], [[0]]]], np.float32)
    constants = [numpy_helper.from_array(red, "red"), numpy_helper.from_array(np.float32(-8), "strength")]
    nodes = [
        helper.make_node("Conv", ["image", "red"], ["angle"]),
        helper.make_node("Cos", ["angle"], ["cosine"]),
        helper.make_node("Mul", ["cosine", "strength"], ["output"]),
    ]
    return ready(write_onnx(folder, model_of(nodes, constants=constants), mean=(0.0,) * 3, std=(std,) * 3))


def test_masks_in_rags_are_told_where_another_usual_input_makes_them_smooth(tmp_path: Path) -> None:
    """A model that is never sure: pixels of 0..255 that it takes for 0..1 make it say yes and no by odd and even."""
    right = wave(tmp_path, std=255)
    assert refuse_misread(right, samples=album(tmp_path), threads=1) == right
    with pytest.raises(InputRefused, match=r"masks are in rags: .* with pixels of 0\.\.1 \d times") as refused:
        refuse_misread(wave(tmp_path, std=1), samples=album(tmp_path), threads=1)
    assert "`std: [255.0, 255.0, 255.0]`" in refused.value.remedy


def test_masks_that_are_ragged_with_every_usual_input_are_those_of_the_model(tmp_path: Path) -> None:
    """One that says yes of what is brighter than the noise is on average finds the same crumbs in other units."""
    folder = tmp_path / "noise"
    folder.mkdir()
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (64, 48, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), noise)
    samples = [Sample(file=path) for path in sorted(folder.iterdir())]
    crumbs = model(tmp_path, mean=127.5, std=127.5, strength=8)
    assert refuse_misread(crumbs, samples=samples, threads=1) == crumbs
