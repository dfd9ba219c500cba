"""A set of texts that may be very many: ten million take 160 MB and not a gigabyte."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from curation.storage.text_keys import Keys, by_first_half, keys_of_texts, places_of

FEW: Final = 1 << 17
"""So many texts are held as they are, some 15 MB; of more, and of more than an eighth of all, the keys alone are."""


class TextSet:
    """Texts that were added; it tells which are in it, and how many, but holds keys and cannot say them again."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._recent = set(texts)
        self._keys: Keys = np.empty((0, 2), np.uint64)

    def __len__(self) -> int:
        """Return the number of different texts."""
        return len(self._keys) + len(self._recent)

    def __contains__(self, text: object) -> bool:
        """Tell whether a text is in it."""
        return isinstance(text, str) and self.known([text])[0]

    def __eq__(self, other: object) -> bool:
        """Tell whether a set of texts holds the same."""
        return isinstance(other, set | frozenset) and len(self) == len(other) and self >= other

    def __ge__(self, other: Iterable[str]) -> bool:
        """Tell whether all texts of a set are in it."""
        return all(self.known(list(other)))

    __hash__ = None  # type: ignore[assignment]

    def add(self, text: str) -> bool:
        """Add a text; tell whether it is new."""
        return self.add_all([text])[0]

    def add_all(self, texts: Sequence[str]) -> list[bool]:
        """Add texts; tell of each whether it is new."""
        is_new = []
        for text, is_old in zip(texts, self._held(texts), strict=True):
            is_new.append(not is_old and text not in self._recent)
            if not is_old:
                self._recent.add(text)
        if len(self._recent) >= max(FEW, len(self._keys) // 8):
            keys = np.concatenate([self._keys, keys_of_texts(self._recent)])
            self._keys, self._recent = keys[by_first_half(keys)], set()
        return is_new

    def known(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether it is in it."""
        return [is_old or text in self._recent for text, is_old in zip(texts, self._held(texts), strict=True)]

    def _held(self, texts: Sequence[str]) -> list[bool]:
        """Tell of each text whether its key is held."""
        if not len(self._keys):
            return [False] * len(texts)
        return list((places_of(keys_of_texts(texts), among=self._keys) >= 0).tolist())
