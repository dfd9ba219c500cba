"""The numbers of many texts are those that a dictionary holds."""

from __future__ import annotations

import numpy as np
import pytest

from curation.storage import text_numbers
from curation.storage.text_keys import keys_of_texts
from curation.storage.text_numbers import TextNumbers


@pytest.mark.parametrize("at_once", [3, 1 << 16])
def test_they_are_those_of_a_dictionary(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_numbers, "AT_ONCE", at_once)
    plain = {f"é{number}": number / 7 for number in range(100)} | {"lost": float("nan"), "far": float("inf")}
    found = TextNumbers(plain.items())
    asked = [*list(plain)[::-1], "nobody", ""]
    expected = [plain.get(text, -1.0) for text in asked]
    np.testing.assert_array_equal(found.of(asked, unknown=-1.0), expected)
    np.testing.assert_array_equal(TextNumbers([]).of(["a"], unknown=2.0), [2.0])


def test_keys_of_which_the_first_half_is_the_same_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two texts are known whose keys are half the same, so keys are made so."""

    def half(texts: object) -> object:
        keys = keys_of_texts(texts).copy()  # type: ignore[arg-type]
        keys[:, 0] = 5
        return keys

    monkeypatch.setattr(text_numbers, "keys_of_texts", half)
    plain = {str(number): float(number) for number in range(9)}
    found = TextNumbers(plain.items())
    np.testing.assert_array_equal(found.of([*plain, "none"], unknown=-1.0), [*plain.values(), -1.0])
