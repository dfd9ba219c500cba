"""Hugging Face: `data/<split>-00000-of-00003.parquet` with `Image` features, and a card with the licence, `README.md`.

Pictures are columns of `{bytes, path}`, which the features in the file's metadata declare as images; all other columns
of the manifest stand beside them as they are. `datasets.load_dataset(DIR)` needs nothing else.
Source: Hugging Face, "Dataset features" and "Dataset cards"; Apache Parquet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from curation.dataset.dataset import FILE_COLUMNS
from curation.exchange.form import ALL, Conversion, Part, Placed
from curation.exchange.forms.hf_card import dataset_card
from curation.exchange.travelling import AS_THEY_ARE, Rules, Travelling
from curation.storage.files import write_durable
from curation.storage.streamed_file import streamed_file

DATA: Final = "data"
ROWS_PER_GROUP: Final = 64
"""A reader that picks rows reads a group for each: with photographs some 20 MB."""
SPLITS: Final = {ALL: "train", "val": "validation"}
"""What readers expect: data without splits is `train`, and `val` is `validation`."""
PICTURE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGE_FEATURE: Final = {"_type": "Image"}
DTYPES: Final = {"double": "float64", "float": "float32", "halffloat": "float16"}
"""Where Arrow's name of a type is not that of the features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace:
    """The form `hf`. `columns` are the Arrow types of the manifest's columns, in their order, as (name, type)."""

    samples_per_part: int
    columns: tuple[tuple[str, pa.DataType], ...]
    rules: Rules = AS_THEY_ARE
    name: str = "hf"
    folders: tuple[str, ...] = (DATA,)

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Return the row of one sample, pictures and all."""
        names = {"image": sample.image_name}
        names |= {column: f"{sample.id}{sample.suffixes[column]}" for column in sample.labels}
        pictures = {
            column: {"bytes": sample.image if column == "image" else sample.labels[column], "path": name}
            for column, name in names.items()
        }
        return Placed(
            paths=names, record=dict(sample.row) | {c: None for c in FILE_COLUMNS if c in sample.row} | pictures
        )

    @contextmanager
    def writing(self, part: Part, *, folder: Path) -> Iterator[Callable[[Any], None]]:
        """Write the rows of one shard, a group at a time."""
        name = f"{split_of(part.set)}-{part.number:05d}-of-{part.of:05d}.parquet"
        schema, waiting = self.schema(), list[dict[str, Any]]()
        with (
            streamed_file(folder / DATA / name) as stream,
            pq.ParquetWriter(stream, schema, compression="zstd") as writer,
        ):

            def add(row: dict[str, Any]) -> None:
                waiting.append(row)
                if len(waiting) == ROWS_PER_GROUP:
                    writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                    waiting.clear()

            yield add
            if waiting:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Write the card."""
        splits = {split_of(set_): number for set_, number in conversion.sets.items()}
        write_durable(folder / "README.md", dataset_card(conversion, splits=splits, features=self.features()))

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return the command that reads it."""
        return f"curate hf --root {quote(str(folder))} --out D"

    def schema(self) -> pa.Schema:
        """Return the columns of a file, with the features of `datasets` in its metadata."""
        fields = [(name, PICTURE if name in FILE_COLUMNS else kind) for name, kind in self.columns]
        told = {"info": {"features": self.features()}}
        return pa.schema(fields, metadata={"huggingface": msgspec.json.encode(told)})

    def features(self) -> dict[str, Any]:
        """Return what each column holds, as `datasets` writes it."""
        return {name: IMAGE_FEATURE if name in FILE_COLUMNS else _feature(kind) for name, kind in self.columns}


def split_of(set_: str) -> str:
    """Return the name of a set among the splits of Hugging Face.

    >>> split_of("val"), split_of("all"), split_of("test")
    ('validation', 'train', 'test')
    """
    return SPLITS.get(set_, set_)


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}  # `datasets` reads it as `List`, too
    return {"dtype": DTYPES.get(str(kind), str(kind)), "_type": "Value"}
