"""Deeper verdicts on drawn persons, some of whose labels are wrong, by predictions that are right, and by some that are
not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from curation.images.pixels import Gray
from labeling.verdicts.deep_verdicts import KIND, PROBABILITY, Heard, deepened, hear, planted_at, weigh
from labeling.verdicts.planted_errors import PLANTED, planted
from labeling.verdicts.witnesses import deep_doubt, heard, witnesses_of

COUNT, WRONG = 60, 6


def drawn(number: int) -> Gray:
    rng = np.random.default_rng(number)
    mask = np.zeros((72, 64), np.uint8)
    x, y = (int(value) for value in rng.integers((24, 26), (40, 32)))
    cv2.circle(mask, (x, y), int(rng.integers(7, 11)), 255, -1)
    cv2.rectangle(mask, (x - 13, y + 9), (x + 13, 68), 255, -1)
    return mask


def heard_of_all() -> list[Heard]:
    found = []
    for number in range(COUNT):
        person = drawn(number)
        image = np.stack([person // 2 + 60] * 3, axis=-1)
        blind = np.zeros_like(person)
        around = witnesses_of(image, predictions=[person, blind] if number % 2 else [blind, person])
        label = person
        if number < WRONG:
            label = planted(person, kind=PLANTED[number], other=drawn(number + 9), rng=np.random.default_rng(99))
        found.append(hear(label, witnesses=around, other=drawn(number + 1), number=number))
    return found


def test_wrong_labels_are_found_although_a_model_is_blind_everywhere() -> None:
    found = weigh(heard_of_all())
    judgement = {"verdict": "model_error", "label_doubt": None}
    told = [deepened(judgement, number=number, weighed=found) for number in range(COUNT)]
    assert found.share == pytest.approx(WRONG / COUNT, abs=0.05)
    errors = [number for number, one in enumerate(told) if one["verdict"] == "label_error"]
    assert len(errors) >= WRONG - 1 and set(errors) <= set(range(WRONG))
    assert all(one[PROBABILITY] < 0.1 for one in told[WRONG:])
    assert told[1][KIND] == "eroded" and KIND not in told[30]  # of the odd ones the first witness sees


def test_few_labels_have_a_doubt_and_no_probability() -> None:
    found = weigh(heard_of_all()[:10])
    told = [deepened({"verdict": "label_error"}, number=number, weighed=found) for number in range(10)]
    assert found.share is None
    assert all(one["verdict"] == "label_error" and PROBABILITY not in one for one in told)
    assert told[0]["label_doubt"] > 0.5 > told[9]["label_doubt"]


def test_a_label_of_which_nothing_was_heard_is_judged_as_before_and_moves_no_other() -> None:
    heard_of = heard_of_all()
    found, other = weigh(heard_of), weigh([None, *heard_of, None])
    judgement = {"verdict": "label_error", "label_doubt": 0.4}
    assert deepened(judgement, number=0, weighed=other) == judgement
    assert found.share == other.share
    for number in range(COUNT):
        one = deepened(judgement, number=number, weighed=found)
        assert deepened(judgement, number=number + 1, weighed=other) == one


def test_pixels_that_do_not_count_are_not_doubted() -> None:
    person = drawn(0)
    valid = np.ones(person.shape, np.bool_)
    valid[:, 40:] = False
    image = np.stack([person // 2 + 60] * 3, axis=-1)
    label = person.copy()
    label[:, 40:] = 255
    around = witnesses_of(image, predictions=[person], valid=valid)
    small = heard(label, witnesses=around)
    assert deep_doubt(small, witnesses=around) == pytest.approx(0, abs=0.01)


def test_at_most_a_thousand_labels_get_an_error() -> None:
    for number in (1, 999, 1_000, 1_001, 25_000):
        chosen = sum(planted_at(index, of=number) for index in range(number))
        assert min(number, 500) <= chosen <= 1_000


def test_a_small_size_is_enough() -> None:
    person = cv2.resize(drawn(3), None, fx=12, fy=12, interpolation=cv2.INTER_NEAREST)
    image = np.stack([person // 2 + 60] * 3, axis=-1)
    around = witnesses_of(image, predictions=[person])
    assert around.image.shape == (384, 341, 3)
    assert deep_doubt(heard(np.asarray(person, np.uint8), witnesses=around), witnesses=around) < 0.02
