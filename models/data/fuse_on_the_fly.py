"""Fusion on the fly: a share of the samples that train is laid on new backgrounds, each time on another.

Whether a sample is fused, with which person and on which background depends on seed, epoch and sample alone. The
person's own colours take most of the time and are the same every time, so they are computed once and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pyarrow as pa

from curation.dataset.dataset import Dataset
from curation.dataset.licenses import LicenseRules, allowed_rows
from curation.errors import InputRefused
from curation.fusion.framing import BACKGROUND_ZOOM, covering
from curation.fusion.fuse import FusionRules, fuse
from curation.fusion.texture import edge_of
from curation.images.pixels import Alpha, Image, Mask, decode_image
from curation.matting.coarse_outline import without_background
from curation.matting.composite import colours_of_masked, person_colours, soft_alpha
from curation.operations.leak_groups import IDENTITY_COLUMNS, leak_groups
from curation.quarantine import BadRecord, Code
from curation.storage.files import named_file, read_file

KEPT_BACKGROUNDS: Final = 256
"""In each process that loads: at 224 pixels about 130 MB."""
PERSONLESS: Final = ("persons", "person_area")
"""Columns that are 0 in rows that show no person; one of which the number of persons is not known may show some."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFusion:
    """Lays a share `ratio` (0..1) of samples on one of the `backgrounds`, paths of images."""

    backgrounds: tuple[Path, ...]
    ratio: float
    rules: FusionRules = field(default_factory=lambda: FusionRules(estimate=False))

    def is_wanted(self, rng: np.random.Generator) -> bool:
        """Draw whether a sample is fused."""
        return bool(rng.random() < self.ratio)

    def cut_out(self, image: Image, label: Mask | Alpha, *, is_alpha: bool) -> tuple[Image, Alpha]:
        """Return the person's own colours and its alpha: the slow part, in which nothing is drawn."""
        if is_alpha:
            return person_colours(image, alpha=label), label
        mask = without_background(image, mask=label)
        return colours_of_masked(image, mask=mask), soft_alpha(mask, sigma_px=edge_of(image, mask=mask))

    def lay(self, colours: Image, alpha: Alpha, rng: np.random.Generator) -> tuple[Image, Alpha]:
        """Return the person on a new background, and its alpha there.

        Raises BadRecord: a broken background; UNSUITABLE where all are too small for this frame.
        """
        background = self._drawn(size=(alpha.shape[0], alpha.shape[1]), rng=rng)
        fused = fuse(colours, alpha=alpha, background=background, rules=self.rules, rng=rng)
        return fused.image, fused.alpha

    def _drawn(self, *, size: tuple[int, int], rng: np.random.Generator) -> Image:
        """Return the background that is drawn, or the next one that covers a frame of `size` (height, width)."""
        first = int(rng.integers(len(self.backgrounds)))
        for path in (*self.backgrounds[first:], *self.backgrounds[:first]):
            background = _background(path, least_px=round(BACKGROUND_ZOOM * max(size)))
            if covering(background.shape[:2], frame=size):
                return background
        reason = f"none of {len(self.backgrounds)} backgrounds fills a frame of {size[1]} x {size[0]}"
        hint = "name larger backgrounds, or train on smaller photographs"
        raise BadRecord(Code.UNSUITABLE, reason, file=str(self.backgrounds[first]), hint=hint)


@lru_cache(maxsize=KEPT_BACKGROUNDS)
def _background(path: Path, *, least_px: int) -> Image:
    """Return a background with as many pixels as fusion uses; to decode one takes longer than to lay a person on it."""
    image = decode_image(read_file(path), file=str(path))
    height, width = image.shape[:2]
    scale = least_px / min(height, width)
    if scale < 1:
        size = (round(width * scale), round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    image.flags.writeable = False  # it is shared by all samples
    return image


def choose_backgrounds(
    backgrounds: Sequence[Dataset],
    *,
    training: Sequence[Dataset],
    validation: Sequence[Dataset],
    licenses: LicenseRules | None = None,
) -> tuple[Path, ...]:
    """Return the images that may lie behind samples that train: split `train` or none, and without a person.

    None shares an image or a group with the splits val and test of any of these datasets, or with what judges, and the
    licence of each is allowed. Raises InputRefused when none is left.
    """
    held_out = [_held_out(dataset.table) for dataset in (*backgrounds, *training)]
    held_out += [_not_training(dataset.table) for dataset in validation]
    tables = [allowed_rows(_personless(dataset.table), rules=licenses) for dataset in backgrounds]
    parts = [_identities(table) for table in (*tables, *held_out)]
    groups = leak_groups(pa.concat_tables(parts, promote_options="default"))
    rows = [(dataset, path) for dataset, table in zip(backgrounds, tables) for path in table["image"].to_pylist()]
    taken = set(groups[len(rows) :])
    free = [named_file(dataset.folder, path) for (dataset, path), group in zip(rows, groups) if group not in taken]
    if not free:
        raise InputRefused(
            "no background is left that may train: each shows a person, belongs to the splits val or test, "
            "or is under a licence that is not allowed",
            where=", ".join(str(dataset.folder) for dataset in backgrounds),
            remedy="name other datasets with --backgrounds, e.g. made by `curate coco-background`",
        )
    return tuple(free)


def _held_out(table: pa.Table) -> pa.Table:
    return table.filter(pa.array([split in ("val", "test") for split in table["split"].to_pylist()], pa.bool_()))


def _not_training(table: pa.Table) -> pa.Table:
    return table.filter(pa.array([split != "train" for split in table["split"].to_pylist()], pa.bool_()))


def _personless(table: pa.Table) -> pa.Table:
    may_train = [split in (None, "train") for split in table["split"].to_pylist()]
    person = zip(*(table[name].to_pylist() for name in PERSONLESS), strict=True)
    keep = [may and persons == 0 and not area for may, (persons, area) in zip(may_train, person, strict=True)]
    return table.filter(pa.array(keep, pa.bool_()))


def _identities(table: pa.Table) -> pa.Table:
    """Return what tells which rows belong together; ids of two datasets may be the same by chance, groups are not."""
    names = [name for name in IDENTITY_COLUMNS if name in table.column_names]
    groups = [
        id_ if group is None else group for id_, group in zip(table["id"].to_pylist(), table["group"].to_pylist())
    ]
    kept = {name: table[name].cast(pa.string()) for name in names}
    return pa.table({**kept, "group": pa.array(groups, pa.string())})
