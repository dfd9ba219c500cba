"""The way back: a plan that reads what `curate convert` wrote also takes the columns that it kept.

A sample whose image and mask are those that were converted is the row that it was: id, split, group, licence, label
version, added columns, and the labels that the form had no place for. Where another tool changed the mask, the new one
counts, as the next label version, and alpha and trimap, which show the old outline, are left out. Where the image is
another, it is imported as any image is, and a line says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from curation.dataset.dataset import SCHEMA
from curation.dataset.sample import COLUMNS, Item, Outcome, Plan, Sample
from curation.errors import InputRefused
from curation.exchange.convert_dataset import ADDED, PIXELS
from curation.exchange.form import UNLABELLED
from curation.exchange.kept_rows import KeptRows, kept_in, origin
from curation.exchange.travelling import LABELS, pixel_digest
from curation.image_uri import image_uri
from curation.images.header import inspect
from curation.images.pixels import Mask, encode_mask
from curation.operations.merge import joined_sources
from curation.quarantine import BadRecord, Code
from curation.storage.checksums import check_digest, digest_column
from curation.storage.files import folded, link_or_copy, read_file, safe_join, sha256_of, write_bytes

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
PACKED: Final = ".parquet"
"""Where images lie in files of many, which cannot be linked."""
DERIVED: Final = ("alpha", "trimap")
"""Labels made from the outline of a mask: they are left out where that is another now."""
OTHER_IMAGE_HINT: Final = "convert the data set again, or remove curate.parquet to import without its columns"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of an item whose row was kept: that of the plan, and the row."""

    payload: Any
    row: dict[str, Any]
    folder: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How the files of an item are read: the bytes of its image, its mask, and the bytes of another label.

    `mask` gives None where the command reads no mask, but an alpha: then labels are those of the command. `label` takes
    the item, its `row`, the `column` and the `folder` of the kept rows.
    """

    image: Callable[[Item], bytes]
    mask: Callable[[Item], Mask | None]
    label: Callable[..., bytes]


Find = Callable[[Item, KeptRows], str | None]


def restored(
    plan: Plan,
    *,
    folders: Sequence[Path],
    reading: Reading,
    find: Find | None = None,
    given: Mapping[str, Any] = NOTHING,
) -> Plan:
    """Return a plan with the rows that are kept in some folders, given by absolute paths.

    `find` gives the id of an item's row; by default it is known by the path of its image. Columns that are `given` and
    not None are what a person asked for, and stand in every row.
    Raises InputRefused and SecurityRefused, see `kept_in`.
    """
    all_kept = [kept for folder in dict.fromkeys(folders) if (kept := kept_in(folder)) is not None]
    asked = {name: value for name, value in given.items() if value is not None}
    items = [_known(item, all_kept=all_kept, find=find or _by_image, asked=asked) for item in plan.items]
    _refuse_same_ids(items)
    unlabelled = [
        line for line in plan.quarantined if line.code is Code.NO_MASK and _is_unlabelled(line.file, all_kept)
    ]
    columns = {name: kind for kept in all_kept for name, kind in kept.columns().items()}
    classes = {name: value for kept in all_kept for name, value in (kept.told.card.notes.get("classes") or {}).items()}
    return replace(
        plan,
        items=sorted(items, key=lambda item: item.id),
        settings={**plan.settings, "kept": sorted(kept.fingerprint for kept in all_kept)},
        sources=joined_sources([*plan.sources, *(source for kept in all_kept for source in kept.told.card.sources)]),
        work=partial(restored_sample, inner=plan.work, reading=reading),
        filtered={**plan.filtered, **({UNLABELLED: len(unlabelled)} if unlabelled else {})},
        quarantined=[line for line in plan.quarantined if line not in unlabelled],
        notes={**plan.notes, **({"classes": classes} if classes else {})},
        parents=[*plan.parents, *(f"{kept.told.name}@{kept.told.card.run}" for kept in all_kept)],
        folders=tuple(dict.fromkeys([*plan.folders, *sorted({name for kept in all_kept for name in kept.folders()})])),
        columns={**plan.columns, **columns},
    )


def restored_sample(item: Item, folder: Path, *, inner: Callable[[Item, Path], Outcome], reading: Reading) -> Outcome:
    """Return the sample as it was where image and mask are the same; else what `inner` makes, with what still holds.

    Raises BadRecord: what `inner` raises, and CHECKSUM or MISSING_FILE for a label beside that is not what it was.
    """
    if not isinstance(item.payload, Known):
        return inner(item, folder)
    row, beside = item.payload.row, Path(item.payload.folder)
    plain = Item(id=item.id, payload=item.payload.payload, file=item.file)
    image = reading.image(plain)
    if sha256_of(image) != row["sha256"]:
        return _of_other_image(inner(plain, folder), item=item)
    mask = None if row[PIXELS] is None else reading.mask(plain)
    if row[PIXELS] is not None and pixel_digest(mask) != row[PIXELS]:
        others = _others(plain, row=row, beside=beside, reading=reading, but=("mask", *DERIVED))
        return _relabelled(inner(plain, folder), row=row, others=others, folder=folder, is_new=mask is not None)
    pictures = {} if mask is None else {"mask": _mask_file(plain, mask=mask, row=row, beside=beside, reading=reading)}
    pictures |= _others(plain, row=row, beside=beside, reading=reading, but=("mask",))
    return Outcome(id=item.id, sample=_as_it_was(plain, row=row, image=image, pictures=pictures, folder=folder))


def label_beside(_: Item, *, row: Mapping[str, Any], column: str, folder: Path) -> bytes:
    """Return the bytes of a label that lies as a file below `folder`, as its row says."""
    return read_file(safe_join(folder, str(row[column])), below=folder)


def _known(item: Item, *, all_kept: Sequence[KeptRows], find: Find, asked: Mapping[str, Any]) -> Item:
    for kept in all_kept:
        if (id_ := find(item, kept)) is not None:
            row = {**kept.rows[id_], **asked}
            return Item(
                id=row["id"], payload=Known(payload=item.payload, row=row, folder=str(kept.folder)), file=item.file
            )
    return item


def _by_image(item: Item, kept: KeptRows) -> str | None:
    return kept.ids.get(_below(item.file, kept)) if item.file else None


def _below(file: str, kept: KeptRows) -> str:
    path = Path(os.path.abspath(file))  # noqa: PTH100 - links stay as they are
    return path.relative_to(kept.folder).as_posix() if path.is_relative_to(kept.folder) else ""


def _is_unlabelled(file: str, all_kept: Sequence[KeptRows]) -> bool:
    ids = [(kept, kept.ids.get(_below(file, kept))) for kept in all_kept]
    return any(id_ is not None and origin(kept.rows[id_], "mask") is None for kept, id_ in ids)


def _refuse_same_ids(items: Sequence[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        other = seen.setdefault(folded(item.id), item)
        if other is not item:
            raise InputRefused(
                f"two files claim the id {item.id!r}: {other.file} and {item.file}",
                where=item.file,
                remedy="read them into data sets of their own, and join these with `curate merge --prefix`",
            )


def _mask_file(item: Item, *, mask: Mask, row: Mapping[str, Any], beside: Path, reading: Reading) -> bytes:
    """Return the bytes of a mask's file: those that it had, where the form holds them, else its pixels encoded."""
    if row.get("mask") is not None:
        with suppress(BadRecord):
            data = reading.label(item, row=row, column="mask", folder=beside)
            if sha256_of(data) == row.get(digest_column("mask")):
                return data
    return encode_mask(mask)


