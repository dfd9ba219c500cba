"""Burrs and halos of edges whose outlines are counted by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.metrics.edges import edge_errors


def square() -> np.ndarray:
    """Return a square of 40 pixels in a frame of 100: its outline is 160 pixels long."""
    truth = np.zeros((100, 100), np.uint8)
    truth[30:70, 30:70] = 255
    return truth


def test_each_tooth_adds_its_two_sides() -> None:
    teeth = square()
    teeth[29, 32:68:4] = 255  # nine teeth of one pixel on the upper side
    found = edge_errors(teeth, truth=square())
    assert found is not None
    assert found.burr == pytest.approx(9 * 2 / 160)


def test_a_slanting_outline_has_no_burr_for_its_steps_nor_for_being_soft() -> None:
    truth = cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 60, 255, -1)
    larger = cv2.circle(np.zeros((200, 200), np.uint8), (100, 100), 61, 255, -1)
    soft = cv2.GaussianBlur(truth, (0, 0), 1)
    for picture in (larger, soft):
        found = edge_errors(picture, truth=truth)
        assert found is not None and abs(found.burr) < 0.03


def test_the_halo_is_the_mean_alpha_of_the_background_near_the_person() -> None:
    truth = square()
    veiled = np.where(truth == 0, np.uint8(51), truth)  # a fifth of the old background everywhere
    found = edge_errors(veiled, truth=truth)
    assert found is not None and found.halo == pytest.approx(0.2)
    far = truth.copy()
    far[:10] = 255  # far from the person it is an error of another kind
    found = edge_errors(far, truth=truth)
    assert found is not None and found.halo == 0 and found.burr == 0


def test_without_an_edge_there_is_no_error_and_what_is_ignored_does_not_count() -> None:
    nothing = np.zeros((50, 50), np.uint8)
    assert edge_errors(square()[:50, :50], truth=nothing) is None
    veiled, valid = square(), np.ones((100, 100), np.bool_)
    veiled[20:30], valid[20:30] = 255, False
    found = edge_errors(veiled, truth=square(), valid=valid)
    assert found is not None and found.halo == 0
