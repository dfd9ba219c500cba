"""Errors drawn by hand on a person with a gap, as an annotator would name them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from labeling.verdicts.error_kind import error_kind

PERSON = np.zeros((120, 100), np.uint8)
PERSON[20:45, 40:60] = 255
PERSON[45:110, 25:75] = 255
PERSON[60:90, 32:40] = 0  # between arm and body


def cut() -> Any:
    found = PERSON.copy()
    found[85:] = 0
    return found


def filled() -> Any:
    found = PERSON.copy()
    found[60:90, 32:40] = 255
    return found


def beside() -> Any:
    found = PERSON.copy()
    found[70:110, 76:98] = 255
    return found


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (np.roll(PERSON, 15, axis=1), "shifted"),
        (np.roll(PERSON, (-12, 10), axis=(0, 1)), "shifted"),
        (cut(), "missing_part"),
        (cv2.erode(PERSON, np.ones((7, 7), np.uint8)), "eroded"),
        (cv2.dilate(PERSON, np.ones((15, 15), np.uint8)), "dilated"),
        (filled(), "filled_hole"),
        (beside(), "extra_part"),
        (cv2.resize(np.roll(PERSON, 40, axis=1)[::-1], (100, 120))[:, ::-1], "wrong_person"),
        (np.zeros_like(PERSON), "other"),
    ],
)
def test_an_error_has_the_name_that_a_person_gives_it(label: Any, kind: str) -> None:
    assert error_kind(np.asarray(label, np.uint8), person=PERSON) == kind
