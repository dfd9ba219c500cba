"""A dataset on disk: a folder with a card, a manifest, a quarantine and the files that they name.

    <dataset>/dataset.json  manifest.parquet  quarantine.jsonl  images/  masks/  alphas/  trimaps/

The manifest is written last, so a folder that has one is whole. The folder can be moved or copied.
"""

from __future__ import annotations

import io
import math
import re
import tokenize
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from curation.card import CARD, FORMAT, QUARANTINE, Card
from curation.errors import InputRefused
from curation.files import read_file, sha256_of, write_durable
from curation.flushing import flush_filesystem
from curation.old_rows import reread
from curation.quarantine import BadRecord, QuarantineRecord
from curation.safe_id import check_ids
from curation.samples import COLUMNS, Sample

if TYPE_CHECKING:
    import pandas as pd

MANIFEST: Final = "manifest.parquet"
MAX_BYTES: Final = 4 << 30
"""Of a card, a manifest or a quarantine; half a kilobyte per sample is usual."""
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
QUERY_FAULTS: Final = (
    *(SyntaxError, ValueError, TypeError, KeyError, NameError, AttributeError, AssertionError),
    *(ArithmeticError, NotImplementedError, RecursionError, re.error, tokenize.TokenError),
)
"""What pandas raises for queries which it cannot read, or which do not fit the columns."""
FILE_COLUMNS: Final = ("image", "mask", "alpha", "trimap", "ignore", "classes", "white", "prediction", "cutout")
"""Columns that hold paths of files below the dataset folder; absent ones are skipped."""

SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("mask", pa.string()),
        pa.field("alpha", pa.string()),
        pa.field("trimap", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("source", pa.string()),
        pa.field("source_id", pa.string()),
        pa.field("split", pa.string()),
        pa.field("person_area", pa.float64()),
        pa.field("persons", pa.int32()),
        pa.field("label_version", pa.int32()),
        pa.field("group", pa.string()),
        pa.field("license", pa.string()),
        pa.field("sha256", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset that was read: its folder, card, and manifest as an Arrow table sorted by id.

    `reread` counts rows that do not stand so in the manifest, because it is of an older form: see `old_rows`.
    """

    folder: Path
    card: Card
    table: pa.Table
    reread: Mapping[str, int] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Give the manifest as a pandas frame, one row per sample; counts that are unknown are NA."""
        import pandas as pd  # half of the start-up time of a command, and most commands need no frame

        nullable = {pa.int32(): pd.Int32Dtype(), pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        frame: pd.DataFrame = self.table.to_pandas(types_mapper=nullable.get)
        return frame

    def path(self, relative: str) -> Path:
        """Give the place of a file that the manifest names."""
        return self.folder / relative

    def __len__(self) -> int:
        """Give the number of samples."""
        return int(self.table.num_rows)


def read_dataset(folder: Path) -> Dataset:
    """Read a dataset folder.

    Raises InputRefused when there is none, when it is unfinished, or when card or manifest are damaged; SecurityRefused
    for an id that could lead out of the folder.
    """
    if not (folder / MANIFEST).exists():
        raise _no_dataset(folder)
    data = _read(folder / MANIFEST)
    card = _card_of(folder, manifest=data)
    try:
        # without threads: those of pyarrow 25 abort the process now and then while it exits
        table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
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
    """Read the lines of `quarantine.jsonl`."""
    lines = _read(folder / QUARANTINE).splitlines()
    try:
        return [msgspec.json.decode(line, type=QuarantineRecord) for line in lines]
    except UNDECODABLE as error:
        raise _damaged(folder / QUARANTINE, error) from error


def select_rows(dataset: Dataset, query: str) -> pa.Table:
    """Give the rows for which a pandas query holds, e.g. `person_area > 0.2 and split == "train"`.

    Raises InputRefused for a query that does not fit the columns.
    """
    try:
        holds: Any = dataset.frame().eval(query)
        if getattr(holds, "dtype", None) not in ("bool", "boolean"):
            raise TypeError("it is no condition; compare a column with == or >, and quote texts: split == 'train'")
    except QUERY_FAULTS as error:
        raise InputRefused(
            f"the query {query!r} does not work: {error}",
            where=dataset.folder,
            remedy=f"quote texts, as in split == 'train'; the columns are {', '.join(dataset.table.column_names)}",
        ) from error
    return dataset.table.filter(pa.array(holds.fillna(False).to_numpy(dtype=bool)))


def table_of(samples: list[Sample]) -> pa.Table:
    """Give samples as an Arrow table: the columns of the contract with their types, then the added ones."""
    if not samples:
        return pa.Table.from_batches([], SCHEMA)
    rows = [msgspec.structs.asdict(sample) for sample in samples]
    extra = [row.pop("extra") for row in rows]
    added = {name: [one.get(name) for one in extra] for name in sorted({name for one in extra for name in one})}
    plain = {name: kind for name, values in added.items() if (kind := _plain_type(values)) is not None}
    schema = pa.schema([*SCHEMA, *plain.items()])
    # as JSON, since pyarrow imports pandas to look at Python values: that takes longer than a small dataset
    lines = msgspec.json.Encoder().encode_lines(
        [row | {name: one.get(name) for name in plain} for row, one in zip(rows, extra, strict=True)]
    )
    table = pj.read_json(
        pa.BufferReader(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines)),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
    ).cast(schema)
    for name in added.keys() - plain.keys():
        table = table.append_column(name, pa.array(added[name]))
    return table.select([*SCHEMA.names, *added])


def _plain_type(values: list[Any]) -> pa.DataType | None:
    """Give the Arrow type of values that JSON holds as they are, None for others."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {float}:
        return pa.float64() if all(math.isfinite(value) for value in values if value is not None) else None
    plain = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}
    return plain.get(kinds.pop()) if len(kinds) == 1 else None


def with_columns(table: pa.Table, *, types: Mapping[str, pa.DataType]) -> pa.Table:
    """Give the table with its added columns in these types; a column that is absent is added, empty."""
    for name, kind in types.items():
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
        else:
            table = table.append_column(name, pa.nulls(table.num_rows, kind))
    return table


def write_dataset(folder: Path, *, card: Card, table: pa.Table, quarantine: Iterable[QuarantineRecord]) -> Card:
    """Write quarantine, card and manifest of a new dataset, or in place of those of a finished one; give the card.

    The manifest comes last, and a kill at any moment leaves the old dataset or the new. The files that it names must
    be written. Samples are sorted by id, and ids are unique.
    """
    flush_filesystem(folder)
    table = table.sort_by("id")
    assert pc.count_distinct(table["id"]).as_py() == table.num_rows, "sample ids are not unique"
    assert card.counts.selected == table.num_rows, "the card counts other samples than the manifest holds"
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    digest = sha256_of(stream.getvalue())
    card = msgspec.structs.replace(card, format=FORMAT, manifest_sha256=digest, previous=msgspec.UNSET)
    old = folder / MANIFEST
    previous = _card_of(folder, manifest=old.read_bytes()) if old.exists() else msgspec.UNSET
    write_durable(folder / QUARANTINE, quarantine_lines(quarantine))
    _write_card(folder, msgspec.structs.replace(card, previous=previous))
    write_durable(folder / MANIFEST, stream.getvalue())
    if previous is not msgspec.UNSET:
        _write_card(folder, card)
    return card


def of_ids(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """Give the rows of these ids, in the order of the table."""
    return table.filter(pa.array([id_ in ids for id_ in table["id"].to_pylist()], pa.bool_()))


def settle_card(dataset: Dataset) -> None:
    """Write the card alone where a write that was killed left the one before it, or the one to come, in its file."""
    stored = msgspec.json.decode(_read(dataset.folder / CARD), type=Card)
    if stored.previous is not msgspec.UNSET:
        _write_card(dataset.folder, dataset.card)


def quarantine_lines(records: Iterable[QuarantineRecord]) -> bytes:
    """Give the content of `quarantine.jsonl`: one JSON line per record, each once, in an order of their own."""
    return b"".join(sorted({msgspec.json.encode(record) + b"\n" for record in records}))


def _card_of(folder: Path, *, manifest: bytes) -> Card:
    try:
        card = msgspec.json.decode(_read(folder / CARD), type=Card)
    except (*UNDECODABLE, AssertionError) as error:  # the law that counts assert
        raise _damaged(folder / CARD, error) from error
    digest = sha256_of(manifest)
    for one in (card, card.previous):
        if isinstance(one, Card) and one.manifest_sha256 == digest:
            return msgspec.structs.replace(one, previous=msgspec.UNSET)
    raise _damaged(folder / MANIFEST, f"its SHA-256 is not the one in {CARD}")


def _read(path: Path) -> bytes:
    try:
        return read_file(path, max_bytes=MAX_BYTES)
    except BadRecord as problem:
        raise _damaged(path, problem.reason) from problem


def _write_card(folder: Path, card: Card) -> None:
    write_durable(folder / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def _no_dataset(folder: Path) -> InputRefused:
    if (folder / ".curate").is_dir():
        return InputRefused(
            "this dataset is unfinished", where=folder, remedy="run the command that makes it again; it goes on"
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
