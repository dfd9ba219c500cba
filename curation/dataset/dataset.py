"""A dataset on disk: a folder with a card, a manifest, a quarantine and the files that they name.

    <dataset>/dataset.json  manifest.parquet  quarantine.jsonl  images/  masks/  alphas/  trimaps/

The manifest is written last, so a folder that has one is whole. The folder can be moved or copied.
"""

from __future__ import annotations

import operator
import os
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.dataset.card import CARD, FORMAT, QUARANTINE, Card
from curation.dataset.old_rows import reread
from curation.dataset.sample import COLUMNS, Sample
from curation.dataset.stored_sample import StoredSample
from curation.errors import InputRefused
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.claimed_folder import WORKSPACE
from curation.storage.files import read_file, sha256_of, write_durable
from curation.storage.flush import flush_filesystem
from curation.storage.parquet import parquet_bytes, schema_of, table_in
from curation.storage.safe_id import check_ids

if TYPE_CHECKING:
    import pandas as pd

MANIFEST: Final = "manifest.parquet"
ROWS_AT_ONCE: Final = 1024
MAX_BYTES: Final = 4 << 30
"""Of a card, a manifest or a quarantine; half a kilobyte per sample is usual."""
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
QUERY_FAULTS: Final = (
    *(SyntaxError, ValueError, TypeError, KeyError, NameError, AttributeError, AssertionError),
    *(ArithmeticError, NotImplementedError, RecursionError, re.error, tokenize.TokenError),
)
"""What pandas raises for queries which it cannot read, or which do not fit the columns."""
FILE_COLUMNS: Final = (
    "image",
    "mask",
    "alpha",
    "trimap",
    "ignore",
    "classes",
    "white",
    "prediction",
    "predicted_classes",
    "cutout",
)
"""Columns that hold paths of files below the dataset folder; absent ones are skipped."""

SCHEMA: Final = pa.schema(
    [field.with_nullable(field.name != "id") for field in schema_of(Sample) if field.name in COLUMNS]
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dataset:
    """A dataset that was read: its folder, card, and manifest as an Arrow table sorted by id.

    It is a sequence of samples, each also found by its id, and stands for its folder where a path is wanted.
    `reread` counts rows that do not stand so in the manifest, because it is of an older form: see `old_rows`.
    """

    folder: Path
    card: Card
    table: pa.Table
    reread: Mapping[str, int] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        """Return the manifest as a pandas frame, one row per sample; counts that are unknown are NA."""
        import pandas as pd  # half of the start-up time of a command, and most commands need no frame

        nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self.table.to_pandas(types_mapper=nullable.get)
        return frame

    def path(self, relative: str) -> Path:
        """Return the place of a file that the manifest names."""
        return self.folder / relative

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self.table.num_rows)

    def __getitem__(self, key: int | str) -> StoredSample:
        """Return a sample by its number, from 0, or from -1 at the end, or by its id.

        Raises IndexError, KeyError.
        """
        index = self._place(key) if isinstance(key, str) else operator.index(key)
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of a dataset of {len(self)}")
        (row,) = self.table.slice(index % len(self), 1).to_pylist()
        return StoredSample(folder=self.folder, row=row)

    def __iter__(self) -> Iterator[StoredSample]:
        """Yield the samples in the order of the manifest."""
        for batch in self.table.to_batches(max_chunksize=ROWS_AT_ONCE):
            yield from (StoredSample(folder=self.folder, row=row) for row in batch.to_pylist())

    def __fspath__(self) -> str:
        """Return the folder, so that a command takes a dataset where it takes its path."""
        return os.fspath(self.folder)

    def __repr__(self) -> str:
        """Return one line: the folder, the number of samples, and what made them."""
        return f"<Dataset {str(self.folder)!r}: {len(self)} samples, made by curate {self.card.command}>"

    def _repr_html_(self) -> str:
        """Return counts and a few thumbnails, for a notebook."""
        from curation.dataset.notebook_html import dataset_html

        return dataset_html(repr(self), counts=self.card.counts, samples=self)

    def _place(self, id_: str) -> int:
        index = pc.index(self.table["id"], id_).as_py()
        if index < 0:
            raise KeyError(f"no sample of {self.folder} has the id {id_!r}")
        return int(index)


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Read a dataset folder.

    Raises InputRefused when there is none, when it is unfinished, or when card or manifest are damaged; SecurityRefused
    for an id that could lead out of the folder.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).exists():
        raise _no_dataset(folder)
    data = _read(folder / MANIFEST)
    card = _card_of(folder, manifest=data)
    try:
        table = table_in(data)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(folder / MANIFEST, error) from error
    if missing := [name for name in COLUMNS if name not in table.column_names]:
        raise _damaged(folder / MANIFEST, f"columns are missing: {', '.join(missing)}")
    if repeated := table.num_rows - pc.count_distinct(table["id"]).as_py():
        raise _damaged(folder / MANIFEST, f"{repeated} rows repeat an id, or have none")
    check_ids(table, where=folder / MANIFEST)
    found = reread(card, table=table)
    return Dataset(folder=folder, card=found.card, table=found.table, reread=found.counts)


