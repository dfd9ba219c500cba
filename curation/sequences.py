"""Long sequences, of which a piece at a time is in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

S = TypeVar("S")
T = TypeVar("T")


class Mapped(Sequence[T], Generic[S, T]):
    """What a function gives for each element of a sequence; it is made when it is asked for, and not kept.

    >>> doubled = Mapped([1, 2, 3], lambda number: 2 * number)
    >>> doubled[1], doubled[1:], list(doubled), len(doubled)
    (4, [4, 6], [2, 4, 6], 3)
    """

    def __init__(self, elements: Sequence[S], function: Callable[[S], T]) -> None:
        self._elements, self._function = elements, function

    def __len__(self) -> int:
        """Return the number of elements."""
        return len(self._elements)

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> list[T]: ...
    def __getitem__(self, key: int | slice) -> T | list[T]:
        """Return one element, or a list of them; raises IndexError."""
        if isinstance(key, slice):
            return [self._function(one) for one in self._elements[key]]
        return self._function(self._elements[key])

    def __iter__(self) -> Iterator[T]:
        """Yield the elements in their order."""
        return map(self._function, self._elements)


def batched(values: Iterable[T], *, size: int) -> Iterator[list[T]]:
    """Yield the values in lists of `size`; the last may be shorter.

    >>> list(batched("abc", size=2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
