"""A number for each of many texts: ten million take 240 MB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.sequences import batched
from curation.storage.text_keys import Keys, by_first_half, keys_of_texts, places_of

AT_ONCE: Final = 1 << 16


class TextNumbers:
    """Texts, each once, with a number; it tells the number of a text, but cannot say the texts again."""

    def __init__(self, pairs: Iterable[tuple[str, float]]) -> None:
        keys: list[Keys] = [keys_of_texts([])]
        numbers: list[NDArray[np.float64]] = [np.empty(0)]
        for some in batched(pairs, size=AT_ONCE):
            keys.append(keys_of_texts(text for text, _ in some))
            numbers.append(np.array([number for _, number in some], dtype=np.float64))
        self._keys, self._numbers = np.concatenate(keys), np.concatenate(numbers)
        order = by_first_half(self._keys)
        self._keys, self._numbers = self._keys[order], self._numbers[order]

    def of(self, texts: Sequence[str], *, unknown: float) -> NDArray[np.float64]:
        """Return the number of each text (n,), `unknown` for one that has none."""
        places = places_of(keys_of_texts(texts), among=self._keys)
        found = np.full(len(texts), unknown, dtype=np.float64)
        found[places >= 0] = self._numbers[places[places >= 0]]
        return found
