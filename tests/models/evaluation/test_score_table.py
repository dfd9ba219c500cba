from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.dataset.rows import InMemory
from curation.errors import InputRefused
from models.evaluation import score_table
from models.evaluation.score_table import (
    SCORES,
    Score,
    columns_of,
    outdated_ids,
    read_scores,
    scores_by_name,
    table_of_scores,
    write_scores,
)
from models.metrics.confusion import Confusion
from tests.models.data.discs import disc_dataset
from tests.models.drawn import score_row


def test_a_table_holds_every_field_and_is_sorted_by_id() -> None:
    table = table_of_scores([score_row("b", miou=0.5), score_row("a", tp=3, persons=2)])
    assert table.column_names == list(Score.__struct_fields__)
    assert table["id"].to_pylist() == ["a", "b"]
    rebuilt = [msgspec.convert(row, Score) for row in table.to_pylist()]
    assert rebuilt == [score_row("a", tp=3, persons=2), score_row("b", miou=0.5)]


def test_types_do_not_depend_on_the_values() -> None:
    empty, full = table_of_scores([]), table_of_scores([score_row("a", miou=1.0, tp=1, persons=1, split="val")])
    assert empty.schema == full.schema
    kinds = {name: full.schema.field(name).type for name in ("miou", "tp", "persons", "is_finite", "split")}
    assert kinds == {
        "miou": pa.float64(),
        "tp": pa.int64(),
        "persons": pa.int32(),
        "is_finite": pa.bool_(),
        "split": pa.string(),
    }
    assert all(field.type != pa.null() for field in empty.schema)


def test_what_is_written_is_read_again_and_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    table = table_of_scores([score_row("a", miou=0.25), score_row("b")])
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write_scores(tmp_path / name, tables=[table])
    assert read_scores(tmp_path / "one").equals(table)
    assert (tmp_path / "one" / SCORES).read_bytes() == (tmp_path / "other" / SCORES).read_bytes()


def test_absent_scores_are_not_numbers_in_the_columns() -> None:
    columns = columns_of(table_of_scores([score_row("a", miou=0.25, tp=7), score_row("b", is_finite=False)]))
    assert columns["miou"][0] == 0.25 and columns["tp"][0] == 7.0
    assert np.isnan(columns["miou"][1]) and np.isnan(columns["tp"][1])


def test_counts_are_there_for_a_finite_prediction_alone() -> None:
    assert score_row("a", tp=1, fp=2, fn=3, tn=4).counts == Confusion(tp=1, fp=2, fn=3, tn=4)
    assert score_row("a").counts is None


@pytest.mark.parametrize(("content", "reason"), [(None, "no scores here"), (b"PAR1 not", "damaged")])
def test_absent_and_damaged_scores_are_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / SCORES).write_bytes(content)
    with pytest.raises(InputRefused, match=reason):
        read_scores(tmp_path)


def test_scores_of_an_older_label_are_known_by_the_version_they_were_made_of(tmp_path: Path) -> None:
    dataset = disc_dataset(tmp_path / "d", ["a", "b", "c"])
    assert outdated_ids(dataset) == frozenset()  # it has no scores
    scores = [score_row("a", label_version=0), score_row("b", label_version=1)]
    write_scores(dataset.folder, tables=[table_of_scores(scores)])
    assert outdated_ids(dataset) == {"b"}  # as mined by an earlier version, without a column
    versions = pa.array([1, 0, None], pa.int32())
    told = dataclasses.replace(dataset, rows=InMemory(dataset.table.append_column("scored_label_version", versions)))
    assert outdated_ids(told) == {"a"}
    assert outdated_ids(told, scores=dataset.folder) == {"b"}


def test_many_scores_are_read_in_blocks_and_the_bytes_do_not_tell_how_they_were_divided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_table, "BLOCK_ROWS", 3)
    table = table_of_scores([score_row(f"{number}", miou=number / 10) for number in range(8)])
    for name, sizes in (("one", [8]), ("other", [1, 0, 5, 2])):
        (tmp_path / name).mkdir()
        ends = np.cumsum(sizes)
        tables = [table.slice(end - size, size) for end, size in zip(ends, sizes, strict=True)]
        stored = write_scores(tmp_path / name, tables=tables)
        assert (len(stored), list(stored.starts)) == (8, [0, 3, 6, 8])
        assert stored.block(1, ["miou", "id"]).to_pydict() == {"miou": [0.3, 0.4, 0.5], "id": ["3", "4", "5"]}
        assert stored.whole().equals(table) and pq.read_table(tmp_path / name / SCORES).equals(table)
    assert (tmp_path / "one" / SCORES).read_bytes() == (tmp_path / "other" / SCORES).read_bytes()
    some = read_scores(tmp_path / "one", ids={"2", "7", "9"}, columns=["miou"])
    assert some.to_pydict() == {"id": ["2", "7"], "miou": [0.2, 0.7]}
    np.testing.assert_array_equal(scores_by_name(stored, ["is_finite", "miou"])["miou"], np.arange(8) / 10)


def test_no_scores_are_one_empty_block(tmp_path: Path) -> None:
    stored = write_scores(tmp_path, tables=[table_of_scores([])])
    assert (len(stored), stored.block(0).num_rows, stored.schema.names[0]) == (0, 0, "id")
    assert scores_by_name(stored, ["miou"])["miou"].tolist() == []
