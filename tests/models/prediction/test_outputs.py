from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy.special import expit, softmax

from curation.errors import InputRefused
from models.prediction.output_axes import WrongShape
from models.prediction.outputs import is_sound, person_scores, probabilities
from tests.models.prediction.drawn_models import CARD


def card(**changes: object) -> object:
    return msgspec.structs.replace(CARD, input_size=(4, 5), **changes)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 4, shape).astype(np.float32)


@pytest.mark.parametrize(("classes", "person"), [(2, 1), (2, 0), (3, 2), (5, 1)])
def test_logits_become_the_softmax_of_person(classes: int, person: int) -> None:
    logits = drawn(2, classes, 4, 5)
    this = card(output="logits", person_index=person, classes=classes)
    found = probabilities(person_scores(logits, card=this), card=this)
    np.testing.assert_allclose(found, softmax(logits.astype(np.float64), axis=1)[:, person], atol=1e-6)


def test_a_logit_becomes_its_sigmoid_however_large() -> None:
    logit = np.tile(np.array([-1000.0, -3.0, 0.0, 3.0, 1000.0], dtype=np.float32), (1, 1, 4, 1))
    found = probabilities(person_scores(logit, card=card()), card=card())
    np.testing.assert_allclose(found, expit(logit[:, 0].astype(np.float64)), atol=1e-6)
    assert found.dtype == np.float32


def test_a_layout_with_channels_last_says_the_same() -> None:
    logits = drawn(1, 3, 4, 5)
    first, last = card(output="logits", person_index=2), card(output="logits", person_index=2, layout="NHWC")
    np.testing.assert_array_equal(
        person_scores(logits, card=first), person_scores(logits.transpose(0, 2, 3, 1), card=last)
    )


def test_a_probability_is_taken_as_it_is_from_one_channel_or_from_that_of_person() -> None:
    shares = np.random.default_rng(0).random((1, 2, 3, 4), dtype=np.float32)
    this = card(output="probability", person_index=1)
    np.testing.assert_array_equal(probabilities(person_scores(shares, card=this), card=this), shares[:, 1])
    np.testing.assert_array_equal(person_scores(shares[:, :1], card=this), shares[:, 0])
    np.testing.assert_array_equal(person_scores(shares[:, 0], card=this), shares[:, 0])


def test_rounding_beyond_one_is_cut_off_and_logits_called_probability_are_refused() -> None:
    this = card(output="probability")
    nearly = np.array([[[-0.004, 0.5, 1.004]]], dtype=np.float32)
    assert probabilities(nearly, card=this).tolist() == [[[0.0, 0.5, 1.0]]]
    with pytest.raises(InputRefused, match=r"values from -3\.5 to 8 where its card promises a probability"):
        probabilities(np.array([[[-3.5, 8.0]]], dtype=np.float32), card=this)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ((1, 2, 4, 5), {}),
        ((1, 1, 4, 5), {"output": "logits"}),
        ((1, 2, 4, 5), {"output": "logits", "person_index": 2}),
        ((1, 3, 4, 5), {"output": "probability", "person_index": 3}),
        ((4, 1, 5), {}),
        ((1, 4, 5), {"output": "logits"}),
        ((1, 1, 4, 5, 1), {}),
    ],
)
def test_an_output_of_another_shape_is_refused_naming_it(shape: tuple[int, ...], changes: dict[str, object]) -> None:
    with pytest.raises(WrongShape, match=r"output of shape \(" + ", ".join(map(str, shape))):
        person_scores(np.zeros(shape, np.float32), card=card(**changes))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_is_noticed(value: float) -> None:
    logits = drawn(1, 3, 4, 5)
    logits[0, 0, 2, 2] = value
    sound = is_sound(person_scores(logits, card=card(output="logits", person_index=1))[0])
    assert sound is (value == -np.inf)  # a class that is ruled out leaves a finite choice between the others
    logits[0, 1, 2, 2] = value
    assert not is_sound(person_scores(logits, card=card(output="logits", person_index=1))[0])


def test_of_an_alpha_of_several_channels_that_of_the_person_is_taken() -> None:
    values = np.zeros((1, 4, 5, 2), np.float32)
    values[..., 0], values[..., 1] = 204, 51
    this = card(output="alpha", person_index=1, output_layout="NHWC")
    found = probabilities(person_scores(values, card=this), card=this)
    np.testing.assert_allclose(found, np.full((1, 4, 5), 0.2), atol=1e-6)
    with pytest.raises(WrongShape, match="person_index"):
        person_scores(values, card=card(output="alpha", person_index=2, output_layout="NHWC"))
