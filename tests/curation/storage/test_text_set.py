"""A set that holds keys says what a set of the texts says."""

from __future__ import annotations

import random

import pytest

from curation.storage import text_set
from curation.storage.text_keys import keys_of_texts
from curation.storage.text_set import TextSet


@pytest.mark.parametrize("few", [1, 7, 1 << 17])
def test_it_says_what_a_set_says(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_set, "FEW", few)
    draw = random.Random(few)
    plain, found = set[str](), TextSet()
    for _ in range(40):
        texts = [f"id-{draw.randrange(300)}" for _ in range(draw.randrange(20))]
        is_new = [text not in plain and text not in texts[:at] for at, text in enumerate(texts)]
        assert found.add_all(texts) == is_new
        plain.update(texts)
        assert len(found) == len(plain) and found == plain and found >= plain and bool(found) is bool(plain)
        asked = [f"id-{number}" for number in range(0, 310, 3)]
        assert found.known(asked) == [text in plain for text in asked]
    assert "id-400" not in found and 3 not in found and not found >= {"id-400"} and found != plain | {"id-400"}


def test_keys_of_which_the_first_half_is_the_same_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No two texts are known whose keys are half the same, so keys are made so."""

    def half(texts: object) -> object:
        keys = keys_of_texts(texts).copy()  # type: ignore[arg-type]
        keys[:, 0] = 5
        return keys

    monkeypatch.setattr(text_set, "keys_of_texts", half)
    monkeypatch.setattr(text_set, "FEW", 1)
    found = TextSet()
    assert found.add_all(list("abcb")) == [True, True, True, False]
    assert found.known(list("abcd")) == [True, True, True, False]


def test_a_text_of_half_a_surrogate_pair_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_set, "FEW", 1)
    found = TextSet(["\udc80"])
    assert not found.add("\udc80") and "\udc80" in found and "\udc81" not in found
