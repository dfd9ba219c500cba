"""Golden samples: known masks that an annotator draws without knowing, so that each annotator can be scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curation.dataset import Dataset
from curation.errors import ConfigurationProblem
from curation.made_before import is_incomplete
from labeling.label_studio.tasks import uid_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A sample whose mask is known to be right: its row, its dataset and the file of its mask."""

    dataset: Dataset
    row: Mapping[str, Any]
    mask: Path


def choose_golden(dataset: Dataset, *, number: int, besides: Sequence[Mapping[str, Any]], seed: int) -> list[Golden]:
    """Draw samples with a mask that holds in every pixel; `besides` are rows that are pushed anyway: none is drawn.

    Raises ConfigurationProblem when the dataset has too few.
    """
    taken = {uid_of(row) for row in besides}
    pool = [row for row in dataset.table.to_pylist() if _is_certain(row) and uid_of(row) not in taken]
    if len(pool) < number:
        raise ConfigurationProblem(
            f"--golden {number}, but only {len(pool)} samples have a mask, no ignored pixel, and are not pushed anyway",
            where=dataset.folder,
            remedy="name a dataset of trusted masks with --golden-from, or ask for fewer",
        )
    drawn = np.random.default_rng(seed).choice(len(pool), size=number, replace=False)
    rows = [pool[index] for index in sorted(drawn.tolist())]
    return [Golden(dataset=dataset, row=row, mask=(dataset.folder / row["mask"]).resolve()) for row in rows]


def _is_certain(row: Mapping[str, Any]) -> bool:
    """Tell whether a mask can judge annotators: where pixels are ignored they may rightly draw what it lacks."""
    return row["mask"] is not None and row.get("ignore") is None and not is_incomplete(row)
