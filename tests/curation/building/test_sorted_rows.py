"""Rows that are sorted beside the journal are those that were added, sorted, however many lie in memory."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pytest

from curation.building.sorted_rows import SortedRows
from curation.dataset.sample import Sample
from curation.dataset.table import table_of


def samples(number: int) -> list[Sample]:
    """Return samples of which some have an added column, here of whole numbers and there of fractions."""
    made = []
    for at in range(number):
        extra = {} if at % 3 == 0 else {"rank": at} if at < number // 2 else {"rank": at + 0.5, "verdict": "ok"}
        id_ = f"{'äzB'[at % 3]}{at:04}"
        made.append(
            Sample(
                id=id_,
                image=f"images/{id_}.jpg",
                width=1,
                height=1,
                source="s",
                source_id=id_,
                group=id_,
                sha256=id_,
                extra=extra,
            )
        )
    random.Random(1).shuffle(made)
    return made


@pytest.mark.parametrize("run_rows", [7, 40, 10_000])
def test_they_come_back_sorted_and_whole(run_rows: int, tmp_path: Path) -> None:
    made = samples(200)
    rows = SortedRows(tmp_path / "rows", run_rows=run_rows)
    for start in range(0, len(made), 9):
        rows.add(table_of(made[start : start + 9]))
    blocks = list(rows.blocks(types={"verdict": pa.string(), "later": pa.int32()}))
    found = pa.concat_tables(blocks).to_pylist()  # raises where two blocks differ in a column or its type
    expected = sorted(made, key=lambda sample: sample.id)  # Python's order of texts is that of UTF-8
    assert [row["id"] for row in found] == [sample.id for sample in expected]
    assert [row["rank"] for row in found] == [sample.extra.get("rank") for sample in expected]
    assert [row["verdict"] for row in found] == [sample.extra.get("verdict") for sample in expected]
    assert {row["later"] for row in found} == {None}
    if run_rows < 200:
        assert len(blocks) >= 5 and max(map(len, blocks)) < 200
    named = [path for table in rows.columns(["image", "mask"]) for path in table["image"].to_pylist()]
    assert sorted(named) == sorted(sample.image for sample in made)
    rows.close()
    assert not (tmp_path / "rows").exists()


def test_no_rows_are_one_empty_block(tmp_path: Path) -> None:
    (block,) = SortedRows(tmp_path / "rows").blocks(types={"rank": pa.int32()})
    assert len(block) == 0 and block.schema.field("rank").type == pa.int32() and "id" in block.column_names


def test_what_a_killed_command_laid_down_is_not_taken(tmp_path: Path) -> None:
    killed = SortedRows(tmp_path / "rows", run_rows=10)
    killed.add(table_of(samples(30)))
    assert list((tmp_path / "rows").iterdir())
    rows = SortedRows(tmp_path / "rows", run_rows=10)
    rows.add(table_of(samples(3)))
    assert sum(map(len, rows.blocks(types={}))) == 3
