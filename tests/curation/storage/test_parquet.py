"""Tables as Parquet files: the columns of manifests and of scores, and the bytes that they are written as."""

from __future__ import annotations

import pyarrow as pa

from curation.dataset.dataset import SCHEMA
from curation.storage.parquet import parquet_bytes, table_in

TEXT, WHOLE, SHARE = pa.string(), pa.int32(), pa.float64()


def test_a_manifest_has_the_columns_that_its_format_says() -> None:
    columns = {
        **dict.fromkeys(("id", "image", "mask", "alpha", "trimap"), TEXT),
        **dict.fromkeys(("width", "height"), WHOLE),
        **dict.fromkeys(("source", "source_id", "split"), TEXT),
        "person_area": SHARE,
        "persons": WHOLE,
        "label_version": WHOLE,
        **dict.fromkeys(("group", "license", "sha256"), TEXT),
    }
    assert [(field.name, field.type) for field in SCHEMA] == list(columns.items())
    assert [field.name for field in SCHEMA if not field.nullable] == ["id"]


def test_a_table_comes_back_as_it_was_and_equal_tables_give_equal_bytes() -> None:
    table = pa.table({"id": ["a", "b"], "area": pa.array([0.5, None], pa.float64())})
    assert table_in(parquet_bytes(table)).equals(table)
    assert parquet_bytes(table) == parquet_bytes(pa.concat_tables([table]))
