"""Splitting: shares, groups, equal images, seeds, and what is refused."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, read_dataset, write_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.operations.leak_groups import leak_groups
from curation.operations.leaks import groups_across_splits
from curation.operations.split import SplitShares, assign_splits, split_dataset


def rows(*entries: tuple[str, str, str | None, str]) -> pa.Table:
    """Return a manifest of (id, group, split, sha256)."""
    return pa.Table.from_pylist(
        [{"id": i, "group": g, "split": s, "sha256": h, "image": f"images/{i}.jpg"} for i, g, s, h in entries],
        schema=SCHEMA,
    )


def singles(n: int) -> pa.Table:
    return rows(*((f"s{i:04}", f"g{i:04}", None, f"{i:064x}") for i in range(n)))


def splits_by_id(table: pa.Table) -> dict[str, str | None]:
    return dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))


def test_groups_of_one_reach_their_shares_exactly() -> None:
    table = assign_splits(singles(100), shares=SplitShares(val=0.1, test=0.2), seed=0)
    assert Counter(table["split"].to_pylist()) == {"train": 70, "val": 10, "test": 20}


def test_a_split_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    table = singles(60)
    reversed_rows = table.take(list(range(59, -1, -1)))
    first = splits_by_id(assign_splits(table, shares=SplitShares(), seed=1))
    assert first == splits_by_id(assign_splits(reversed_rows, shares=SplitShares(), seed=1))
    assert first != splits_by_id(assign_splits(table, shares=SplitShares(), seed=2))


@settings(deadline=None)  # the first time, scipy is imported
@given(
    members=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40),
    seed=st.integers(0, 5),
)
def test_no_group_and_no_image_is_ever_on_two_sides(members: list[tuple[int, int]], seed: int) -> None:
    table = rows(*((f"s{i}", f"g{group}", None, f"h{image}") for i, (group, image) in enumerate(members)))
    result = assign_splits(table, shares=SplitShares(val=0.3, test=0.3), seed=seed)
    for column in ("group", "sha256"):
        sides = defaultdict(set)
        for name, split in zip(result[column].to_pylist(), result["split"].to_pylist(), strict=True):
            sides[name].add(split)
        assert all(len(found) == 1 for found in sides.values())
    assert groups_across_splits(result) == {}


def test_groups_are_joined_through_a_chain_of_equal_images() -> None:
    table = rows(("1", "c", None, "x"), ("2", "b", None, "x"), ("3", "b", None, "y"), ("4", "a", None, "y"))
    assert leak_groups(table) == ["a", "a", "a", "a"]


def test_samples_that_have_a_split_keep_it_and_new_ones_join_their_group() -> None:
    table = rows(("1", "a", "test", "x"), ("2", "a", None, "y"), ("3", "b", None, "z"))
    result = splits_by_id(assign_splits(table, shares=SplitShares(), seed=0))
    assert result == {"1": "test", "2": "test", "3": "train"}


def test_a_frozen_test_set_stays_frozen_when_the_dataset_grows() -> None:
    first = assign_splits(singles(40), shares=SplitShares(), seed=3)
    grown = pa.concat_tables([first, rows(*((f"t{i}", f"n{i}", None, f"new{i}") for i in range(40)))])
    second = splits_by_id(assign_splits(grown, shares=SplitShares(), seed=9))
    assert {id_: second[id_] for id_ in splits_by_id(first)} == splits_by_id(first)
    assert Counter(second.values()) == {"train": 64, "val": 8, "test": 8}


def test_a_share_of_zero_stays_empty_even_when_one_group_is_everything() -> None:
    table = rows(*((f"{i}", "one", None, f"{i}") for i in range(9)), ("x", "two", None, "x"))
    result = assign_splits(table, shares=SplitShares(val=0, test=0), seed=0)
    assert set(result["split"].to_pylist()) == {"train"}


def test_a_group_on_two_sides_is_refused_by_name_and_mended_when_all_is_split_anew() -> None:
    table = rows(("1", "ann", "train", "x"), ("2", "ann", "test", "y"))
    with pytest.raises(InputRefused, match="'ann' in test and train"):
        assign_splits(table, shares=SplitShares(), seed=0)
    assert groups_across_splits(assign_splits(table, shares=SplitShares(), seed=0, keep=False)) == {}


def test_equal_images_on_two_sides_are_refused() -> None:
    with pytest.raises(InputRefused, match="equal images"):
        assign_splits(rows(("1", "a", "train", "x"), ("2", "b", "val", "x")), shares=SplitShares(), seed=0)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(InputRefused, match="'dev'"):
        assign_splits(rows(("1", "a", "dev", "x")), shares=SplitShares(), seed=0)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (1.0, 0.0), (0.7, 0.6)])
def test_shares_that_leave_nothing_to_train_on_are_refused(val: float, test: float) -> None:
    with pytest.raises(ConfigurationProblem, match="leave nothing to train on"):
        SplitShares(val=val, test=test)


@pytest.mark.parametrize("share", [-0.1, 10, float("nan")])
def test_what_is_no_share_is_refused_by_its_name(share: float) -> None:
    with pytest.raises(ConfigurationProblem, match=f"--val {share:g} is no share"):
        SplitShares(val=share)
    with pytest.raises(ConfigurationProblem, match=f"--test {share:g} is no share"):
        SplitShares(test=share)


def test_splitting_in_place_notes_what_was_done_and_is_the_same_the_second_time(tmp_path: Path) -> None:
    counts = Counts(considered=20, selected=20, filtered={}, quarantined={})
    card = Card(
        name="d", command="pairs", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(tmp_path, card=card, table=singles(20), quarantine=[])
    split_dataset(tmp_path, shares=SplitShares(), seed=7)
    manifest = (tmp_path / "manifest.parquet").read_bytes()
    dataset = read_dataset(tmp_path)
    assert dataset.card.notes["split"] == {
        "seed": 7,
        "val": 0.1,
        "test": 0.1,
        "counts": {"train": 16, "val": 2, "test": 2},
    }
    card = split_dataset(tmp_path, shares=SplitShares(val=0.5), seed=8)
    assert card.notes == dataset.card.notes, "the note tells how the splits that are kept were made"
    assert read_dataset(tmp_path).card == dataset.card
    assert (tmp_path / "manifest.parquet").read_bytes() == manifest
    assert not (tmp_path / ".curate").exists()


@pytest.mark.parametrize("seed", [0, 1])
def test_a_validation_split_is_taken_from_train_by_group_beside_a_test_set_that_stays(seed: int) -> None:
    entries = [(f"{i:03}", f"g{i // 4:02}", "test" if i < 40 else "train", f"{i}") for i in range(200)]
    table, shares = rows(*entries), SplitShares(val=0.1, test=0.1)
    assert assign_splits(table, shares=shares, seed=seed).equals(table)
    taken = assign_splits(table, shares=shares, seed=seed, from_train=True)
    assert Counter(taken["split"].to_pylist()) == {"test": 40, "train": 140, "val": 20}
    assert groups_across_splits(taken) == {}
    found = splits_by_id(taken)
    assert all(found[id_] == "test" for id_, _, split, _ in entries if split == "test")
    assert splits_by_id(assign_splits(rows(*entries[::-1]), shares=shares, seed=seed, from_train=True)) == found
    assert splits_by_id(assign_splits(table, shares=shares, seed=seed + 2, from_train=True)) != found
    assert assign_splits(taken, shares=shares, seed=9, from_train=True).equals(taken), "val has its share"


def test_what_is_taken_from_train_leaves_some_of_it() -> None:
    table = rows(*((f"{i}", f"g{i}", "test" if i < 6 else "train", f"{i}") for i in range(10)))
    taken = assign_splits(table, shares=SplitShares(val=0.8, test=0.1), seed=0, from_train=True)
    assert Counter(taken["split"].to_pylist()) == {"test": 6, "train": 1, "val": 3}
