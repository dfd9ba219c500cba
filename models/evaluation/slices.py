"""Slices of a set of scores: the images that have something in common, to see where a model is weak."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
    return {name: _parts(table, name=name) for name in names}


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


def _parts(table: pa.Table, *, name: SliceName) -> dict[str, NDArray[np.bool_]]:
    value_of = {"size": _size, "persons": _persons, "border": _border, "holes": _holes, "source": _source}[name]
    columns = ["person_area", "persons", "touches_border", "hole_area", "source"]
    values = [value_of(row) for row in table.select(columns).to_pylist()]
    order = {value: place for place, value in enumerate(ORDER.get(name, ()))}
    found = sorted(set(values), key=lambda value: (order.get(value, len(order)), value))
    array = np.array(values, dtype=object)
    return {value: np.asarray(array == value, dtype=np.bool_) for value in found}


def _size(row: dict[str, Any]) -> str:
    if row["person_area"] == 0:
        return NOBODY
    return next((name for name, limit in SIZES if row["person_area"] < limit), SIZES[-1][0])


def _persons(row: dict[str, Any]) -> str:
    if row["persons"] is None:
        return "unknown"
    return f"{MANY}+" if row["persons"] >= MANY else str(row["persons"])


def _border(row: dict[str, Any]) -> str:
    if row["person_area"] == 0:
        return NOBODY
    return "touching" if row["touches_border"] else "inside"


def _holes(row: dict[str, Any]) -> str:
    return "with holes" if row["hole_area"] > 0 else "without"


def _source(row: dict[str, Any]) -> str:
    return row["source"] or "unknown"


NOBODY: Final = "nobody"
ORDER: Final[dict[SliceName, tuple[str, ...]]] = {"size": (NOBODY, *(name for name, _ in SIZES))}
"""Values that have an order of their own; all others are sorted."""