def _others(
    item: Item, *, row: Mapping[str, Any], beside: Path, reading: Reading, but: tuple[str, ...]
) -> dict[str, bytes]:
    found = {}
    for column in LABELS:
        if column not in but and origin(row, column) is not None:
            found[column] = reading.label(item, row=row, column=column, folder=beside)
            check_digest(found[column], expected=row.get(digest_column(column)), file=beside / str(row[column]))
    return found


def _as_it_was(
    item: Item, *, row: Mapping[str, Any], image: bytes, pictures: Mapping[str, bytes], folder: Path
) -> Sample:
    extension = inspect(image, file=str(row["image"])).extension
    was = str(origin(row, "image"))
    path = was if was.endswith(extension) and image_uri(was) is None else f"images/{item.id}{extension}"
    if item.file.endswith(PACKED):
        write_bytes(folder / path, image)
    else:
        link_or_copy(Path(item.file), folder / path, data=image)
    return _sample(_without_files(row) | {"image": path} | _written(pictures, row=row, folder=folder))


def _relabelled(
    outcome: Outcome, *, row: Mapping[str, Any], others: Mapping[str, bytes], folder: Path, is_new: bool
) -> Outcome:
    """Return the outcome of a changed mask with the columns, and the other labels, that do not depend on it."""
    if (made := outcome.sample) is None:
        return outcome
    fresh = msgspec.structs.asdict(made)
    fresh |= {name: value for name, value in fresh.pop("extra").items() if value is not None}
    kept = {name: fresh.pop(name) for name in ("source", "source_id", "split", "group", "license", "label_version")}
    assert kept.keys() <= row.keys(), "these columns are those of every manifest"
    still = {column: data for column, data in others.items() if column not in fresh}
    values = _without_files(row) | _written(still, row=row, folder=folder) | fresh
    if is_new:
        values["label_version"] = row["label_version"] + 1
        values["mask"] = f"masks/{row['id']}.v{values['label_version']}.png"
        (folder / str(made.mask)).rename(folder / values["mask"])
    return msgspec.structs.replace(outcome, sample=_sample(values))


def _written(pictures: Mapping[str, bytes], *, row: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write label files where they lay, and return the columns that speak of them."""
    values = {}
    for column, data in pictures.items():
        values[column] = str(origin(row, column))
        write_bytes(folder / values[column], data)
        values[digest_column(column)] = sha256_of(data)
    return values


def _without_files(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of the manifest: without what `curate.parquet` adds, and without files."""
    files = {*LABELS, "image", *map(digest_column, LABELS)}
    return {name: None if name in files else value for name, value in row.items() if name not in ADDED}


def _of_other_image(outcome: Outcome, *, item: Item) -> Outcome:
    reason = "the image is not the one that was converted: what curate.parquet keeps of it was not taken"
    line = BadRecord(Code.CHECKSUM, reason, file=item.file, hint=OTHER_IMAGE_HINT)
    record = line.record(stage="restored_sample", record_id=item.id)
    return msgspec.structs.replace(outcome, records=(*outcome.records, record))


def _sample(values: Mapping[str, Any]) -> Sample:
    fixed = {name: values[name] for name in COLUMNS}
    extra = {name: value for name, value in values.items() if name not in SCHEMA.names}
    return msgspec.convert({**fixed, "extra": extra}, Sample)
