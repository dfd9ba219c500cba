"""A parquet data set with columns of images and masks, as Hugging Face keeps them: its rows, each with an id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from curation.dataset.identity import scoped
from curation.dataset.sample import Item, Plan, Source
from curation.errors import ConfigurationProblem
from curation.images.folders import TOLD
from curation.images.mask_values import MaskValues, person_values, refuse_absent
from curation.labels.label_frame import LabelFrame
from curation.labels.made_labels import LabelRules
from curation.labels.masks import ALPHA_THRESHOLD
from curation.quarantine import BadRecord, Code
from curation.setting import setting
from curation.sources.labels_from_alpha import PairRules
from curation.sources.match_by_name import FOLDER_MARK, MAX_ID_BYTES, settings_of, without_suffix
from curation.sources.parquet_cells import Cell
from curation.sources.parquet_columns import SPLITS, Columns, ParquetFile, columns_of, is_words, parquet_files
from curation.sources.parquet_rows import HfRules, Row, stored_masks, take_row
from curation.sources.shared_settings import label_frame_setting
from curation.storage.files import folded
from curation.storage.safe_id import safe_id

COMMAND: Final = "hf"
WORDS_SHOWN: Final = 5
FOOTER_BYTES: Final = 1 << 16
"""The end of a parquet file says where everything in it lies: it is another where the data is."""
SAID: Final = ("license", "group", "split")
"""Columns that say something of a row, where they are texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HfSettings:
    """What to read, and what to write into every row."""

    root: Path = setting("Folder of .parquet files; sub-folders are read too.", metavar="DIR")
    image_column: str | None = setting("Column of the images.  [default: image, or a like name]", default=None)
    mask_column: str | None = setting("Column of the masks.  [default: mask, label, or a like name]", default=None)
    alpha_column: str | None = setting("Column of alphas, in place of masks.", default=None)
    person_value: str | None = setting(
        "The value of the person in masks of other values than 0 and 255; see `curate pairs`.",
        default=None,
        metavar="V|A-B",
    )
    source: str | None = setting("Name of the source.  [default: the folder's name, made unique]", default=None)
    split: Literal["train", "val", "test"] | None = setting(
        "Split of every sample.  [default: as the files are named]", default=None
    )
    license: str | None = setting("Licence of every sample.  [default: column license]", default=None)
    label_frame: LabelFrame | None = label_frame_setting()
    limit: int | None = None


def plan_hf(settings: HfSettings) -> Plan:
    """Take every row of the parquet files of a folder.

    Raises InputRefused where there is none, or columns of images and labels cannot be told; ConfigurationProblem.
    """
    files, schema = parquet_files(settings.root)
    rules = rules_of(settings, files=files, schema=schema)
    words: Counter[str] = Counter()
    rows = list(_rows(files, columns=rules.columns, schema=schema, settings=settings, words=words))
    items, broken = _items(rows, has_ids=rules.columns.id is not None)
    if rules.values is not None:
        refuse_absent(rules.values, masks=stored_masks(items, columns=rules.columns), where=settings.root)
    kept = items[: settings.limit]
    ignores = ["ignores"] if rules.values is not None and rules.values.ignored else []
    return Plan(
        command=COMMAND,
        settings=settings_of(settings),
        sources=[Source(name=rules.labels.labels.source, path=str(settings.root), fingerprint=_fingerprint(files))],
        considered=len(rows),
        items=kept,
        work=partial(take_row, rules=rules),
        filtered={"limit": len(items) - len(kept)} if len(kept) < len(items) else {},
        quarantined=[problem.record(stage=COMMAND) for problem in broken],
        notes={TOLD: told} if (told := _told(words, values=rules.values)) else {},
        inputs=[settings.root],
        folders=(*rules.labels.folders(), *ignores),
    )


def rules_of(settings: HfSettings, *, files: Sequence[ParquetFile], schema: pa.Schema) -> HfRules:
    """Return how the rows of a data set become samples; raises what `columns_of` does, and ConfigurationProblem."""
    columns = columns_of(
        schema,
        image=settings.image_column,
        mask=settings.mask_column,
        alpha=settings.alpha_column,
        where=settings.root,
    )
    source = settings.source or scoped(settings.root.resolve().name, fingerprint=_fingerprint(files))
    plain = LabelRules(source=source, threshold=ALPHA_THRESHOLD, trimap_kernel="none", verify="full")
    labels = PairRules(labels=plain, with_alpha=columns.is_alpha, frame=settings.label_frame)
    return HfRules(columns=columns, labels=labels, values=_values(settings, columns=columns))


