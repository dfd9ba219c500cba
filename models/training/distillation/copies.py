"""Images that a teacher labels for a student must not be those on which the student is judged, not even as copies.

Rows that share a group or a file with what judges are left out of every training. A pool of photographs has neither in
common with a test set that was made of the same photographs by another way, so that its images are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.rows import InMemory
from curation.duplicates.copies import copies_among
from curation.duplicates.fingerprint_dataset import LookOptions
from curation.errors import InputRefused
from models.data.choose_samples import Chosen, held_out_of
from models.training.distillation.soft_targets import Told
from models.training.settings import Stage, TrainSettings

LOOKS: Final = "looks"
"""In the run folder: what was seen of the images, so that a training that goes on does not look again."""
COPIES: Final = "copies"
"""The reason for samples that look like one that judges."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looking:
    """How images are looked at: what was seen is read from `folder`, and added there where it `is_kept`."""

    folder: Path
    workers: int
    is_kept: bool
    told: Told


def without_copies(chosen: Chosen, *, stage: Stage, settings: TrainSettings, looking: Looking) -> Chosen:
    """Return the samples of a stage without copies of what validates, or of the test split of any of its data sets.

    Raises InputRefused where nothing is left.
    """
    training, validation = ([read_dataset(Path(name)) for name in names] for names in (stage.data, settings.val))
    parts = [_part(dataset, chosen=chosen) for dataset in training]
    held = held_out_of(training, validation=validation)
    number = sum(len(part) for part in (*parts, *held))
    options = LookOptions(
        folder=looking.folder,
        is_kept=looking.is_kept,
        runner=RunnerOptions(workers=looking.workers),
        progress=lambda done: looking.told("copies of what judges", done, number),
    )
    found = copies_among(parts, of=held, options=options)
    images = {
        (part.folder, row["image"])
        for number, part in enumerate(parts)
        for row in part.table.select(["id", "image"]).to_pylist()
        if (number, row["id"]) in found
    }
    kept = tuple(sample for sample in chosen.training if (sample.folder, sample.image) not in images)
    if not kept:
        raise InputRefused(
            f"all {len(chosen.training)} images of stage {stage.name!r} are copies of images that judge",
            where=", ".join(stage.data),
            remedy="see which: curate duplicates; name other data to train on, or another --val",
        )
    left = len(chosen.training) - len(kept)
    return replace(chosen, training=kept, left_out={**chosen.left_out, COPIES: left}) if left else chosen


def _part(dataset: Dataset, *, chosen: Chosen) -> Dataset:
    """Return the rows of a data set that train."""
    images = {sample.image for sample in chosen.training if sample.folder == dataset.folder}
    is_chosen = pa.array([image in images for image in dataset.table["image"].to_pylist()], pa.bool_())
    return replace(dataset, rows=InMemory(dataset.table.filter(is_chosen)))
