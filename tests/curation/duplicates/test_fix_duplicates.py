"""Copies brought to one side: no photograph on two sides afterwards, nothing lost; done again it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset, write_dataset
from curation.duplicates.find_duplicates import find_duplicates
from curation.duplicates.fingerprint_dataset import LookOptions, look_at, pictures_of
from curation.duplicates.fix_duplicates import apply_changes, change_counts, planned_changes
from curation.errors import EnvironmentProblem, InputRefused
from curation.operations.leaks import groups_across_splits
from curation.operations.split import SplitShares, split_dataset
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures


def fixed(*folders: Path) -> dict[str, Any]:
    datasets = [read_dataset(folder) for folder in folders]
    pictures = pictures_of(datasets)
    options = LookOptions(folder=folders[0] / "w", is_kept=False, runner=RunnerOptions(workers=0))
    found = find_duplicates(pictures, seen=look_at(pictures, datasets=datasets, options=options))
    changes = planned_changes(found, datasets=datasets)
    apply_changes(changes, datasets=datasets)
    return change_counts(changes)


def column(folder: Path, name: str) -> dict[str, str | None]:
    table = read_dataset(folder).table
    return dict(zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True))


def test_copies_go_to_the_side_that_is_held_out(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_pictures(
        one,
        Drawn(id="a", data=png(picture(0)), split="train"),
        Drawn(id="b", data=png(picture(1)), split="val"),
        Drawn(id="c", data=png(picture(2)), split="train"),
        Drawn(id="d", data=png(picture(3))),
    )
    write_pictures(
        other,
        Drawn(id="a2", data=jpeg(picture(0), quality=50), split="val"),
        Drawn(id="b2", data=png(picture(0)), split="test"),
        Drawn(id="c2", data=png(picture(1)), split="train"),
        Drawn(id="d2", data=png(picture(3)), split="train"),
    )
    counts = fixed(one, other)
    assert column(one, "split") == {"a": "test", "b": "val", "c": "train", "d": "train"}
    assert column(other, "split") == {"a2": "test", "b2": "test", "c2": "val", "d2": "train"}
    assert counts["moves"] == {"none to train": 1, "train to test": 1, "train to val": 1, "val to test": 1}
    groups, others = column(one, "group"), column(other, "group")
    assert groups["a"] == others["a2"] == others["b2"] != groups["b"]
    assert groups["c"] == "c"
    assert fixed(one, other) == {"regrouped": 0, "moved": 0, "moves": {}}
    assert read_dataset(one).card.notes["duplicates"]["moved"] == 2


def test_what_shares_a_group_with_a_copy_comes_along(tmp_path: Path) -> None:
    write_pictures(
        tmp_path / "d",
        Drawn(id="a", data=png(picture(0)), split="train", group="pair"),
        Drawn(id="b", data=png(picture(1)), split="train", group="pair"),
        Drawn(id="c", data=jpeg(picture(0), quality=50), split="test"),
    )
    fixed(tmp_path / "d")
    assert set(column(tmp_path / "d", "split").values()) == {"test"}
    assert len(set(column(tmp_path / "d", "group").values())) == 1
    assert groups_across_splits(read_dataset(tmp_path / "d").table) == {}


def test_a_group_means_the_same_in_every_dataset(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    drawn = [Drawn(id="a", data=png(picture(0)), split="test"), Drawn(id="b", data=png(picture(0)), group="coco/1")]
    write_pictures(one, *drawn)
    write_pictures(other, Drawn(id="c", data=png(picture(1)), split="train", group="coco/1"))
    fixed(one, other)
    assert column(other, "split") == {"c": "test"}
    assert column(other, "group")["c"] == column(one, "group")["a"]


def test_a_later_split_keeps_copies_together(tmp_path: Path) -> None:
    drawn = [Drawn(id=f"a{number}", data=png(picture(number))) for number in range(12)]
    copies = [Drawn(id=f"b{number}", data=jpeg(picture(number), quality=60)) for number in range(12)]
    write_pictures(tmp_path / "d", *drawn, *copies)
    assert fixed(tmp_path / "d") == {"regrouped": 24, "moved": 0, "moves": {}}
    split_dataset(tmp_path / "d", shares=SplitShares(val=0.3, test=0.3), seed=0)
    splits = column(tmp_path / "d", "split")
    assert all(splits[f"a{number}"] == splits[f"b{number}"] for number in range(12))
    assert set(splits.values()) == {"train", "val", "test"}


def test_a_new_copy_joins_the_group_that_was_made_before(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    drawn = [Drawn(id="a", data=png(picture(0))), Drawn(id="b", data=png(picture(0), level=9))]
    write_pictures(one, *drawn)
    fixed(one)
    before = column(one, "group")
    write_pictures(other, *(Drawn(id=f"c{q}", data=jpeg(picture(0), quality=q)) for q in (60, 70, 80)))
    fixed(one, other)
    assert column(one, "group") == before
    assert set(column(other, "group").values()) == set(before.values())


def test_the_note_of_a_split_counts_anew(tmp_path: Path) -> None:
    note = {"split": {"seed": 1, "val": 0.5, "test": 0.0, "counts": {"train": 1, "val": 1, "test": 0}}}
    drawn = [Drawn(id="a", data=png(picture(0)), split="train"), Drawn(id="b", data=png(picture(0)), split="val")]
    write_pictures(tmp_path / "d", *drawn, notes=note)
    fixed(tmp_path / "d")
    told = read_dataset(tmp_path / "d").card.notes["split"]
    assert told == {"seed": 1, "val": 0.5, "test": 0.0, "counts": {"train": 0, "val": 2, "test": 0}}


def test_a_split_of_another_name_is_refused(tmp_path: Path) -> None:
    drawn = [Drawn(id="a", data=png(picture(0)), split="holdout"), Drawn(id="b", data=png(picture(0)))]
    write_pictures(tmp_path / "d", *drawn)
    with pytest.raises(InputRefused, match="'holdout'; it may hold test, val, train"):
        fixed(tmp_path / "d")


def test_a_dataset_that_was_changed_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    drawn = [Drawn(id="a", data=png(picture(0)), split="train"), Drawn(id="b", data=png(picture(0)), split="test")]
    old = write_pictures(tmp_path / "d", *drawn)
    changed(old)
    pictures = pictures_of([old])
    options = LookOptions(folder=tmp_path / "w", is_kept=False, runner=RunnerOptions(workers=0))
    found = find_duplicates(pictures, seen=look_at(pictures, datasets=[old], options=options))
    with pytest.raises(EnvironmentProblem, match="was changed"):
        apply_changes(planned_changes(found, datasets=[old]), datasets=[old])
    assert column(tmp_path / "d", "split") == {"a": "train", "b": "val"}


def changed(dataset: Dataset) -> None:
    rows = dataset.table.to_pylist()
    table = dataset.table.from_pylist([rows[0], rows[1] | {"split": "val"}], schema=dataset.table.schema)
    write_dataset(dataset.folder, card=msgspec.structs.replace(dataset.card), table=table, quarantine=[])
