"""Card and manifest on the disk: which of them count, and how they are written so that a kill leaves old or new.

The card is written before the manifest that it names, and holds the card before it until that manifest is in its place.
Parts are written into a folder of their own, which then takes the place of the one before it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from curation.dataset.card import CARD, FORMAT, QUARANTINE, Card
from curation.dataset.parts import PART_ROWS, PARTS, REMEDY, InParts, PartProblem, parts_sha256, write_parts
from curation.errors import InputRefused
from curation.quarantine import BadRecord, QuarantineRecord
from curation.remote.places import told
from curation.storage.claimed_folder import WORKSPACE
from curation.storage.files import (
    TEMPORARY_PREFIX,
    fingerprint_file,
    read_file,
    sha256_of,
    sync_folder,
    telling_where,
    write_durable,
)
from curation.storage.flush import flush_filesystem
from curation.storage.open_unfollowed import refuse_links
from curation.storage.parquet import parquet_bytes

MANIFEST: Final = "manifest.parquet"
WRITING: Final = f"{TEMPORARY_PREFIX}{PARTS}"
"""Parts on their way; with the card that names them they count, should a kill have left no others."""
REPLACED: Final = f".replaced-{PARTS}"
MAX_BYTES: Final = 4 << 30
"""Of a card, a manifest or a quarantine; half a kilobyte per sample is usual."""
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_dataset(folder: Path) -> bool:
    """Tell whether a folder holds a finished dataset, whatever may be wrong with it."""
    if (folder / MANIFEST).exists():
        return True
    return any(next((folder / name).glob("part-*.parquet"), None) is not None for name in (PARTS, REPLACED))


def stored_manifest(folder: Path) -> tuple[Card, bytes | InParts]:
    """Return the card that counts, and the bytes of its manifest, or its parts, which agree with their SHA-256.

    Raises InputRefused when there is no dataset, when it is unfinished, or when card or manifest are damaged.
    """
    if not is_dataset(folder):
        raise _no_dataset(folder)
    newest = stored_card(folder)
    cards = [one for one in (newest, newest.previous) if isinstance(one, Card)]
    problems: list[InputRefused] = []
    for one, parts in [*((card, PARTS) for card in cards), (newest, WRITING)]:
        try:
            return msgspec.structs.replace(one, previous=msgspec.UNSET), _manifest_of(one, folder=folder, parts=parts)
        except InputRefused as problem:
            problems.append(problem)
    raise problems[0]


def manifest_fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a manifest, as the card tells it of parts.

    Raises BadRecord where there is no manifest, InputRefused where parts are damaged.
    """
    if is_dataset(folder) and not (folder / MANIFEST).exists():
        return stored_manifest(folder)[0].manifest_sha256
    return fingerprint_file(folder / MANIFEST)


def stored_card(folder: Path) -> Card:
    """Return the card in its file, with what it holds of the one before it. Raises InputRefused."""
    try:
        return msgspec.json.decode(read_stored(folder / CARD), type=Card)
    except (*UNDECODABLE, AssertionError) as error:  # the law that counts assert
        raise damaged(folder / CARD, error) from error


def write_rows(
    folder: Path,
    *,
    card: Card,
    rows: Iterable[pa.Table],
    quarantine: Iterable[QuarantineRecord],
    part_rows: int | None = None,
) -> Card:
    """Write quarantine, card and manifest of a new dataset, or in place of those of a finished one; give the card.

    The manifest comes last, and a kill at any moment leaves the old dataset or the new. The files that it names must
    be written. The rows come sorted by id, and ids are unique; of more than `part_rows` (usually `PART_ROWS`) only some
    are held in memory.
    """
    part_rows = PART_ROWS if part_rows is None else part_rows
    flush_filesystem(folder)
    previous = stored_manifest(folder)[0] if is_dataset(folder) else msgspec.UNSET
    card = msgspec.structs.replace(card, format=FORMAT, previous=msgspec.UNSET, parts=msgspec.UNSET)
    manifest = None
    if card.counts.selected > part_rows:
        _refuse_other_folder(folder, previous=previous)
        card = _with_parts(card, folder=folder, rows=rows, part_rows=part_rows)
    else:
        manifest = _one_file(rows, number=card.counts.selected)
        card = msgspec.structs.replace(card, manifest_sha256=sha256_of(manifest))
    lines = quarantine_lines(quarantine)
    card = msgspec.structs.replace(card, quarantine_lines=lines.count(b"\n"))
    write_durable(folder / QUARANTINE, lines)
    _write_card(folder, msgspec.structs.replace(card, previous=previous))
    if manifest is None:
        _place_parts(folder)
    else:
        write_durable(folder / MANIFEST, manifest)
    if isinstance(previous, Card):
        _drop_other(folder, card=card, other=previous)
        _write_card(folder, card)
    return card


