"""The data of the demo's loop: what trains, with a few labels made wrong, a test set, and a pool without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import FILE_COLUMNS, Dataset, read_dataset, read_quarantine, write_dataset
from curation.images.pixels import Mask, decode_mask, encode_mask
from curation.operations.rewrite import rewriting
from curation.storage.checksums import digest_column
from curation.storage.files import read_file, sha256_of, write_durable
from pipelines.command_line.options import RunOptions
from pipelines.datasets.merge import MergeFlags, merge
from pipelines.datasets.split import SplitFlags, split
from pipelines.sources.aifenge import AifengeFlags, aifenge

WRONG: Final = "demo_wrong"
"""Column that says which labels were made wrong."""
EVERY: Final = 4
"""One training sample in this many gets a wrong label."""
SHIFT: Final = 0.15
"""How far a wrong label lies beside its person, as a share of the frame's width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoData:
    """Where the data of the loop lies; `truths` hold every sample with its true mask."""

    training: Path
    test: Path
    pool: Path
    truths: tuple[Path, ...]

    def truth(self) -> Mapping[str, tuple[Path, str]]:
        """Return dataset and file of the true mask by id."""
        return {
            row["id"]: (folder, row["mask"]) for folder in self.truths for row in read_dataset(folder).table.to_pylist()
        }


def make_demo_data(out: Path, *, portraits: Path, persons: Path, cutouts: Path, run: RunOptions) -> DemoData:
    """Make the data of the loop in `out` from two datasets and the root of cut-outs for the pool; once."""
    quiet = replace(run, quiet=True, limit=None, overwrite=False)
    data = DemoData(
        training=out / "training", test=out / "test", pool=out / "pool", truths=(out / "all", out / "pool-truth")
    )
    everything, pool_truth = data.truths
    merge(MergeFlags(datasets=(persons, portraits), out=everything), run=quiet)
    split(SplitFlags(dataset=everything, val=0.15, test=0.3), run=quiet)
    merge(MergeFlags(datasets=(everything,), where="split == 'test'", out=data.test), run=quiet)
    merge(MergeFlags(datasets=(everything,), where="split != 'test'", out=data.training), run=quiet)
    aifenge(AifengeFlags(root=cutouts, out=pool_truth), run=quiet)
    merge(MergeFlags(datasets=(pool_truth,), out=data.pool, prefix=True), run=quiet)
    _hide_labels(data.pool)
    _spoil(data.training)
    return data


def _hide_labels(folder: Path) -> None:
    """Take the labels of all samples away that nobody labelled since."""
    with rewriting(folder) as dataset:
        table = dataset.table
        rows = table.to_pylist()
        if any(row["mask"] is None or row["label_version"] for row in rows):
            return
        labels = [name for name in FILE_COLUMNS if name != "image" and name in table.column_names]
        for name in (*labels, *(digest for name in labels if (digest := digest_column(name)) in table.column_names)):
            place = table.column_names.index(name)
            table = table.set_column(
                place, table.schema.field(name), pa.nulls(len(table), table.schema.field(name).type)
            )
        _rewrite(dataset, table=table)


def _spoil(folder: Path) -> None:
    """Move the mask of some samples beside its person, and note which; the file of another dataset stays as it is."""
    with rewriting(folder) as dataset:
        if WRONG in dataset.table.column_names:
            return
        rows = dataset.table.to_pylist()
        learned = [row["id"] for row in rows if row["split"] == "train"]
        wrong = set(learned[EVERY // 2 :: EVERY])
        for row in rows:
            if row["id"] in wrong:
                path = folder / row["mask"]
                data = encode_mask(_moved(decode_mask(read_file(path), file=str(path))))
                write_durable(path, data)  # replaces a link
                row[digest_column("mask")] = sha256_of(data)
        table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
        table = table.append_column(WRONG, pa.array([row["id"] in wrong for row in rows]))
        _rewrite(dataset, table=table)


def _moved(mask: Mask) -> Mask:
    by = max(1, round(SHIFT * mask.shape[1]))
    moved = np.zeros_like(mask)
    moved[:, by:] = mask[:, :-by]
    return moved


def _rewrite(dataset: Dataset, *, table: pa.Table) -> None:
    write_dataset(dataset.folder, card=dataset.card, table=table, quarantine=read_quarantine(dataset.folder))
