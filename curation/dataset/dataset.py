"""A dataset on disk: a folder with a card, a manifest, a quarantine and the files that they name.

    <dataset>/dataset.json  manifest.parquet  quarantine.jsonl  images/  masks/  alphas/  trimaps/

The manifest is written last, so a folder that has one is whole. The folder can be moved or copied. Of more than a
million samples the manifest is in parts, `manifest/part-*.parquet`: see `parts`.
"""

from __future__ import annotations

import operator
import os
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.byte_range import byte_range
from curation.dataset.card import CARD, QUARANTINE, Card
from curation.dataset.manifest_files import (
    MANIFEST,
    UNDECODABLE,
    damaged,
    read_stored,
    stored_card,
    stored_manifest,
    write_rows,
)
from curation.dataset.old_rows import reread
from curation.dataset.parts import PARTS, InParts
from curation.dataset.rows import InMemory, Rows, blocks_of
from curation.dataset.sample import COLUMNS, Sample
from curation.dataset.stored_sample import StoredSample
from curation.quarantine import QuarantineRecord
from curation.storage.parquet import schema_of, table_in
from curation.storage.safe_id import check_ids

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE: Final = 1024
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
    """A dataset that was read: its folder, card, and the rows of its manifest, sorted by id.

    `table` holds all rows in memory; `read` and `batches` only what is asked for, of parts block by block.
    It is a sequence of samples, each also found by its id, and stands for its folder where a path is wanted.
    `reread` counts rows that do not stand so in the manifest, because it is of an older form: see `old_rows`.
    """

    folder: Path
    card: Card
    rows: Rows
    reread: Mapping[str, int] = field(default_factory=dict)

    @property
    def table(self) -> pa.Table:
        """Return all rows with all columns as an Arrow table; those of a manifest in parts are read at the first time.

        Raises InputRefused where a part was changed since the dataset was read.
        """
        return self.rows.whole()

    @property
    def schema(self) -> pa.Schema:
        """Return the columns of the manifest and their types."""
        return self.rows.schema

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return these columns of all rows; raises what `batches` raises."""
        return pa.concat_tables(list(self.batches(columns)))

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield all rows in their order, some at a time, with these columns alone where they are named; at least once.

        Raises InputRefused where a part was changed since the dataset was read.
        """
        return blocks_of(self.rows, columns)

    @property
    def frame(self) -> pd.DataFrame:
        """Return the manifest as a pandas frame, one row per sample; counts that are unknown are NA."""
        return frame_of(self.table)

    def path(self, relative: str) -> Path:
        """Return the place of a file that the manifest names."""
        return self.folder / relative

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.rows.starts[-1]

    def __getitem__(self, key: int | str) -> StoredSample:
        """Return a sample by its number, from 0, or from -1 at the end, or by its id.

        Raises IndexError, KeyError.
        """
        index = self._place(key) if isinstance(key, str) else operator.index(key)
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of a dataset of {len(self)}")
        index %= len(self)
        block = bisect_right(self.rows.starts, index) - 1
        (row,) = self.rows.block(block).slice(index - self.rows.starts[block], 1).to_pylist()
        return StoredSample(folder=self.folder, row=row)

    def __iter__(self) -> Iterator[StoredSample]:
        """Yield the samples in the order of the manifest."""
        for table in self.batches():
            for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
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
        for start, table in zip(self.rows.starts, self.batches(["id"])):
            if (index := pc.index(table["id"], id_).as_py()) >= 0:
                return start + int(index)
        raise KeyError(f"no sample of {self.folder} has the id {id_!r}")


def read_dataset(folder: str | os.PathLike[str]) -> Dataset:
    """Read a dataset folder; of a manifest in parts the parts are compared with their SHA-256, and no row is read yet.

    Raises InputRefused when there is none, when it is unfinished, or when card or manifest are damaged; SecurityRefused
    for an id that could lead out of the folder, in parts when it is read.
    """
    folder = Path(folder)
    card, found = stored_manifest(folder)
    if isinstance(found, InParts):
        _refuse_missing(found.schema, where=folder / PARTS)
        return Dataset(folder=folder, card=card, rows=found)
    try:
        table = table_in(found)
    except (pa.ArrowException, OSError) as error:
        raise damaged(folder / MANIFEST, error) from error
    _refuse_missing(table.schema, where=folder / MANIFEST)
    if repeated := table.num_rows - pc.count_distinct(table["id"]).as_py():
        raise damaged(folder / MANIFEST, f"{repeated} rows repeat an id, or have none")
    check_ids(table, where=folder / MANIFEST)
    again = reread(card, table=table)
    return Dataset(folder=folder, card=again.card, rows=InMemory(again.table), reread=again.counts)


def read_quarantine(folder: Path) -> list[QuarantineRecord]:
    """Read the lines of `quarantine.jsonl`; raises InputRefused where some cannot be read, or fewer than were counted.

    More than the card beside it counts are no fault: a change that is stopped writes them before the card.
    """
    path = folder / QUARANTINE
    counted = stored_card(folder).least_lines() if (folder / CARD).exists() else 0
    lines = read_stored(path).splitlines() if counted or path.exists() else []
    try:
        records = [msgspec.json.decode(line, type=QuarantineRecord) for line in lines]
    except UNDECODABLE as error:
        raise damaged(path, error) from error
    if (there := len(set(lines))) < counted:
        raise damaged(path, f"lines are missing, {there} are there; {CARD} counts {counted}")
    return records


def write_dataset(folder: Path, *, card: Card, table: pa.Table, quarantine: Iterable[QuarantineRecord]) -> Card:
    """Write a new dataset, or in place of a finished one, as `write_rows` does; the table need not be sorted."""
    assert card.counts.selected == table.num_rows, "the card counts other samples than the manifest holds"
    return write_rows(folder, card=card, rows=[table.sort_by("id")], quarantine=quarantine)


def frame_of(table: pa.Table) -> pd.DataFrame:
    """Return rows of a manifest as a pandas frame; numbers and truth values that are unknown are NA."""
    import pandas as pd  # half of the start-up time of a command, and most commands need no frame

    nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=nullable.get)
    return frame


def of_ids(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """Return the rows of these ids, in the order of the table."""
    return table.filter(pa.array([id_ in ids for id_ in table["id"].to_pylist()], pa.bool_()))


def named_files(table: pa.Table) -> set[str]:
    """Return the paths of all files that rows name; of what lies in a tar file, that of the tar file."""
    columns = [name for name in FILE_COLUMNS if name in table.column_names]
    paths = (path for name in columns for path in table[name].to_pylist() if path is not None)
    return {path if (place := byte_range(path)) is None else place.file for path in paths}


def _refuse_missing(schema: pa.Schema, *, where: Path) -> None:
    if missing := [name for name in COLUMNS if name not in schema.names]:
        raise damaged(where, f"columns are missing: {', '.join(missing)}")
