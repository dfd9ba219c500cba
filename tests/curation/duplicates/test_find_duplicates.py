"""Copies among pictures: all that are equal are found, what cannot be read is no copy, leaks come first."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.duplicates import find_duplicates as duplicates
from curation.duplicates.find_duplicates import Duplicates, find_duplicates, pairs_file
from curation.duplicates.fingerprint_dataset import LookOptions, look_at, pictures_of
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures


def found_in(*datasets: Dataset) -> Duplicates:
    pictures = pictures_of(datasets)
    options = LookOptions(folder=datasets[0].folder / "w", is_kept=False, runner=RunnerOptions(workers=0))
    return find_duplicates(pictures, seen=look_at(pictures, datasets=datasets, options=options))


def pairs_of(found: Duplicates) -> list[tuple[str, str, str]]:
    return [(pair.kind, found.pictures[pair.first].id, found.pictures[pair.second].id) for pair in found.pairs]


def test_each_kind_of_copy_is_found(tmp_path: Path) -> None:
    dataset = write_pictures(
        tmp_path / "d",
        *(Drawn(id=f"other{number}", data=png(picture(number))) for number in range(1, 20)),
        Drawn(id="a", data=png(picture(0))),
        Drawn(id="b", data=png(picture(0))),
        Drawn(id="c", data=png(picture(0), level=9)),
        Drawn(id="d", data=jpeg(picture(0), quality=50)),
        Drawn(id="e", data=png(picture(0)[:, ::-1])),
    )
    found = found_in(dataset)
    assert pairs_of(found)[:3] == [("file", "a", "b"), ("pixels", "a", "c"), ("near", "a", "d")]
    assert set(pairs_of(found)[3:]) == {("mirrored", "a", "e"), ("mirrored", "d", "e")}
    clusters = [[found.pictures[number].id for number in cluster] for cluster in found.clusters]
    assert clusters == [["a", "b", "c", "d", "e"]]
    counts = found.counts()
    assert (counts["exact"], counts["near"], counts["copies"], counts["leaks"]) == (2, 3, 4, 0)
    assert counts["near_mirrored"] == 2


def test_pictures_that_cannot_be_read_are_no_copies_of_each_other(tmp_path: Path) -> None:
    broken = [Drawn(id=name, data=b"no picture") for name in ("a", "b")]
    assert found_in(write_pictures(tmp_path / "d", *broken)).pairs == []


def test_a_black_picture_is_a_copy_of_an_equal_one_alone(tmp_path: Path) -> None:
    black, dark = np.zeros((96, 96, 3), np.uint8), np.full((96, 96, 3), 1, np.uint8)
    drawn = [Drawn(id="a", data=png(black)), Drawn(id="b", data=png(black, level=9)), Drawn(id="c", data=png(dark))]
    assert pairs_of(found_in(write_pictures(tmp_path / "d", *drawn))) == [("pixels", "a", "b")]


def test_leaks_come_first_then_datasets_then_exact_copies(tmp_path: Path) -> None:
    one = write_pictures(
        tmp_path / "one",
        Drawn(id="exact1", data=png(picture(1)), split="train"),
        Drawn(id="exact2", data=png(picture(1)), split="train"),
        Drawn(id="leak1", data=jpeg(picture(2), quality=60), split="train"),
        Drawn(id="leak2", data=png(picture(2)), split="test"),
        Drawn(id="across1", data=png(picture(3)), split="train"),
        Drawn(id="open1", data=png(picture(4))),
    )
    other = write_pictures(
        tmp_path / "other",
        Drawn(id="across2", data=jpeg(picture(3), quality=60), split="train"),
        Drawn(id="open2", data=png(picture(4)), split="test"),
    )
    found = found_in(one, other)
    assert pairs_of(found) == [
        ("near", "leak2", "leak1"),
        ("file", "open2", "open1"),
        ("near", "across1", "across2"),
        ("file", "exact1", "exact2"),
    ]
    assert [pair.is_leak for pair in found.pairs] == [True, False, False, False]
    counts = found.counts()
    assert (counts["leaks"], counts["clusters_across_splits"], counts["across_datasets"]) == (1, 1, 2)


def test_a_leak_through_a_picture_without_a_split_counts(tmp_path: Path) -> None:
    drawn = [
        Drawn(id="a", data=png(picture(0)), split="test"),
        Drawn(id="b", data=png(picture(0), level=9)),
        Drawn(id="c", data=jpeg(picture(0), quality=60), split="train"),
    ]
    assert found_in(write_pictures(tmp_path / "d", *drawn)).counts()["clusters_across_splits"] == 1


def test_of_very_many_alike_pictures_some_pairs_are_listed_and_all_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "PAIRS_EACH", 2)
    drawn = [Drawn(id=f"{q}", data=jpeg(picture(0), quality=q)) for q in range(80, 92)]
    found = found_in(write_pictures(tmp_path / "d", *drawn))
    assert found.counts()["near"] == 12 * 11 // 2
    assert len(found.pairs) < 12 * 11 // 2
    assert [len(cluster) for cluster in found.clusters] == [12]


def test_the_table_tells_each_pair(tmp_path: Path) -> None:
    drawn = [Drawn(id="a", data=png(picture(0)), split="val"), Drawn(id="b", data=png(picture(0)), split="test")]
    found = found_in(write_pictures(tmp_path / "d", *drawn))
    (row,) = pq.read_table(io.BytesIO(pairs_file(found, names=["set"]))).to_pylist()
    assert (row["kind"], row["is_leak"], row["distance"], row["cluster"]) == ("file", True, 0.0, 0)
    assert (row["first_id"], row["first_split"], row["second_id"], row["second_dataset"]) == ("b", "test", "a", "set")