def settle_card(folder: Path) -> None:
    """Finish what a write that was killed left: the card alone in its file, its manifest alone in its place."""
    newest = stored_card(folder)
    if isinstance(newest.previous, Card):
        card, found = stored_manifest(folder)
        if isinstance(found, InParts) and not (folder / PARTS).is_dir():
            _place_parts(folder)
        is_new = card.manifest_sha256 == newest.manifest_sha256
        _drop_other(folder, card=card, other=newest.previous if is_new else newest)
        _write_card(folder, card)
    for name in (WRITING, REPLACED):
        _delete(folder / name)


def quarantine_lines(records: Iterable[QuarantineRecord]) -> bytes:
    """Return the content of `quarantine.jsonl`: one JSON line per record, each once, in an order of their own."""
    return b"".join(sorted({told(msgspec.json.encode(record).decode()).encode() + b"\n" for record in records}))


def read_stored(path: Path) -> bytes:
    """Return the bytes of a card, a manifest or a quarantine. Raises InputRefused."""
    try:
        return read_file(path, max_bytes=MAX_BYTES)
    except BadRecord as problem:
        raise damaged(path, problem.reason) from problem


def damaged(path: Path, reason: object) -> InputRefused:
    """Return the refusal of a file that is damaged."""
    return InputRefused(
        f"damaged: {reason}", where=path, remedy="make the dataset again with --overwrite, or restore the file"
    )


def _manifest_of(card: Card, *, folder: Path, parts: str) -> bytes | InParts:
    """Return the manifest that a card names, its parts in the folder of that name. Raises InputRefused."""
    if card.parts is not msgspec.UNSET:
        refuse_links(folder / parts, below=folder)
        found = InParts(folder / parts, card.parts)
        try:
            found.check()
        except PartProblem as problem:
            raise InputRefused(f"damaged: {problem.reason}", where=problem.path, remedy=REMEDY) from problem
        return found
    data = read_stored(folder / MANIFEST)
    if sha256_of(data) != card.manifest_sha256:
        raise damaged(folder / MANIFEST, f"its SHA-256 is not the one in {CARD}")
    return data


def _with_parts(card: Card, *, folder: Path, rows: Iterable[pa.Table], part_rows: int) -> Card:
    with telling_where(folder):
        _delete(folder / WRITING)
    try:
        parts = write_parts(folder / WRITING, rows, part_rows=part_rows)
        return msgspec.structs.replace(card, parts=parts, manifest_sha256=parts_sha256(parts))
    except BaseException:  # the space may be what is lacking
        with suppress(OSError):
            _delete(folder / WRITING)
        raise


def _one_file(rows: Iterable[pa.Table], *, number: int) -> bytes:
    table = pa.concat_tables(list(rows)).sort_by("id")
    assert pc.count_distinct(table["id"]).as_py() == table.num_rows, "sample ids are not unique"
    assert table.num_rows == number, "the card counts other samples than the manifest holds"
    return parquet_bytes(table)


def _place_parts(folder: Path) -> None:
    with telling_where(folder):
        if (folder / PARTS).is_dir():
            _delete(folder / REPLACED)
            (folder / PARTS).rename(folder / REPLACED)
        (folder / WRITING).rename(folder / PARTS)
        sync_folder(folder)


def _drop_other(folder: Path, *, card: Card, other: Card) -> None:
    """Delete the manifest of another card than the one whose manifest is in its place, where it is of another form."""
    with telling_where(folder):
        if card.parts is not msgspec.UNSET and other.parts is msgspec.UNSET:
            (folder / MANIFEST).unlink(missing_ok=True)
        elif card.parts is msgspec.UNSET and other.parts is not msgspec.UNSET and (folder / PARTS).is_dir():
            _delete(folder / REPLACED)
            (folder / PARTS).rename(folder / REPLACED)
        _delete(folder / REPLACED)


def _refuse_other_folder(folder: Path, *, previous: Card | msgspec.UnsetType) -> None:
    """Raise InputRefused where something else has the name of the folder of parts."""
    is_ours = isinstance(previous, Card) and previous.parts is not msgspec.UNSET
    if not is_ours and ((folder / PARTS).exists() or (folder / PARTS).is_symlink()):
        raise InputRefused(
            "this name is that of the parts of a manifest, and something else has it",
            where=folder / PARTS,
            remedy="make the data set in another folder",
        )


def _write_card(folder: Path, card: Card) -> None:
    write_durable(folder / CARD, msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def _delete(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


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
