"""Smoothing over time and the flicker score, against numbers worked out by hand and known motion."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from models.prediction.video.motion import carried, grid_of, motion
from models.prediction.video.temporal import FLOOR, Memory, person_in

SIZE = (120, 160)


def texture(*, seed: int = 0, shift: int = 0) -> np.ndarray:
    """Return an image full of edges, moved to the right."""
    coarse = np.random.default_rng(seed).integers(0, 256, (15, 30, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (2 * SIZE[1], SIZE[0]), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(wide[:, 40 - shift : 40 - shift + SIZE[1]])


def said(person: float | np.ndarray) -> np.ndarray:
    plane = np.broadcast_to(np.float32(person), (30, 40))
    return np.stack([1 - plane, plane]).astype(np.float32)


def test_flow_is_the_known_shift_and_carries_what_was_there() -> None:
    before, now = texture(), texture(shift=4)
    found = motion(grid_of(now), before=grid_of(before))
    inner = found.flow[20:-20, 40:-40]
    assert np.abs(np.median(inner[..., 0]) + 4 * 256 / 160) < 0.5  # it was further left
    assert np.abs(np.median(inner[..., 1])) < 0.3
    plane = np.zeros(SIZE, np.float32)
    plane[40:80, 60:90] = 1
    moved = carried(plane, flow=found.flow)
    expected = np.roll(plane, 4, axis=1)
    assert np.abs(moved - expected).mean() < 0.2 * np.abs(plane - expected).mean()
    assert not found.is_cut


def test_flicker_is_the_share_of_still_pixels_that_changes() -> None:
    memory, image = Memory(None), texture()
    quarter = np.zeros((30, 40), np.float32)
    quarter[:15, :20] = 1
    for number in range(5):
        given = memory.seen(image, said(quarter if number % 2 else 0.0), time_s=number / 30)
        assert np.array_equal(given, said(quarter if number % 2 else 0.0))  # nothing is smoothed
    assert memory.flicker.pairs == 4 and memory.flicker.cuts == 0
    assert memory.flicker.score == memory.flicker.raw_score == pytest.approx(0.25, abs=0.01)


def test_what_moves_does_not_flicker() -> None:
    memory = Memory(None)
    for number in range(4):
        memory.seen(texture(shift=5 * number), said(float(number % 2)), time_s=number / 30)
    assert memory.flicker.pairs == 0 and memory.flicker.score is None and memory.flicker.cuts == 0


def test_logits_of_a_still_image_are_averaged_with_weights_that_fall_with_time() -> None:
    """By hand: s1 = l1; s2 = k s1 + (1 - k) l2 with k = exp(-dt / lasting)."""
    memory, image = Memory(0.2), texture()
    first, second = 0.9, 0.3
    memory.seen(image, said(first), time_s=0.0)
    given = memory.seen(image, said(second), time_s=0.1)
    kept = math.exp(-0.1 / 0.2)
    logit = kept * math.log(first / (1 - first)) + (1 - kept) * math.log(second / (1 - second))
    lowest = float(FLOOR) / (1 + float(FLOOR))
    expected = (1 / (1 + math.exp(-logit)) - lowest) / (1 - 2 * lowest)
    assert person_in(given, is_trimap=False) == pytest.approx(expected, abs=1e-4)


def test_certain_answers_stay_certain() -> None:
    memory, image = Memory(0.2), texture()
    for number in range(3):
        given = memory.seen(image, said(1.0), time_s=number / 30)
        assert given[1].min() == pytest.approx(1, abs=1e-6) and given[0].max() == pytest.approx(0, abs=1e-6)


def test_nothing_is_kept_over_a_scene_cut() -> None:
    memory = Memory(1.0)
    for number in range(3):
        memory.seen(texture(), said(0.95), time_s=number / 30)
    given = memory.seen(255 - texture(seed=9), said(0.2), time_s=0.1)
    fresh = Memory(1.0).seen(texture(), said(0.2), time_s=0.0)
    assert memory.flicker.cuts == 1 and memory.flicker.pairs == 2
    assert np.array_equal(given, fresh)


def test_noise_of_a_model_flickers_less_than_half_as_much() -> None:
    rng, memory, image = np.random.default_rng(3), Memory(0.15), texture()
    for number in range(40):
        plane = 1 / (1 + np.exp(-rng.normal(0.5, 1, (30, 40))))
        memory.seen(image, said(plane), time_s=number / 30)
    score, raw = memory.flicker.score, memory.flicker.raw_score
    assert score is not None and raw is not None and score < 0.5 * raw


def test_what_is_remembered_goes_on_elsewhere_with_the_same_bits() -> None:
    frames = [(texture(shift=number), said(0.2 + 0.1 * number), number / 30) for number in range(6)]
    whole, first = Memory(0.15), Memory(0.15)
    for image, shares, time_s in frames[:3]:
        whole.seen(image, shares, time_s=time_s)
        first.seen(image, shares, time_s=time_s)
    second = Memory(0.15)
    second.load(first.dump())
    for image, shares, time_s in frames[3:]:
        ours, theirs = (one.seen(image, shares, time_s=time_s) for one in (whole, second))
        assert np.array_equal(ours, theirs)


def test_classes_and_trimaps_stay_shares_of_one() -> None:
    rng = np.random.default_rng(1)
    for classes in (3, 19):
        memory = Memory(0.2, is_trimap=classes == 3)
        for number in range(3):
            shares = rng.dirichlet(np.ones(classes), (10, 12)).transpose(2, 0, 1).astype(np.float32)
            given = memory.seen(texture(), shares, time_s=number / 30)
            assert given.shape == shares.shape and np.allclose(given.sum(axis=0), 1, atol=0.02)
