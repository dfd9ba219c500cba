"""What the values of class maps mean, as the cards of datasets say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from curation.dataset.dataset import Dataset
from curation.errors import InputRefused

CLASSES: Final = "classes"
"""The column of class maps, and the note of a card that names their values."""


def class_names_of(datasets: Sequence[Dataset], *, remedy: str) -> dict[int, str]:
    """Return what each value of class maps is called by the cards of datasets, {} where no card says.

    Raises InputRefused, with `remedy`, when two datasets name a value differently.
    """
    found: dict[int, tuple[str, Dataset]] = {}
    for dataset in datasets:
        note: Mapping[str, Any] = dataset.card.notes.get(CLASSES) or {}
        for name, value in note.items():
            first, owner = found.setdefault(int(value), (name, dataset))
            if first != name:
                told = f"value {value} of its class maps is {name!r}, and {first!r} in {owner.folder}"
                raise InputRefused(told, where=dataset.folder, remedy=remedy)
    return {value: name for value, (name, _) in found.items()}
