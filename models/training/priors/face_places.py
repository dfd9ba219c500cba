"""Where the faces of a training are: found once for each image, and kept in the run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np

from curation.building.engine import Job, Lost
from curation.building.local_engine import LOCAL
from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord
from curation.storage.files import read_file, write_durable
from models.data.choose_samples import Chosen, LabelledImage
from models.data.read_labels import read_image
from models.faces.packaged import found_faces, packaged_faces
from models.faces.places import place_of_largest
from models.training.distillation.lessons import AnyChosen, Asking

FILE: Final = "faces.json"
MAX_FILE_BYTES: Final = 1 << 30
KEPT_EVERY: Final = 500
"""So many images are looked at again after a kill."""
LOOKING_TIMEOUT_S: Final = 60.0
FEW: Final = 0.5
"""A share of images with a face, below which a prior that lies over the face is seldom of use."""
Found: TypeAlias = dict[str, tuple[float, ...]]
"""The place of the largest face of an image, row by row, by the SHA-256 of the image; () where there is none."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: the hash of what found the faces, and what it found."""

    finder: str
    places: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class FacesFound:
    """What found faces, in how many images it looked, and in how many it found one."""

    finder: str
    images: int
    with_face: int

    @property
    def told(self) -> dict[str, Any]:
        """Return it as `metrics.json` and the model's card tell it."""
        return {"finder": self.finder, "images": self.images, "with_face": self.with_face}

    @property
    def warnings(self) -> list[str]:
        """Say where a prior over the face is of little use."""
        if self.with_face >= FEW * self.images:
            return []
        told = f"{self.images - self.with_face} of {self.images} images have no face that is found"
        return [f"{told}; there the prior lies over the frame, as with --prior frame"]


def with_places(chosen: Sequence[AnyChosen], *, asking: Asking) -> tuple[tuple[AnyChosen, ...], FacesFound]:
    """Return the samples of all stages with the places of their faces, which the first process finds, once.

    Raises EnvironmentProblem where nothing finds faces here, or a process that looked was lost.
    """
    samples = {sample.digest: sample for own in chosen if isinstance(own, Chosen) for sample in _all(own)}
    finder = packaged_faces(tell=lambda what: asking.told(what, 0, 1))
    file = asking.out / FILE
    if asking.fabric.is_global_zero:
        _look(samples, file=file, finder=finder.sha256, asking=asking)
    asking.fabric.barrier()
    found = _kept(file, finder=finder.sha256)
    placed = tuple(
        replace(own, training=_placed(own.training, found), validation=_placed(own.validation, found))
        if isinstance(own, Chosen)
        else own
        for own in chosen
    )
    with_face = sum(bool(found[digest]) for digest in samples)
    return placed, FacesFound(finder=finder.name, images=len(samples), with_face=with_face)


def _all(chosen: Chosen) -> tuple[LabelledImage, ...]:
    return (*chosen.training, *chosen.validation)


def _placed(samples: Sequence[LabelledImage], found: Mapping[str, tuple[float, ...]]) -> tuple[LabelledImage, ...]:
    return tuple(replace(sample, place=found[sample.digest]) for sample in samples)


def _look(samples: Mapping[str, LabelledImage], *, file: Path, finder: str, asking: Asking) -> None:
    """Look for faces in the images in which nobody looked yet."""
    found = _kept(file, finder=finder)
    missing = [digest for digest in samples if digest not in found]
    job: Job[LabelledImage, tuple[float, ...]] = Job(
        open=_looking, workers=asking.options.workers, first_s=LOOKING_TIMEOUT_S, more_s=LOOKING_TIMEOUT_S
    )
    results = LOCAL.run(job, [samples[digest] for digest in missing])
    for done, (index, place) in enumerate(results, start=1):
        if isinstance(place, Lost):
            raise EnvironmentProblem(
                f"a process that looked for a face was lost: {place.reason}",
                where=samples[missing[index]].folder / samples[missing[index]].image,
                remedy="run the same command again; it continues; with --workers 0 images are looked at without them",
            )
        found[missing[index]] = place
        asking.told("faces", done, len(missing))
        if done % KEPT_EVERY == 0 or done == len(missing):
            write_durable(file, msgspec.json.encode(Kept(finder=finder, places=dict(sorted(found.items())))))


def _looking(_: int) -> Callable[[Sequence[LabelledImage]], Iterator[tuple[float, ...]]]:
    return partial(map, _place)


def _place(sample: LabelledImage) -> tuple[float, ...]:
    try:
        image = read_image(sample)
    except BadRecord:
        return ()  # the training itself will name it
    place = place_of_largest(found_faces(image), size=(image.shape[0], image.shape[1]))
    return tuple(map(float, np.ravel(place))) if place.any() else ()


def _kept(file: Path, *, finder: str) -> Found:
    """Return what was found before, by the same finder."""
    try:
        kept = msgspec.json.decode(read_file(file, max_bytes=MAX_FILE_BYTES), type=Kept)
    except (BadRecord, msgspec.DecodeError):
        return {}
    return kept.places if kept.finder == finder else {}
