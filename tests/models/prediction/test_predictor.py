from __future__ import annotations

from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from curation.errors import InputRefused
from models.card import ModelCard
from models.prediction.predictor import EnginePredictor
from tests.models.prediction.drawn_models import CARD, SIZE


class Red:
    """An engine that gives the first channel as it comes; each run notes how many images it was given."""

    def __init__(self, *, batch: int = 1, layout: str = "NCHW") -> None:
        self.batch = batch
        self.layout = layout
        self.runs: list[int] = []

    def run(self, inputs: NDArray[np.float32], places: Any = None) -> NDArray[np.float32]:
        self.runs.append(len(inputs))
        return inputs[:, :1] if self.layout == "NCHW" else inputs[..., :1]


class LeftOnly(Red):
    """An engine that sees a person in the left half, whatever is there."""

    def run(self, inputs: NDArray[np.float32], places: Any = None) -> NDArray[np.float32]:
        answer = np.full((len(inputs), 1, *inputs.shape[2:]), -50, np.float32)
        answer[..., : inputs.shape[3] // 2] = 50
        return answer


class FirstColumns(Red):
    """An engine that sees a person in the first so many columns of what it is given."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def run(self, inputs: NDArray[np.float32], places: Any = None) -> NDArray[np.float32]:
        answer = np.full((len(inputs), 1, *inputs.shape[2:]), -50, np.float32)
        answer[..., : self.columns] = 50
        return answer


class Broken(Red):
    """An engine that gives NaN for black images."""

    def run(self, inputs: NDArray[np.float32], places: Any = None) -> NDArray[np.float32]:
        return np.where(inputs[:, :1] < -1.99, np.nan, inputs[:, :1])


def predictor(
    engine: Red,
    *,
    with_flips: bool = False,
    with_scales: bool = False,
    with_windows: bool = False,
    **changes: object,
) -> EnginePredictor:
    card: ModelCard = msgspec.structs.replace(CARD, **changes)
    return EnginePredictor(
        engine, card=card, name="red", with_flips=with_flips, with_scales=with_scales, with_windows=with_windows
    )


def drawn(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_the_probability_is_worked_out_from_the_pixels() -> None:
    image = drawn(*SIZE)
    wanted = expit((image[..., 0].astype(np.float64) - 100) / 50)
    np.testing.assert_allclose(predictor(Red()).predict([image])[0], wanted, atol=1e-6)
    last = predictor(Red(layout="NHWC"), layout="NHWC").predict([image])[0]
    np.testing.assert_allclose(last, wanted, atol=1e-6)
    blue = expit((image[..., 2].astype(np.float64) - 100) / 50)
    np.testing.assert_allclose(predictor(Red(), channels="BGR").predict([image])[0], blue, atol=1e-6)


def test_predictions_have_the_sizes_of_their_images() -> None:
    sizes = [SIZE, (7, 9), (640, 480), (1, 1)]
    found = predictor(Red(batch=3)).predict([drawn(*size) for size in sizes])
    assert [probability.shape for probability in found] == sizes
    assert all(probability.dtype == np.float32 for probability in found)
    assert all(0 <= probability.min() <= probability.max() <= 1 for probability in found)


def test_images_go_in_batches_and_each_gets_its_own_prediction() -> None:
    engine = Red(batch=4)
    images = [drawn(*SIZE, seed=seed) for seed in range(9)]
    together = predictor(engine).predict(images)
    assert engine.runs == [4, 4, 1]
    alone = [predictor(Red()).predict([image])[0] for image in images]
    for one, other in zip(together, alone):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_flips_of_a_symmetric_model_change_nothing(layout: str) -> None:
    image = drawn(50, 40)
    plain = predictor(Red(layout=layout), layout=layout).predict([image])[0]
    flipped = predictor(Red(layout=layout), layout=layout, with_flips=True).predict([image])[0]
    np.testing.assert_allclose(flipped, plain, atol=1e-6)


def test_flips_average_what_a_one_sided_model_says_of_both_sides() -> None:
    found = predictor(LeftOnly(), with_flips=True).predict([drawn(*SIZE)])[0]
    np.testing.assert_allclose(found, 0.5, atol=1e-6)


def test_what_is_not_finite_is_none_and_refused_by_predict() -> None:
    black, sound = np.zeros((*SIZE, 3), np.uint8), np.full((*SIZE, 3), 90, np.uint8)
    for with_flips, with_scales in ((False, False), (True, False), (False, True), (True, True)):
        this = predictor(Broken(batch=2), with_flips=with_flips, with_scales=with_scales)
        found = this.raw([sound, black, sound])
        assert [answer is None for answer in found] == [False, True, False]
        with pytest.raises(InputRefused, match="not finite, for image 1 of 3"):
            this.predict([sound, black, sound])


@pytest.mark.parametrize("changes", [{}, {"output": "probability", "mean": (0.0,) * 3, "std": (255.0,) * 3}], ids=str)
def test_windows_give_the_place_and_the_log_odds_of_a_small_person(changes: dict[str, object]) -> None:
    image = np.full((480, 640, 3), 10, np.uint8)
    image[200:260, 300:360] = 240  # 1.2 % of the frame
    engine = Red(batch=8)
    (answer,) = predictor(engine, with_windows=True, **changes).raw([image])
    assert answer is not None and answer.strength is not None
    odds = np.log(240 / 15) if changes else (240 - 100) / 50
    # the windows are scaled to the input of the model, which blurs the outline
    assert 2 < answer.strength <= odds + 1e-4
    whole = cv2.resize(answer.probability, (640, 480), interpolation=cv2.INTER_NEAREST)
    assert whole[210:250, 310:350].min() == 1 and whole[:, :280].max() == whole[:, 380:].max() == 0
    assert sum(engine.runs) == 105 and max(engine.runs) == 8


def test_one_window_that_is_not_finite_is_no_answer() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    assert predictor(Broken(), with_windows=True).raw([image])[0] is not None
    image[100:200, 100:200] = 0
    assert predictor(Broken(), with_windows=True).raw([image]) == [None]


def test_the_disagreement_of_views_is_worked_out_by_hand() -> None:
    image = drawn(*SIZE)

    def disagreement(columns: int, **views: bool) -> float | None:
        (answer,) = predictor(FirstColumns(columns), **views).raw([image])
        assert answer is not None
        return answer.disagreement

    assert disagreement(18) is None
    # of 24 columns the first and the last 18: person 12 / 24, background 0 / 12
    assert disagreement(18, with_flips=True) == pytest.approx(1 - (12 / 24 + 0) / 2)
    # the first half, also of the image shrunk into the middle of its frame
    assert disagreement(12, with_scales=True) == 0.0
    # shrunk to 22 columns, it lies from column 1 on: 5 of its columns are person, 5 of 24 where it is brought back
    assert disagreement(6, with_scales=True) == pytest.approx(1 - (5 / 6 + 18 / 19) / 2)
    pairs = (1 - (0 + 12 / 24) / 2, 1 - (5 / 6 + 18 / 19) / 2, 1 - (0 + 13 / 24) / 2)
    assert disagreement(6, with_flips=True, with_scales=True) == pytest.approx(sum(pairs) / 3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_scales_change_no_prediction(layout: str) -> None:
    images = [drawn(50, 40), drawn(*SIZE, seed=1), drawn(300, 20, seed=2)]
    for with_flips in (False, True):
        plain, scaled = (
            predictor(Red(batch=2, layout=layout), layout=layout, with_flips=with_flips, with_scales=with_scales)
            for with_scales in (False, True)
        )
        for one, other in zip(plain.predict(images), scaled.predict(images), strict=True):
            np.testing.assert_array_equal(one, other)
        assert all(answer is not None and answer.disagreement is not None for answer in scaled.raw(images))
