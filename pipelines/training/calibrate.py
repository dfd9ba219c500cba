"""The images that int8 is calibrated on: those of data sets that together cover all others best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused, Interrupted
from curation.images.pixels import Image, decode_image
from curation.labels.masks import MIN_COVERAGE, mask_of, person_area
from curation.quarantine import BadRecord
from curation.storage.files import named_file, read_file, sha256_of
from labeling.selection.select import k_centre
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar

if TYPE_CHECKING:
    from models.export.export_form import Source

Row: TypeAlias = tuple[Path, Mapping[str, Any]]
"""The folder of a data set, and a row of its manifest."""
CALIBRATED: Final = 100
"""Images from which the ranges of int8 are taken; NNCF's own default is 300, and ranges hardly move after 100."""
LOOKED_AT: Final = 400
"""Images among which those are chosen, evenly from all data sets together: each costs a prediction."""
THUMBNAIL: Final = (16, 16)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """Prepared images for calibration, each a batch of one, and what a user should know of their choice."""

    images: list[NDArray[Any]]
    warnings: tuple[str, ...]


def calibration_id(folders: Sequence[Path]) -> str:
    """Return what the choice of images depends on, as a SHA-256: the manifests, and the numbers above."""
    told = [read_dataset(folder).card.manifest_sha256 for folder in folders]
    return sha256_of(" ".join([*told, str(CALIBRATED), str(LOOKED_AT)]).encode())


def calibration(folders: Sequence[Path], *, source: Source, run: RunOptions) -> Calibration:
    """Return images of data sets for the calibration of a model, by k-centre on its features.

    Raises InputRefused when no image can be read, or none shows a person: then ranges would be those of backgrounds.
    """
    from models.export.export_form import prepared

    rows = _spread(folders)
    order = k_centre(features := _features(rows, source=source, run=run), count=len(rows), first=_middle(features))
    images: list[Image] = []
    persons, broken = 0, list[BadRecord]()
    predictor = source.predictor()
    for index in order:
        if len(images) == CALIBRATED:
            break
        folder, row = rows[index]
        try:
            path = named_file(folder, row["image"])
            image = decode_image(read_file(path), file=str(path))
        except BadRecord as problem:
            broken.append(problem)
            continue
        images.append(image)
        persons += _shows_person(row, image=image, predictor=predictor)
    where = ", ".join(map(str, folders))
    if not images:
        raise InputRefused("no sample can be read", where=where, remedy="look with `curate stats D --verify`")
    if not persons:
        raise InputRefused(
            f"none of the {len(images)} calibration images shows a person, by its label or, without one, by the model: "
            "int8 would keep the ranges of backgrounds and lose those of persons",
            where=where,
            remedy="give --calibrate images like those that the model is to see",
        )
    return Calibration(
        images=prepared(images, card=source.card), warnings=_warnings(images, persons=persons, broken=broken)
    )


def _warnings(images: Sequence[Image], *, persons: int, broken: Sequence[BadRecord]) -> tuple[str, ...]:
    told = [f"left out of the calibration: {problem.file}: {problem.reason}" for problem in broken]
    if 2 * persons < len(images):
        told.append(f"only {persons} of {len(images)} calibration images show a person")
    return tuple(told)


def _spread(folders: Sequence[Path]) -> list[Row]:
    rows = [(folder, row) for folder in folders for row in read_dataset(folder).table.to_pylist()]
    if not rows:
        raise InputRefused("there is no sample to calibrate on", where=", ".join(map(str, folders)))
    return [rows[index] for index in np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int).tolist()]


def _features(rows: Sequence[Row], *, source: Source, run: RunOptions) -> NDArray[np.float32]:
    """Return (n, d) features by the model itself; where it shows none, small pictures of the images."""
    from models.prediction.features import image_features

    images = [(folder, str(row["image"])) for folder, row in rows]
    try:
        with progress_bar("calibration images", total=len(rows), run=run) as show:
            return image_features(source.ready, images=images, threads=max(1, run.workers), progress=show)
    except Interrupted:
        raise
    except InputRefused:  # no map in its graph is one of features
        return np.stack([_thumbnail(folder, name) for folder, name in images])


def _thumbnail(folder: Path, name: str) -> NDArray[np.float32]:
    from models.preprocessing import resized

    try:
        path = named_file(folder, name)
        small = resized(decode_image(read_file(path), file=str(path)), size=THUMBNAIL)
    except BadRecord:
        return np.zeros(3 * THUMBNAIL[0] * THUMBNAIL[1], np.float32)  # told where it is chosen
    return small.astype(np.float32).ravel() / np.float32(255)


def _middle(features: NDArray[np.float32]) -> int:
    """Return the row that is nearest to the mean, to begin with what is usual."""
    return int(np.square(features - features.mean(axis=0)).sum(axis=1).argmin())


def _shows_person(row: Mapping[str, Any], *, image: Image, predictor: Any) -> bool:
    """Tell whether a person is to be seen: by the label, or where that says nothing by the model."""
    if row.get("mask") is not None or row.get("persons") == 0:
        area, persons = row.get("person_area"), row.get("persons")
        if area is not None or persons is not None:
            return bool(area if area is not None else persons)
    return person_area(mask_of(predictor.predict([image])[0])) > MIN_COVERAGE
