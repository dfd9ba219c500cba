"""Which columns of a parquet data set hold images, labels and ids, and in which split each file is.

A picture is a column of bytes, or of `{bytes, path}` as the `Image` feature of Hugging Face has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from curation.dataset.card import KEPT
from curation.errors import ConfigurationProblem, InputRefused

IMAGE_NAMES: Final = ("image", "img", "photo", "picture", "jpg", "png", "pixel_values")
MASK_NAMES: Final = ("mask", "label", "annotation", "segmentation", "segmentation_mask", "seg", "seg_mask", "masks")
ID_NAMES: Final = ("id", "image_id", "file_name", "filename")
SPLIT_FILE: Final = re.compile(r"(?:^|[/._-])(train|training|validation|valid|val|dev|test|testing|eval)(?=[/._-]|$)")
SPLITS: Final = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that are read: `label` is a mask, or, with `is_alpha`, an alpha."""

    image: str
    label: str
    is_alpha: bool
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetFile:
    """One file of a data set: its path, its path below the root, its split by its name, and rows of each group."""

    path: Path
    name: str
    split: str | None
    groups: tuple[int, ...]


def parquet_files(root: Path) -> tuple[list[ParquetFile], pa.Schema]:
    """Return the files below a folder, by name, and the columns that all of them have.

    Raises InputRefused where there is none, where one is damaged, or where two have other columns.
    """
    if not root.is_dir():
        reason = "this is a file, not a folder" if root.exists() else "there is no such folder"
        raise InputRefused(reason, where=root, remedy="name the folder that holds the .parquet files")
    paths = sorted(path for path in root.rglob("*.parquet") if path.name != KEPT and _is_shown(path, root=root))
    if not paths:
        raise InputRefused("there is no .parquet file here", where=root, remedy="name the folder that holds them")
    files, schema = [], None
    for path in paths:
        found, file = _looked_at(path, root=root)
        files.append(file)
        schema = found if schema is None else schema
        if found.names != schema.names:
            other = ", ".join(sorted(set(found.names) ^ set(schema.names)))
            remedy = "name the folder of one data set"
            raise InputRefused(f"it has not the columns of {paths[0]}: {other}", where=path, remedy=remedy)
    assert schema is not None, "there is a file"
    return files, schema


def columns_of(schema: pa.Schema, *, image: str | None, mask: str | None, alpha: str | None, where: Path) -> Columns:
    """Return which columns are read: those that are named, else those whose names say so.

    Raises ConfigurationProblem for both a mask and an alpha, InputRefused where a column is not there, holds no
    pictures, or where names do not tell.
    """
    if mask is not None and alpha is not None:
        raise ConfigurationProblem(
            "both --mask-column and --alpha-column are given", remedy="give the one that the masks are made from"
        )
    pictures = [field.name for field in schema if is_picture(field.type)]
    kinds = {field.name: field.type for field in schema}
    has_ids = (
        name for name in ID_NAMES if name in kinds and (is_words(kinds[name]) or pa.types.is_integer(kinds[name]))
    )
    return Columns(
        image=_chosen(image, among=pictures, names=IMAGE_NAMES, flag="--image-column", schema=schema, where=where),
        label=_chosen(
            mask or alpha, among=pictures, names=MASK_NAMES, flag="--mask-column", schema=schema, where=where
        ),
        is_alpha=alpha is not None,
        id=next(has_ids, None),
    )


def is_picture(kind: pa.DataType) -> bool:
    """Tell whether a column of this type may hold pictures.

    >>> is_picture(pa.struct([("bytes", pa.binary()), ("path", pa.string())])), is_picture(pa.string())
    (True, False)
    """
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(place).name for place in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def is_words(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds texts, however they are stored.

    >>> is_words(pa.large_string()), is_words(pa.dictionary(pa.int8(), pa.string())), is_words(pa.int64())
    (True, True, False)
    """
    if pa.types.is_dictionary(kind):
        return is_words(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def split_of(name: str) -> str | None:
    """Return the split that the path of a file names, the last word that does.

    >>> split_of("data/train-00000-of-00001.parquet"), split_of("validation/0.parquet"), split_of("portraits.parquet")
    ('train', 'val', None)
    """
    found = SPLIT_FILE.findall(name.lower().removesuffix(".parquet"))
    return SPLITS[found[-1]] if found else None


def _looked_at(path: Path, *, root: Path) -> tuple[pa.Schema, ParquetFile]:
    name = path.relative_to(root).as_posix()
    try:
        with pq.ParquetFile(path, pre_buffer=False) as opened:
            rows = tuple(opened.metadata.row_group(n).num_rows for n in range(opened.metadata.num_row_groups))
            return opened.schema_arrow, ParquetFile(path=path, name=name, split=split_of(name), groups=rows)
    except (pa.ArrowException, OSError) as error:
        raise InputRefused(
            f"damaged, or no parquet file: {error}", where=path, remedy="fetch the file again, or move it away"
        ) from error


def _chosen(
    asked: str | None, *, among: Sequence[str], names: Sequence[str], flag: str, schema: pa.Schema, where: Path
) -> str:
    shown = ", ".join(f"{field.name} ({_shown(field.type)})" for field in schema)
    if asked is not None:
        if asked in among:
            return asked
        what = "holds no pictures" if asked in schema.names else "is not there"
        raise InputRefused(
            f"the column {asked!r} {what}; there are {shown}", where=where, remedy=f"give {flag} another"
        )
    found = [name for name in names if name in among]
    if not found:
        other = "; --alpha-column NAME where the labels are alphas" if flag == "--mask-column" else ""
        reason = (
            f"no column of pictures (bytes, or bytes and path) is called {' or '.join(names[:3])}; there are {shown}"
        )
        raise InputRefused(reason, where=where, remedy=f"give {flag} NAME{other}")
    return found[0]


def _shown(kind: pa.DataType) -> str:
    return "pictures" if is_picture(kind) else str(kind)


def _is_shown(path: Path, *, root: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
