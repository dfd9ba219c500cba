"""Pictures to compare an export on: samples of datasets, or drawn people where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from curation.images.pixels import decode_image, decode_mask
from curation.labels.masks import ALPHA_THRESHOLD, mask_of
from curation.quarantine import BadRecord
from curation.sources.drawn_people import Pose, composite, draw_person, photograph
from curation.storage.files import named_file, read_file, safe_join
from models.export.export_onnx import Checked

DRAWN_SIZE: Final = (400, 300)


def pictures_of(folders: Sequence[Path], *, number: int) -> tuple[list[Checked], tuple[str, ...]]:
    """Return `number` samples, evenly from all datasets together, with their labels; and what is to be told of others.

    Raises InputRefused when none is sound.
    """
    rows = [(folder, row) for folder in folders for row in read_dataset(folder).table.to_pylist()]
    found, broken = [], []
    for index in np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int).tolist():
        folder, row = rows[index]
        try:
            found.append(_picture(row, folder=folder))
        except BadRecord as problem:
            broken.append(f"left out of the check: {problem.file}: {problem.reason}")
    if not found:
        where = ", ".join(map(str, folders))
        raise InputRefused("no sample can be read", where=where, remedy="look with `curate stats D --verify`")
    return found, tuple(broken)


def drawn_pictures(*, number: int, seed: int) -> list[Checked]:
    """Return `number` drawn people on photographs, with their true masks; the same seed gives the same pictures."""
    height, width = DRAWN_SIZE
    found = []
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        pose = Pose(
            middle=width * rng.uniform(0.4, 0.6),
            top=height * rng.uniform(0.08, 0.2),
            head=height * rng.uniform(0.17, 0.24),
            has_hand_on_hip=index % 3 == 0,
        )
        person = draw_person(rng, height=height, width=width, pose=pose)
        image = composite(person, photograph(rng, height=height, width=width))
        found.append(
            Checked(name=f"drawn picture {index}", image=image, label=mask_of(person.alpha, threshold=ALPHA_THRESHOLD))
        )
    return found


def _picture(row: dict[str, Any], *, folder: Path) -> Checked:
    file = named_file(folder, row["image"])
    image = decode_image(read_file(file), file=str(file))
    label = None
    if row.get("mask") is not None and row.get("ignore") is None:
        path = safe_join(folder, row["mask"])
        label = decode_mask(read_file(path), file=str(path))
        if label.shape != image.shape[:2]:
            label = None  # a label of another size is a fault of the data, not of the export
    return Checked(name=str(row["id"]), image=image, label=label)