def read_quarantine(folder: Path) -> list[QuarantineRecord]:
    """Read the lines of `quarantine.jsonl`; raises InputRefused where some cannot be read, or fewer than were counted.

    More than the card beside it counts are no fault: a change that is stopped writes them before the card.
    """
    path = folder / QUARANTINE
    counted = _stored_card(folder).least_lines() if (folder / CARD).exists() else 0
    lines = _read(path).splitlines() if counted or path.exists() else []
    try:
        records = [msgspec.json.decode(line, type=QuarantineRecord) for line in lines]
    except UNDECODABLE as error:
        raise _damaged(path, error) from error
    if (there := len(set(lines))) < counted:
        raise _damaged(path, f"lines are missing, {there} are there; {CARD} counts {counted}")
    return records


def select_rows(dataset: Dataset, query: str) -> pa.Table:
    """Return the rows for which a pandas query holds, e.g. `person_area > 0.2 and split == "train"`.

    Raises InputRefused for a query that does not fit the columns.
    """
    try:
        holds: Any = dataset.frame.eval(query)
        if getattr(holds, "dtype", None) not in ("bool", "boolean"):
            raise TypeError("it is no condition; compare a column with == or >, and quote texts: split == 'train'")
    except QUERY_FAULTS as error:
        raise InputRefused(
            f"the query {query!r} does not work: {error}",
            where=dataset.folder,
            remedy=f"quote texts, as in split == 'train'; the columns are {', '.join(dataset.table.column_names)}",
        ) from error
    return dataset.table.filter(pa.array(holds.fillna(False).to_numpy(dtype=bool)))


def write_dataset(folder: Path, *, card: Card, table: pa.Table, quarantine: Iterable[QuarantineRecord]) -> Card:
    """Write quarantine, card and manifest of a new dataset, or in place of those of a finished one; give the card.

    The manifest comes last, and a kill at any moment leaves the old dataset or the new. The files that it names must
    be written. Samples are sorted by id, and ids are unique.
    """
    flush_filesystem(folder)
    table = table.sort_by("id")
    assert pc.count_distinct(table["id"]).as_py() == table.num_rows, "sample ids are not unique"
    assert card.counts.selected == table.num_rows, "the card counts other samples than the manifest holds"
    manifest = parquet_bytes(table)
    lines = quarantine_lines(quarantine)
    card = msgspec.structs.replace(
        card,
        format=FORMAT,
        manifest_sha256=sha256_of(manifest),
        quarantine_lines=lines.count(b"\n"),
        previous=msgspec.UNSET,
    )
    old = folder / MANIFEST
    previous = _card_of(folder, manifest=old.read_bytes()) if old.exists() else msgspec.UNSET
    write_durable(folder / QUARANTINE, lines)
    _write_card(folder, msgspec.structs.replace(card, previous=previous))
    write_durable(folder / MANIFEST, manifest)
    if previous is not msgspec.UNSET:
        _write_card(folder, card)
    return card


def of_ids(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """Return the rows of these ids, in the order of the table."""
    return table.filter(pa.array([id_ in ids for id_ in table["id"].to_pylist()], pa.bool_()))


def named_files(table: pa.Table) -> set[str]:
    """Return the paths of all files that rows name."""
    columns = [name for name in FILE_COLUMNS if name in table.column_names]
    return {path for name in columns for path in table[name].to_pylist() if path is not None}


def settle_card(dataset: Dataset) -> None:
    """Write the card alone where a write that was killed left the one before it, or the one to come, in its file."""
    stored = _stored_card(dataset.folder)
    if stored.previous is not msgspec.UNSET:
        _write_card(dataset.folder, dataset.card)


def quarantine_lines(records: Iterable[QuarantineRecord]) -> bytes:
    """Return the content of `quarantine.jsonl`: one JSON line per record, each once, in an order of their own."""
    return b"".join(sorted({msgspec.json.encode(record) + b"\n" for record in records}))


def _card_of(folder: Path, *, manifest: bytes) -> Card:
    card = _stored_card(folder)
    digest = sha256_of(manifest)
    for one in (card, card.previous):
        if isinstance(one, Card) and one.manifest_sha256 == digest:
            return msgspec.structs.replace(one, previous=msgspec.UNSET)
    raise _damaged(folder / MANIFEST, f"its SHA-256 is not the one in {CARD}")


def _stored_card(folder: Path) -> Card:
    try:
        return msgspec.json.decode(_read(folder / CARD), type=Card)
    except (*UNDECODABLE, AssertionError) as error:  # the law that counts assert
        raise _damaged(folder / CARD, error) from error


def _read(path: Path) -> bytes:
    try:
        return read_file(path, max_bytes=MAX_BYTES)
    except BadRecord as problem:
        raise _damaged(path, problem.reason) from problem


def _write_card(folder: Path, card: Card) -> None:
    write_durable(folder / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def _no_dataset(folder: Path) -> InputRefused:
    if (folder / WORKSPACE).is_dir():
        return InputRefused(
            "this dataset is unfinished", where=folder, remedy="run the command that makes it again; it continues"
        )
    return InputRefused(
        f"no dataset here: {MANIFEST} is missing",
        where=folder,
        remedy="name a folder made by curate, e.g. with `curate pairs --images DIR --masks DIR --out D`, or, of "
        "photographs without labels, with `curate images --root DIR --out D`",
    )


def _damaged(path: Path, reason: object) -> InputRefused:
    return InputRefused(
        f"damaged: {reason}", where=path, remedy="make the dataset again with --overwrite, or restore the file"
    )
