"""What a model sees in images that are said to show nobody: the blob in each that looks most like a person.

Sightings are kept in a journal of their own for each model, so that the next run predicts only images that are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from curation.dataset.dataset import Dataset
from curation.duplicates.fingerprint_dataset import Picture, key_of
from curation.images.pixels import encode_mask
from curation.images.thumbnails import small_mask, thumbnail_size
from curation.labels.masks import mask_of, person_area
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.files import named_file
from curation.storage.journal import Journal
from models.evaluation.score_files import PredictFiles

STAGE: Final = "check-backgrounds"
TIMEOUT_S: Final = 900.0
"""For an image, of which a hundred windows are predicted."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """The strongest blob of one image (see `models.prediction.windows`): how strong, and its share of the image.

    `mask` is a small mask of it as PNG, empty without any.
    """

    id: str
    strength: float
    area: float
    mask: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingOptions:
    """How the windows of images are predicted. What `journal` holds from earlier runs is used; `is_kept` adds to it."""

    predict: PredictFiles
    journal: Path
    is_kept: bool
    progress: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sightings:
    """What was seen, by the number of the picture; and a line for each picture that could not be looked at."""

    found: Mapping[int, Sighting]
    records: Sequence[QuarantineRecord]


def find_persons(pictures: Sequence[Picture], *, dataset: Dataset, options: SightingOptions) -> Sightings:
    """Look at every picture of a dataset that is not known from earlier runs; a run that was stopped continues."""
    folder = dataset.folder.resolve()
    keys = {key_of(picture, folder=folder): number for number, picture in enumerate(pictures)}
    records: list[QuarantineRecord] = []
    files: dict[str, Path] = {}
    for key, number in keys.items():
        try:
            files[key] = named_file(folder, str(pictures[number].image))
        except BadRecord as problem:
            records.append(problem.record(stage=STAGE, record_id=pictures[number].id))
    found: dict[int, Sighting] = {}
    for key, seen in look_at_files(files, options=options):
        if isinstance(seen, Sighting):
            found[keys[key]] = seen
        else:
            records.append(seen.record(stage=STAGE, file=files[key], record_id=pictures[keys[key]].id))
    return Sightings(found=found, records=records)


def look_at_files(files: Mapping[str, Path], *, options: SightingOptions) -> Iterator[tuple[str, Sighting | BadRecord]]:
    """Yield what is seen in each file, by its key, which changes with what the file holds; known ones come first."""
    journal = Journal(options.journal, kind=Sighting)
    if options.is_kept:
        journal.start(run_id=options.journal.stem)
    known = set()
    if options.journal.exists() and options.journal.stat().st_size > 0:
        for one in journal.outcomes():
            if one.id in files:
                known.add(one.id)
                yield one.id, one
    try:
        new = {key: file for key, file in files.items() if key not in known}
        for done, (key, seen) in enumerate(_seen(new, predict=options.predict), start=len(known) + 1):
            if options.is_kept and isinstance(seen, Sighting):
                journal.add(seen)
            if options.progress is not None:
                options.progress(done)
            yield key, seen
    finally:
        journal.commit()


def _seen(files: Mapping[str, Path], *, predict: PredictFiles) -> Iterator[tuple[str, Sighting | BadRecord]]:
    if not files:
        return
    keys = list(files)
    with closing(predict(list(files.values()), precision="fp32")) as predictions:
        for prediction in predictions:
            key = keys[prediction.index]
            if prediction.probability is None:
                assert prediction.broken is not None, "a file has a prediction, or is broken"
                yield key, prediction.broken
            else:
                assert prediction.strength is not None, "windows are predicted"
                mask = mask_of(prediction.probability)
                size = thumbnail_size((mask.shape[0], mask.shape[1]))
                small = encode_mask(small_mask(mask, size=size)) if mask.any() else b""
                yield key, Sighting(id=key, strength=prediction.strength, area=person_area(mask), mask=small)