def _values(settings: HfSettings, *, columns: Columns) -> MaskValues | None:
    if settings.person_value is None:
        return None
    if columns.is_alpha:
        raise ConfigurationProblem("--person-value goes with masks, not with --alpha-column", remedy="leave one out")
    return person_values(settings.person_value)


def _rows(
    files: Sequence[ParquetFile], *, columns: Columns, schema: pa.Schema, settings: HfSettings, words: Counter[str]
) -> Iterator[Row]:
    """Yield all rows; `words` counts what those say of their split that are given none by the settings."""
    texts = [name for name in SAID if name in schema.names and is_words(schema.field(name).type)]
    has_path = pa.types.is_struct(schema.field(columns.image).type)
    own = columns.id or (f"{columns.image}.path" if has_path else None)
    wanted = [*([] if own is None else [own]), *texts]
    for file in files:
        number = 0
        with pq.ParquetFile(file.path, pre_buffer=False) as opened:
            for group, length in enumerate(file.groups):
                table = opened.read_row_group(group, columns=wanted, use_threads=False).to_pylist() if wanted else []
                for place in range(length):
                    told = table[place] if wanted else {}
                    cell = Cell(root=str(settings.root), name=file.name, group=group, row=place)
                    if settings.split is None and told.get("split"):
                        words[told["split"]] += 1
                    yield _row(told, cell=cell, columns=columns, file=file, settings=settings, number=number)
                    number += 1


def _row(
    told: Mapping[str, Any], *, cell: Cell, columns: Columns, file: ParquetFile, settings: HfSettings, number: int
) -> Row:
    own = told.get(columns.id) if columns.id else (told.get(columns.image) or {}).get("path")
    stem = without_suffix(file.name).replace("/", FOLDER_MARK)
    return Row(
        cell=cell,
        source_id=f"{stem}-{number:06d}" if own is None or own == "" else str(own),
        split=settings.split or _split(told.get("split"), file=file),
        license=settings.license or told.get("license"),
        group=told.get("group"),
    )


def _split(said: str | None, *, file: ParquetFile) -> str | None:
    """Return the split that a row says, that of its file where it says nothing, None where it says another word."""
    return SPLITS.get(_plain(said)) if said else file.split


def _plain(word: str) -> str:
    return word.strip().lower()


def _told(words: Mapping[str, int], *, values: MaskValues | None) -> list[str]:
    """Return lines on how the rows were read: what values of masks mean, and splits that are none of ours."""
    strange = {word: number for word, number in words.items() if _plain(word) not in SPLITS}
    shown = ", ".join(f"{word!r} {number}" for word, number in list(strange.items())[:WORDS_SHOWN])
    told = [] if values is None else [f"masks: {values.meaning()}"]
    if strange:
        told.append(f"column split: none of train, val and test, so these rows have no split: {shown}")
    return told


def _items(rows: Sequence[Row], *, has_ids: bool) -> tuple[list[Item], list[BadRecord]]:
    """Return an item for each row, and the rows that have no id of their own.

    Paths of images that are not unique, such as one name in every split, get the name of their file before them.
    """
    names = [row.source_id if has_ids else without_suffix(row.source_id).strip("/") for row in rows]
    claims = Counter(map(folded, names))
    items, broken = [], []
    for row, name in zip(rows, names, strict=True):
        if claims[folded(name)] > 1 and not has_ids:
            name = f"{without_suffix(row.cell.name)}/{name}-{row.cell.group}-{row.cell.row}"
        try:
            if claims[folded(name)] > 1:
                reason = f"{claims[folded(name)]} rows have the id {name!r}, or one that differs in capitals alone"
                raise BadRecord(Code.DUP_ID, reason)
            id_ = safe_id(name.replace("/", FOLDER_MARK), file=row.cell.place, max_bytes=MAX_ID_BYTES)
        except BadRecord as problem:
            problem.file = row.cell.place
            problem.record_id = row.source_id
            broken.append(problem)
        else:
            items.append(Item(id=id_, payload=row, file=row.cell.place))
    return sorted(items, key=lambda item: item.id), broken


def _fingerprint(files: Sequence[ParquetFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.path.stat().st_size
        with file.path.open("rb") as stream:
            stream.seek(max(0, size - FOOTER_BYTES))
            digest.update(f"{file.name}\0{size}\0".encode() + stream.read())
    return digest.hexdigest()
