"""The saved views of a dataset of FiftyOne: made, brought up to date, and the one that opens."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from labeling.browsing.fiftyone_dataset import HARD, VERDICT, View


def save_views(dataset: Any, *, views: Sequence[View], ours: set[str]) -> tuple[str, ...]:
    """Save the views, but leave those that a person saved under the same names; return the names of those saved.

    `ours` are the names of earlier saves of this kind. They are deleted first: FiftyOne, to overwrite one, also deletes
    another view of the same short form, which may be a person's.
    """
    for name in ours.intersection(dataset.list_saved_views()):
        dataset.delete_saved_view(name)
    there = set(dataset.list_saved_views())
    saved = []
    for view in views:
        if view.name in there:
            continue
        stages, name = _stages(dataset, view=view), view.name
        try:
            dataset.save_view(name, stages, description=view.meaning)
        except ValueError:  # another view has the short form, see `text_mark`
            name = f"{view.name} {text_mark(view.name)}"
            dataset.save_view(name, stages, description=view.meaning)
        saved.append(name)
    return tuple(saved)


def first_view(dataset: Any, *, views: Sequence[str]) -> str | None:
    """Return the view of the hard cases to open with; None where it shows none, or is not of `views`."""
    return HARD if HARD in views and len(dataset.load_saved_view(HARD)) else None


def text_mark(*texts: str) -> str:
    """Return six letters and digits that tell these texts from others.

    FiftyOne keeps a name also in a short form of a-z, digits and `-` alone, and refuses a second name of one form, and
    a name of which nothing is left. With the mark it is free.
    """
    return hashlib.sha256(repr(list(texts)).encode()).hexdigest()[:6]


def _stages(dataset: Any, *, view: View) -> Any:
    stages = dataset.view()
    if view.tag:
        stages = stages.match_tags(view.tag)
    if view.without:
        stages = stages.exists(view.field, False)
    elif view.below is not None:
        stages = stages.match({view.field: {"$lt": view.below}})  # an expression would hold where there is no number
    elif view.value is not None:
        stages = stages.match({f"{view.field}.label" if view.field == VERDICT else view.field: view.value})
    elif view.field:
        stages = stages.exists(view.field)
    return stages.sort_by(view.sort_by, reverse=view.reverse) if view.sort_by else stages
