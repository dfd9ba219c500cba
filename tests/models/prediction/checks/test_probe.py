from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy.special import expit

from curation.errors import InputRefused
from curation.storage.files import sha256_of
from models.prediction.checks.probe import PROBE_SIZE, probe_image, probe_numbers, refuse_other_answer
from tests.models.prediction.drawn_models import CARD

KNOWN = tuple(float(number) for number in range(16))


def test_the_probe_is_the_same_picture_for_ever() -> None:
    """Cards hold what models say of it: drawn otherwise, every card written so far would be refused."""
    assert probe_image().shape == (*PROBE_SIZE, 3)
    assert sha256_of(probe_image().tobytes()).startswith("df006aab67fa9f11")


def test_the_probe_tells_channels_and_sides_apart() -> None:
    image = probe_image().astype(int)
    for other in (image[:, :, ::-1], image[::-1], image[:, ::-1]):
        assert np.abs(other - image).mean() > 10


def test_numbers_are_the_means_of_the_parts_of_the_frame() -> None:
    score = np.kron(np.arange(16).reshape(4, 4), np.ones((5, 3))).astype(np.float32)
    assert probe_numbers(score, card=CARD) == pytest.approx(KNOWN, abs=2e-6)


def test_a_probability_stands_for_the_same_numbers_as_its_logit() -> None:
    score = np.kron(np.linspace(-6, 6, 16).reshape(4, 4), np.ones((5, 3))).astype(np.float32)
    as_probability = msgspec.structs.replace(CARD, output="probability")
    assert probe_numbers(expit(score), card=as_probability) == pytest.approx(probe_numbers(score, card=CARD), abs=1e-3)
    beyond = np.full((8, 8), -50, np.float32)
    assert probe_numbers(beyond, card=as_probability) == pytest.approx([np.log(1e-4 / (1 - 1e-4))] * 16, abs=1e-5)


def test_an_answer_within_rounding_passes_and_a_card_without_memory_asks_nothing() -> None:
    card = msgspec.structs.replace(CARD, probe=KNOWN)
    refuse_other_answer([number + 0.01 for number in KNOWN], card=card, where="")  # 0.001 of 15
    refuse_other_answer([1.0], card=CARD, where="")


@pytest.mark.parametrize("wrong", [7.02, float("nan"), float("inf")])
def test_another_answer_is_refused_naming_the_part(wrong: float) -> None:
    card = msgspec.structs.replace(CARD, probe=KNOWN)
    found = [*KNOWN[:7], wrong, *KNOWN[8:]]
    with pytest.raises(InputRefused, match=r"instead of 7\.0000 \(part 8 of 16; 1 differ\)"):
        refuse_other_answer(found, card=card, where="model.yaml")


def test_a_memory_of_another_length_is_refused() -> None:
    with pytest.raises(InputRefused, match="holds 2 numbers of the probe"):
        refuse_other_answer(KNOWN, card=msgspec.structs.replace(CARD, probe=(1.0, 2.0)), where="")
