"""The images of datasets, each read once: whether it can be read, which pixels it holds, and how it looks.

Looks are kept in a folder of their own, so that the next run, with other datasets beside or after a change of splits,
reads only images that are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.dataset import Dataset
from curation.dataset.sample import Item, Outcome, Sample
from curation.duplicates.fingerprint import look_of
from curation.images.pixels import decode_image
from curation.quarantine import QuarantineRecord
from curation.storage.checksums import read_named
from curation.storage.files import make_folder, sha256_of
from curation.storage.journal import Journal
from curation.storage.safe_id import SafeId

STAGE: Final = "duplicates"
LOOK_SHAPE: Final = (16, 64)
LOOKS_PER_FILE: Final = 16_384
"""A journal is read whole when a run continues it; this many looks are 50 MB."""
KIND: Final = "looks-2"
"""Changes when a look is made in another way, so that old ones are not compared with new ones."""
COLUMNS_READ: Final = ("id", "image", "split", "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The image of one sample among those that are compared: number of its dataset, row there, and what counts here."""

    dataset: int
    row: int
    id: str
    image: str
    split: str | None
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looks:
    """What was seen of n pictures: looks (n, 16, 64), and a hash of the pixels, None where a picture cannot be read.

    `records` are the lines for `quarantine.jsonl`, one for each picture that cannot be read.
    """

    looks: NDArray[np.float16]
    pixels: Sequence[str | None]
    records: Sequence[QuarantineRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookOptions:
    """How pictures are looked at. What is in `folder` from earlier runs is used; `is_kept` adds to it."""

    folder: Path
    is_kept: bool
    runner: RunnerOptions
    progress: Callable[[int], None] | None = None


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """A look as it is kept; `id` changes with the place and the content of the image."""

    id: str
    pixels: str
    look: bytes


def pictures_of(datasets: Sequence[Dataset], *, limit: int | None = None) -> list[Picture]:
    """Return the pictures of datasets, of each the first `limit`, in the order of datasets and ids."""
    return [
        Picture(dataset=number, row=row, **values)
        for number, dataset in enumerate(datasets)
        for row, values in enumerate(dataset.table.select(COLUMNS_READ).slice(0, limit).to_pylist())
    ]


def look_at(pictures: Sequence[Picture], *, datasets: Sequence[Dataset], options: LookOptions) -> Looks:
    """Look at every picture that is not known from earlier runs; a run that was stopped continues where it was."""
    folders = [dataset.folder.resolve() for dataset in datasets]
    keys = {key_of(picture, folder=folders[picture.dataset]): number for number, picture in enumerate(pictures)}
    looks = np.zeros((len(pictures), *LOOK_SHAPE), np.float16)
    pixels: list[str | None] = [None] * len(pictures)
    records: list[QuarantineRecord] = []
    for seen in _seen(pictures, keys=keys, folders=folders, options=options):
        if isinstance(seen, Looked):
            number = keys[seen.id]
            looks[number], pixels[number] = np.frombuffer(seen.look, np.float16).reshape(LOOK_SHAPE), seen.pixels
        else:
            records.append(seen)
    return Looks(looks=looks, pixels=pixels, records=records)


def _seen(
    pictures: Sequence[Picture], *, keys: Mapping[str, int], folders: Sequence[Path], options: LookOptions
) -> Iterator[Looked | QuarantineRecord]:
    """Yield what earlier runs kept, then what is seen now."""
    known = set()
    for looked in _kept(options.folder):
        if looked.id in keys and looked.id not in known:
            known.add(looked.id)
            yield looked
    items = [
        _item(pictures[number], key=key, folder=folders[pictures[number].dataset])
        for key, number in keys.items()
        if key not in known
    ]
    keeper = _Keeper(options.folder) if options.is_kept and items else None
    outcomes = run_items(items, work=look_at_image, folder=options.folder, stage=STAGE, options=options.runner)
    try:
        with closing(outcomes):
            for done, outcome in enumerate(outcomes, start=len(known) + 1):
                name = pictures[keys[outcome.id]].id
                yield from (msgspec.structs.replace(record, record_id=name) for record in outcome.records)
                if outcome.sample is not None:
                    looked = Looked(id=outcome.id, **outcome.sample.extra)
                    yield looked
                    if keeper is not None:
                        keeper.add(looked)
                if options.progress is not None:
                    options.progress(done)
    finally:
        if keeper is not None:
            keeper.commit()


def key_of(picture: Picture, *, folder: Path) -> str:
    """Return what a look is kept under: it changes with the place of the file and with what it holds."""
    return sha256_of(msgspec.json.encode([str(folder), picture.id, picture.image, picture.sha256]))[:24]


def look_at_image(item: Item, folder: Path) -> Outcome:
    """Look at one image; the look comes back in a sample that is never stored.

    Raises BadRecord: CHECKSUM when the file is not the one that was imported, and what keeps an image from being read.
    """
    origin = Path(item.payload["folder"])
    image = decode_image(read_named(item.payload, column="image", folder=origin), file=item.file)
    height, width = image.shape[:2]
    extra = {"pixels": sha256_of(b"%d %d " % (height, width) + image.tobytes())[:32], "look": look_of(image).tobytes()}
    nothing: dict[str, Any] = {"image": "", "source": "", "source_id": "", "group": "", "sha256": ""}
    return Outcome(id=item.id, sample=Sample(id=item.id, width=width, height=height, extra=extra, **nothing))


class _Keeper:
    """Appends looks to journals, to a new one after every `LOOKS_PER_FILE`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = len(_files(folder))
        self._journal = self._started()

    def add(self, looked: Looked) -> None:
        if len(self._journal.done) == LOOKS_PER_FILE:
            self.commit()
            self._number += 1
            self._journal = self._started()
        self._journal.add(looked)

    def commit(self) -> None:
        self._journal.commit()

    def _started(self) -> Journal[Looked]:
        make_folder(self._folder)
        journal = Journal(self._folder / f"{KIND}-{self._number:05}.jsonl", kind=Looked)
        journal.start(run_id=KIND)
        return journal


def _kept(folder: Path) -> Iterator[Looked]:
    for file in _files(folder):
        yield from Journal(file, kind=Looked).outcomes()


def _files(folder: Path) -> list[Path]:
    """Return the journals of earlier runs; one that was killed in its first step left an empty one."""
    return sorted(file for file in folder.glob(f"{KIND}-*.jsonl") if file.stat().st_size > 0)


def _item(picture: Picture, *, key: str, folder: Path) -> Item:
    payload = {"folder": str(folder), "image": picture.image, "sha256": picture.sha256}
    return Item(id=SafeId(key), payload=payload, file=str(folder / str(picture.image)))
