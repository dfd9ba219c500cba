"""Labels of a pool that are made wrong, as annotators and conversions make them: the same with a seed, whoever asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from curation.errors import InputRefused
from curation.images.pixels import Mask, encode_mask
from curation.quarantine import BadRecord
from curation.storage.files import make_folder, write_durable
from labeling.verdicts.planted_errors import plant_errors
from models.data.truth import read_truth
from pipelines.experiments.simulation_pool import Pool


def wrong_ids(pool: Pool, *, share: float, rng: np.random.Generator) -> list[str]:
    """Draw the samples of a pool whose labels are made wrong, in order of their ids; at least one, and not all."""
    number = min(max(1, round(share * len(pool.ids))), len(pool.ids) - 1)
    drawn = rng.choice(len(pool.ids), size=number, replace=False)
    return sorted(pool.ids[index] for index in drawn)


def wrong_labels(pool: Pool, *, share: float, seed: int, folder: Path) -> dict[str, Path]:
    """Return the files with the wrong masks by id, made below `folder` where they are not there yet.

    Raises InputRefused for a mask that cannot be read, EnvironmentProblem where a file cannot be written.
    """
    rng = np.random.default_rng(seed)
    names = wrong_ids(pool, share=share, rng=rng)
    files = {name: folder / f"{name}.png" for name in names}
    if all(file.exists() for file in files.values()):
        return files
    ids = set(pool.ids)
    others = sorted(ids - set(names))
    places = {
        row["id"]: (dataset.folder, row)
        for dataset in pool.datasets
        for row in dataset.table.to_pylist()
        if row["id"] in ids
    }

    def read(name: str) -> Mask:
        place, row = places[name]
        return read_truth(row, folder=place, with_alpha=False).mask

    make_folder(folder)
    try:
        for wrong in plant_errors(names, others=others, read=read, rng=rng):
            write_durable(files[wrong.name], encode_mask(wrong.mask))
    except BadRecord as problem:
        raise InputRefused(problem.reason, where=problem.file, remedy=problem.hint) from problem
    return files
