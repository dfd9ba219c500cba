"""The folder of a data set in another tool's form: whether it may be used, its lock, its journal, and --overwrite.

`curate.parquet` is written last: a folder that has one is whole, and the `run` in it says of which data set and
settings it is. It also holds the rows of the manifest, so that what a form cannot hold comes back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa

from curation.dataset.card import KEPT, Card, Counts
from curation.errors import InputRefused
from curation.exchange.form import DonePart
from curation.quarantine import BadRecord
from curation.storage.claimed_folder import WORKSPACE, claimed, lock_file, refuse_foreign
from curation.storage.files import TEMPORARY_PREFIX, read_file, write_durable
from curation.storage.journal import Journal
from curation.storage.lock import exclusive
from curation.storage.parquet import parquet_bytes, table_in

KIND: Final = "data set that was converted"
METADATA: Final = b"curate"
MAX_BYTES: Final = 4 << 30


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `curate.parquet` says beside its rows: of which run and form it is, and what became of the samples.

    `card` is that of the data set, `turned` counts images that were encoded anew so that every reader sees them alike;
    `is_new` is of one that this very run wrote.
    """

    run: str
    form: str
    name: str
    card: Card
    counts: Counts
    sets: dict[str, int]
    turned: int
    is_new: bool = True


def finished(out: Path, *, run: str) -> Told | None:
    """Return what stands in `out` when it is the finished conversion of this very run, None when it is to be made.

    Raises InputRefused when `out` holds anything else, EnvironmentProblem when another run is at work in it.
    """
    if not (out / KEPT).exists():
        refuse_foreign(out, kind=KIND, is_ours=(out / WORKSPACE).is_dir())
        return None
    if (out / WORKSPACE).is_dir():  # a run that was killed in its last step left it
        with exclusive(lock_file(out)):
            _journal_file(out).unlink(missing_ok=True)
    told, _ = read_kept(out / KEPT)
    if told.run != run:
        raise InputRefused(
            f"the folder holds {told.name} as {told.form}, of other rows or made with other settings",
            where=out,
            remedy="choose another --out, or give --overwrite to replace it",
        )
    return msgspec.structs.replace(told, is_new=False)


@contextmanager
def converting_in(out: Path, *, run: str, overwrite: bool) -> Iterator[Journal[DonePart]]:
    """Hold `out` for one run and give its journal; afterwards the workspace is gone. Raises what `claimed` does."""
    others = partial(_journal_of_others, run=run)
    with claimed(out, kind=KIND, mark=KEPT, others=others, overwrite=overwrite) as out:
        journal = Journal(_journal_file(out), kind=DonePart)
        journal.start(run_id=run)
        yield journal
        _journal_file(out).unlink(missing_ok=True)


def write_kept(out: Path, *, table: pa.Table, told: Told) -> None:
    """Write `curate.parquet`: the conversion is whole."""
    _sweep(out)
    metadata = {METADATA: msgspec.json.encode(told)}
    write_durable(out / KEPT, parquet_bytes(table.replace_schema_metadata(metadata)))


def read_kept(path: Path) -> tuple[Told, pa.Table]:
    """Return what `curate.parquet` says, and its rows; raises InputRefused for one that is damaged, or no such file."""
    try:
        table = table_in(read_file(path, max_bytes=MAX_BYTES))
        told = msgspec.json.decode((table.schema.metadata or {})[METADATA], type=Told)
    except (BadRecord, pa.ArrowException, OSError, KeyError, msgspec.DecodeError, AssertionError) as error:
        raise InputRefused(
            f"damaged, or not written by `curate convert`: {error}",
            where=path,
            remedy="convert the data set again with --overwrite, or move this file away to do without its columns",
        ) from error
    return told, table


def _sweep(out: Path) -> None:
    """Delete what was half-written when a run was killed."""
    for path in out.rglob(f"{TEMPORARY_PREFIX}*"):
        path.unlink()


def _journal_of_others(out: Path, *, run: str) -> list[Path]:
    file = _journal_file(out)
    if file.exists():
        try:
            Journal(file, kind=DonePart).start(run_id=run)
        except ValueError:
            return [file]
    return []


def _journal_file(out: Path) -> Path:
    return out / WORKSPACE / "journal.jsonl"
