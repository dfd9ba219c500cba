"""The scores of images as rows: `scores.parquet`, which `evaluate` and `mine` write."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.dataset.dataset import Dataset, of_ids
from curation.dataset.parts import BLOCK_ROWS, regular
from curation.dataset.rows import Batches, Rows, blocks_of
from curation.errors import InputRefused
from curation.storage.parquet import schema_of
from curation.storage.safe_id import SafeId, check_ids
from curation.storage.streamed_file import streamed_file
from models.metrics.confusion import Confusion
from models.metrics.summary import EDGE_COLUMNS, MATTING_COLUMNS, TRIMAP_COLUMNS, ScoreColumns

SCORES: Final = "scores.parquet"
PREDICTIONS: Final = "predictions"
SCORED_VERSION: Final = "scored_label_version"
"""Column of a manifest with scores: the version of the label that they were made of."""
OUTDATED: Final = "scores outdated"
"""What is said of a sample whose label is another by now: its scores and its verdict are of the old one."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `scores.parquet`: how well a model predicts one sample. `models.metrics` defines the numbers.

    Where the model gives no finite prediction, `is_finite` is False and whatever comes from the prediction is None.
    `rechecked` marks rows of a fast engine that were predicted again in fp32. `hole_area` and `person_area` are shares
    of the frame in the label, `touches_border` tells whether its person does. `hole_recall` is None without a hole,
    `false_foreground` (the share of the frame taken for person) where the label has a person. The matting errors, of
    which those named `_band` are over the unknown band of the trimap, are there for samples with an alpha. `burr` and
    `halo` tell how clean the edge is, `trimap_miou`, `unknown_recall` and `soft_covered` how good the trimap of a model
    of three classes.
    `persons`, `source`, `split`, `label_version` and `group` are those of the manifest. Of a sample without a label
    only what comes from the prediction is there. `view_disagreement` is None where one view alone was predicted.
    """

    id: SafeId
    dataset: str
    miou: float | None = None
    iou_person: float | None = None
    iou_background: float | None = None
    boundary_iou: float | None = None
    hole_recall: float | None = None
    false_foreground: float | None = None
    uncertainty: float | None = None
    uncertainty_boundary: float | None = None
    closeness_boundary: float | None = None
    view_disagreement: float | None = None
    specks: float | None = None
    label_quality: float | None = None
    is_finite: bool
    rechecked: bool = False
    tp: int | None = None
    fp: int | None = None
    fn: int | None = None
    tn: int | None = None
    sad: float | None = None
    mse: float | None = None
    gradient: float | None = None
    connectivity: float | None = None
    sad_band: float | None = None
    mse_band: float | None = None
    gradient_band: float | None = None
    connectivity_band: float | None = None
    burr: float | None = None
    halo: float | None = None
    trimap_miou: float | None = None
    unknown_recall: float | None = None
    soft_covered: float | None = None
    width: int
    height: int
    person_area: float | None = None
    hole_area: float | None = None
    touches_border: bool | None = None
    persons: int | None
    source: str | None
    split: str | None
    label_version: int | None
    group: str | None

    @property
    def counts(self) -> Confusion | None:
        """The counts of pixels; None without a finite prediction."""
        if self.tp is None or self.fp is None or self.fn is None or self.tn is None:
            return None
        return Confusion(tp=self.tp, fp=self.fp, fn=self.fn, tn=self.tn)


PIXELS: Final = frozenset({"tp", "fp", "fn", "tn"})
NUMBERS: Final = (
    "miou",
    "iou_person",
    "iou_background",
    "boundary_iou",
    "hole_recall",
    "false_foreground",
    "uncertainty",
    "uncertainty_boundary",
    "closeness_boundary",
    "specks",
    "label_quality",
    *sorted(PIXELS),
    *MATTING_COLUMNS,
    *EDGE_COLUMNS,
    *TRIMAP_COLUMNS,
)
"""The columns that a summary is made of."""


SCORES_SCHEMA: Final = pa.schema(
    [field.with_type(pa.int64()) if field.name in PIXELS else field for field in schema_of(Score)]
)


def table_of_scores(scores: Iterable[Score]) -> pa.Table:
    """Return scores as an Arrow table, sorted by id, with the same columns and types whatever the values are."""
    rows = sorted(scores, key=lambda score: score.id)
    arrays = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in SCORES_SCHEMA]
    return pa.table(arrays, schema=SCORES_SCHEMA)


class StoredScores:
    """The scores in a folder as rows of which a block is read at a time, sorted by id; nothing is kept in memory but
    what was asked for whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with self._file() as file:
            self.schema: pa.Schema = file.schema_arrow
            groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        self.starts: Sequence[int] = (0, *accumulate(groups))

    def __len__(self) -> int:
        """Return the number of scores."""
        return self.starts[-1]

    @property
    def is_in_memory(self) -> bool:
        """They are on the disk."""
        return False

    def block(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one row group, with these columns alone where they are named."""
        names = self.schema.names if columns is None else list(columns)
        with self._file() as file:
            return file.read_row_group(number, columns=names, use_threads=False).select(names)

    def whole(self) -> pa.Table:
        """Return all scores; they stay in memory for whoever asks again."""
        return self._whole

    @cached_property
    def _whole(self) -> pa.Table:
        return pa.concat_tables(blocks_of(self))

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        with (self.folder / SCORES).open("rb") as stream:
            yield pq.ParquetFile(stream, pre_buffer=False)


def write_scores(folder: Path, *, tables: Iterable[pa.Table]) -> StoredScores:
    """Write `scores.parquet` into a folder, whole or not at all, of at least one table, which come sorted by id.

    Equal rows give equal bytes, however they are divided. Some of them are held in memory.
    """
    rest = iter(tables)
    first = next(rest)
    path = folder / SCORES
    with streamed_file(path) as stream, pq.ParquetWriter(stream, first.schema, compression="zstd") as writer:
        blocks = regular(chain([first], rest), size=BLOCK_ROWS)
        for block in chain([next(blocks, first)], blocks):
            writer.write_table(block, row_group_size=max(1, block.num_rows))
    return StoredScores(folder)


def read_scores(folder: Path, *, ids: Collection[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table in `scores.parquet` of a folder, or of it the rows of these ids, or some columns and the ids.

    Raises InputRefused when there is none, or it is damaged, and SecurityRefused for an id that could lead out of a
    folder.
    """
    path = folder / SCORES
    try:
        blocks = blocks_of(StoredScores(folder), columns if columns is None else ["id", *columns])
        table = pa.concat_tables(blocks if ids is None else (of_ids(block, ids) for block in blocks))
    except (pa.ArrowException, OSError) as error:
        reason = "no scores here" if isinstance(error, FileNotFoundError) else f"damaged: {error}"
        raise InputRefused(reason, where=path, remedy="run `curate evaluate` again") from error
    check_ids(table, where=path)
    return table


def outdated_ids(dataset: Dataset, *, scores: Path | None = None) -> frozenset[str]:
    """Return the ids of samples whose label is another version by now than the one that was scored.

    The scores are those in the folder `scores`, else those in the dataset: the column of its manifest tells, or, where
    an earlier version mined it, its `scores.parquet`.
    """
    if scores is None and SCORED_VERSION in dataset.schema.names:
        rows = dataset.batches(["id", "label_version", SCORED_VERSION])
        found = (table.filter(pc.field(SCORED_VERSION) != pc.field("label_version")) for table in rows)
        return frozenset(id_ for table in found for id_ in table["id"].to_pylist())
    if scores is None and not (dataset.folder / SCORES).exists():
        return frozenset()
    scored = read_scores(scores or dataset.folder, columns=["label_version"])
    then = dict(zip(*(scored[name].to_pylist() for name in ("id", "label_version")), strict=True))
    outdated = set()
    for table in dataset.batches(["id", "label_version"]):
        for id_, version in zip(*(table[name].to_pylist() for name in ("id", "label_version")), strict=True):
            if then.get(id_) not in (None, version):
                outdated.add(id_)
    return frozenset(outdated)


class ReadColumns(Mapping[str, NDArray[np.float64]]):
    """The numbers of scores by column, as `columns_of` gives those of a table; one is read whenever it is asked for."""

    def __init__(self, scores: Batches) -> None:
        self._scores = scores

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Return a column (rows,)."""
        return columns_in(self._scores, [name])[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a column."""
        return name in NUMBERS

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(NUMBERS)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(NUMBERS)


def together(several: Sequence[Rows]) -> Batches:
    """Return how the rows of one or several folders of scores are read, one folder after the other."""
    return lambda columns: chain.from_iterable(blocks_of(scores, columns) for scores in several)


def scores_by_name(rows: Rows, names: Sequence[str]) -> ScoreColumns:
    """Return some numbers of scores by column, read block by block, as `columns_of` does those of a table."""
    return columns_in(together([rows]), names)


def columns_in(scores: Batches, names: Sequence[str]) -> ScoreColumns:
    """Return some numbers of scores that are read some at a time, by column."""
    found = [columns_of(table, names=names) for table in scores(names)]
    return {name: np.concatenate([one[name] for one in found]) for name in names}


def columns_of(table: pa.Table, *, names: Sequence[str] = NUMBERS) -> ScoreColumns:
    """Return the numbers of a table of scores by column, float64, NaN where a row has none."""
    there = [name for name in names if name in table.column_names]
    return {name: np.array(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64) for name in there}
