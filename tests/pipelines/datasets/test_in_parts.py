"""The commands on a manifest in parts say and make what they do on the same rows in one file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curation.dataset import manifest_files
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.manifest_files import write_rows
from curation.errors import InputRefused
from curation.operations.merge import plan_merge
from pipelines.command_line.options import RunOptions
from pipelines.datasets.merge import MergeFlags, merge
from pipelines.datasets.split import SplitFlags, split
from pipelines.datasets.stats import StatsFlags, stats
from tests.drawn_pictures import Drawn, picture, png, write_pictures

HERE = RunOptions(workers=0, quiet=True)
NUMBER = 23


def drawn(folder: Path, *, first: str = "a") -> Dataset:
    """Draw a data set in one file, with groups, equal pictures, licences and some splits."""
    pictures = [
        Drawn(
            id=f"{first}{at:03d}",
            data=png(picture(5 if at == 20 else at)),
            group=None if at in (7, 8) else f"{first}g{at // 2}",
            split="val" if at in (1, 2) else None,
        )
        for at in range(NUMBER)
    ]
    return write_pictures(folder, *pictures)


def in_parts(dataset: Dataset, *, part_rows: int) -> Dataset:
    write_rows(dataset.folder, card=dataset.card, rows=[dataset.table], quarantine=[], part_rows=part_rows)
    assert (dataset.folder / "manifest").is_dir() and not (dataset.folder / "manifest.parquet").exists()
    return read_dataset(dataset.folder)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """The same samples in one file and in parts, in folders of one name."""
    for name in ("one", "parts"):
        (tmp_path / name).mkdir()
    return drawn(tmp_path / "one" / "d"), in_parts(drawn(tmp_path / "parts" / "d"), part_rows=4)


def test_stats_are_the_same_and_those_that_pandas_counts(pair: tuple[Dataset, Dataset]) -> None:
    one, parts = (stats(StatsFlags(datasets=(dataset.folder,)), run=HERE).data["datasets"][0] for dataset in pair)
    assert {**parts, "folder": ""} == {**one, "folder": ""}
    frame = pd.read_parquet(pair[1].folder / "manifest")
    assert parts["samples"] == len(frame) == NUMBER
    for name, column in (("by_source", "source"), ("by_split", "split"), ("by_license", "license")):
        assert parts[name] == frame[column].fillna("none").value_counts().to_dict()
    assert parts["width_px"]["median"] == int(frame["width"].median())
    areas = frame["person_area"].dropna()
    assert parts["person_area"]["unknown"] == int(frame["person_area"].isna().sum())
    if len(areas):
        assert parts["person_area"]["p50"] == pytest.approx(float(np.quantile(areas, 0.5)))
    assert parts["with_mask"] == int(frame["mask"].notna().sum())


@pytest.mark.parametrize("flags", [{}, {"from_train": True}])
@pytest.mark.parametrize("is_again", [False, True])
def test_a_split_is_the_same_and_stays_in_parts(
    flags: dict[str, Any], is_again: bool, pair: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    run = RunOptions(workers=0, quiet=True, seed=3, overwrite=is_again)
    for dataset, part_rows in zip(pair, (100, 6), strict=True):
        with monkeypatch.context() as patched:
            patched.setattr(manifest_files, "PART_ROWS", part_rows)
            told.append(split(SplitFlags(dataset=dataset.folder, val=0.3, test=0.2, **flags), run=run).data)
    one, parts = (read_dataset(dataset.folder) for dataset in pair)
    assert parts.table.equals(one.table) and parts.card.notes == one.card.notes
    assert {**told[0], "dataset": ""} == {**told[1], "dataset": ""}
    assert [part.rows for part in parts.card.parts or ()] == [6, 6, 6, 5]
    assert not list(parts.folder.glob(".*manifest*"))
    assert told[1]["counts"] == dict(Counter(pd.read_parquet(parts.folder / "manifest")["split"]))


@pytest.mark.parametrize("query", [None, "split != 'val' and id > 'a004'"])
@pytest.mark.parametrize("prefix", [False, True])
def test_merged_data_sets_are_the_same(
    query: str | None, prefix: bool, pair: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for dataset, part_rows in zip(pair, (100, 5), strict=True):
        home = dataset.folder.parent
        other = drawn(home / "other", first="b" if prefix else "a0")
        if part_rows == 5:
            in_parts(other, part_rows=7)
        with monkeypatch.context() as patched:
            patched.setattr(manifest_files, "PART_ROWS", part_rows)
            flags = MergeFlags(datasets=(dataset.folder, other.folder), out=home / "m", where=query, prefix=prefix)
            result = merge(flags, run=HERE)
        assert result.exit_code == 0
        made.append((result, read_dataset(home / "m")))
    (told, one), (told_parts, parts) = made
    assert parts.table.equals(one.table) and len(parts) > 10
    assert told_parts.data["counts"] == told.data["counts"]
    assert told_parts.data.get("without_split") == told.data.get("without_split")
    assert len(parts.card.parts or ()) == -(-len(parts) // 5)
    assert all((parts.folder / sample.row["image"]).exists() for sample in parts)


def test_a_plan_gives_its_items_one_by_one_as_in_one_go(pair: tuple[Dataset, Dataset]) -> None:
    one, parts = (plan_merge([dataset], limit=17) for dataset in pair)
    assert [item.payload["row"] for item in parts.items] == [item.payload["row"] for item in one.items]
    assert list(parts.items)[3:9] == parts.items[3:9] and list(parts.items)[-1] == parts.items[-1]
    assert [item.id for item in parts.items] == sorted(item.id for item in one.items)
    assert parts.filtered == one.filtered == {"limit": NUMBER - 17}
    with pytest.raises(IndexError):
        parts.items[17]


def test_names_taken_twice_are_told_as_of_one_file(pair: tuple[Dataset, Dataset]) -> None:
    told = []
    for dataset, part_rows in zip(pair, (0, 6), strict=True):
        other = drawn(dataset.folder.parent / "other", first="A")
        if part_rows:
            in_parts(other, part_rows=part_rows)
        with pytest.raises(InputRefused, match="names are taken twice: A000, A001") as caught:
            plan_merge([dataset, other])
        told.append(str(caught.value).replace(str(dataset.folder.parent), ""))
    assert told[0] == told[1]
