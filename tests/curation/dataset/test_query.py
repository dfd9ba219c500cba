"""Queries answered part by part: what pandas answers of all rows at once, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.query import rows_where, select_rows
from curation.errors import InputRefused
from tests.curation.dataset.test_parts import in_one_file, in_parts, rows_of

OF_ONE_ROW = (
    *("person_area > 0.2 and split == 'val'", "width * 2 > height + 140", "not (width in [101, 103, 110])"),
    *(
        "mask.isna()",
        "mask.notna() & (person_area < 0.5)",
        "`hard score` > 0.5",
        "-person_area > -0.3",
        "id >= 'é000004'",
    ),
    *("mask.str.endswith('3.png') == True", "group.isin(['g1', 'g7'])", "split == ['val', 'train']", "persons == 1"),
    *("100 < width <= 105", "source_id.str.len() > 1", "sqrt(person_area) > 0.5", "person_area.between(0.1, 0.6)"),
)
OF_ALL_ROWS = (
    *("person_area > person_area.mean()", "width == width.max()", "group.duplicated()", "person_area.rank() < 4"),
    *(
        "index < 3",
        "width > width.shift(1)",
        "id in source_id",
        "id.isin(source_id)",
        "mask.fillna(method='ffill') == 'x'",
    ),
    *("width.cumsum() > 300", "width > width.count()", "`hard score` in person_area", "~group.duplicated(keep='last')"),
)
FAULTS = (
    "split = 'val'",
    "1 == 1",
    "nonsense > 2",
    "person_area +",
    "width",
    "group > 3",
    "mask.str.endswith('3.png')",
)


@pytest.fixture
def datasets(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """Write the same rows in one file and in parts; a part holds rows of no split, and no persons."""
    table = rows_of(23)
    splits = [None if at < 9 else ("val", "train")[at % 2] for at in range(23)]
    table = table.sort_by("id").set_column(table.schema.get_field_index("split"), "split", pa.array(splits))
    persons = pa.array([None if at < 9 else at % 3 for at in range(23)], pa.int32())
    table = table.set_column(table.schema.get_field_index("persons"), "persons", persons)
    table = table.append_column("hard score", pa.array(np.linspace(0, 1, 23)))
    in_one_file(tmp_path / "one", table)
    in_parts(tmp_path / "parts", table, part_rows=4)
    return read_dataset(tmp_path / "one"), read_dataset(tmp_path / "parts")


@pytest.mark.parametrize("query", OF_ONE_ROW)
def test_a_query_on_each_row_finds_the_same_in_parts(query: str, datasets: tuple[Dataset, Dataset]) -> None:
    one, parts = datasets
    frame: pd.DataFrame = one.frame
    expected = frame[frame.eval(query).fillna(False).astype(bool)]["id"].tolist()
    assert 0 < len(expected) < 23
    assert select_rows(one, query)["id"].to_pylist() == expected
    assert select_rows(parts, query).equals(select_rows(one, query))
    assert rows_where(parts, query).tolist() == rows_where(one, query).tolist()


@pytest.mark.parametrize("query", OF_ALL_ROWS)
def test_a_query_that_compares_rows_with_each_other_is_refused_in_parts(
    query: str, datasets: tuple[Dataset, Dataset]
) -> None:
    with pytest.raises(InputRefused, match="part by part"):
        select_rows(datasets[1], query)


@pytest.mark.parametrize("query", ["person_area > person_area.mean()", "width == width.max()", "index < 3"])
def test_in_one_file_it_is_answered_of_all_rows(query: str, datasets: tuple[Dataset, Dataset]) -> None:
    frame = datasets[0].frame
    expected = frame[frame.eval(query)]["id"].tolist()
    assert 0 < len(expected) < 23
    assert select_rows(datasets[0], query)["id"].to_pylist() == expected


@pytest.mark.parametrize("query", FAULTS)
def test_what_does_not_work_in_one_file_does_not_in_parts(query: str, datasets: tuple[Dataset, Dataset]) -> None:
    for dataset in datasets:
        with pytest.raises(InputRefused) as caught:
            select_rows(dataset, query)
        assert "hard score" in str(caught.value.remedy)
