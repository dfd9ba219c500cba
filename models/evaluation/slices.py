"""Slices of a set of scores: the images that have something in common, to see where a model is weak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.dataset.rows import Batches
from curation.operations.leak_groups import batches_of

SliceName: TypeAlias = Literal["size", "persons", "border", "holes", "source"]
SLICES: Final[tuple[SliceName, ...]] = get_args(SliceName)
SIZES: Final = (("tiny", 0.05), ("small", 0.15), ("medium", 0.4), ("large", 1.0))
"""Names of person sizes with the share of the frame up to which each goes, itself not included but for the last."""
MANY: Final = 3
"""From this number of persons on they form one slice."""


def slices_of(table: pa.Table, *, names: Iterable[SliceName]) -> dict[SliceName, dict[str, NDArray[np.bool_]]]:
    """Give, for each slice by name, its parts by value: which rows of a table of scores belong to each.

    The parts of a slice hold every row once; a part without rows is left out.
    """
    return {name: parts_of(batches_of(table), name=name) for name in names}


def slice_meanings() -> dict[SliceName, str]:
    """Say what each slice tells apart."""
    limits = ", ".join(f"{name} below {limit:.0%}" for name, limit in SIZES[:-1])
    return {
        "size": f"share of the frame that is person: {limits}, else {SIZES[-1][0]}",
        "persons": "how many persons, where the data set tells",
        "border": "whether a person touches the border of the frame",
        "holes": "whether there is background inside the person, such as between arm and body",
        "source": "where the image is from",
    }


def parts_of(scores: Batches, *, name: SliceName) -> dict[str, NDArray[np.bool_]]:
    """Return the parts of one slice by value: which rows of scores that are read some at a time belong to each."""
    columns, value_of = VALUES[name]
    numbers: dict[str, int] = {}
    found: list[NDArray[np.int32]] = [np.empty(0, dtype=np.int32)]
    for table in scores(columns):
        told = map(value_of, *(table[column].to_pylist() for column in columns))
        found.append(np.fromiter((numbers.setdefault(one, len(numbers)) for one in told), dtype=np.int32))
    order = {value: place for place, value in enumerate(ORDER.get(name, ()))}
    of_row = np.concatenate(found)
    values = sorted(numbers, key=lambda value: (order.get(value, len(order)), value))
    return {value: of_row == numbers[value] for value in values}


def _size(person_area: float) -> str:
    if person_area == 0:
        return NOBODY
    return next((name for name, limit in SIZES if person_area < limit), SIZES[-1][0])


def _persons(persons: int | None) -> str:
    if persons is None:
        return "unknown"
    return f"{MANY}+" if persons >= MANY else str(persons)


def _border(person_area: float, touches_border: bool) -> str:
    if person_area == 0:
        return NOBODY
    return "touching" if touches_border else "inside"


def _holes(hole_area: float) -> str:
    return "with holes" if hole_area > 0 else "without"


def _source(source: str | None) -> str:
    return source or "unknown"


NOBODY: Final = "nobody"
ORDER: Final[dict[SliceName, tuple[str, ...]]] = {"size": (NOBODY, *(name for name, _ in SIZES))}
"""Values that have an order of their own; all others are sorted."""
VALUES: Final[dict[SliceName, tuple[Sequence[str], Callable[..., str]]]] = {
    "size": (("person_area",), _size),
    "persons": (("persons",), _persons),
    "border": (("person_area", "touches_border"), _border),
    "holes": (("hole_area",), _holes),
    "source": (("source",), _source),
}
"""By which columns each slice tells rows apart, and how."""
