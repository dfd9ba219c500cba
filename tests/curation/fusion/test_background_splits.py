"""Backgrounds and splits: no photograph is on two sides, and each split that needs backgrounds has some."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import InputRefused
from curation.fusion.background_splits import deal_backgrounds

SPLITS = st.sampled_from(["train", "val", "test", None])


def table(splits: Sequence[str | None], *, prefix: str, **columns: Any) -> pa.Table:
    ids = [f"{prefix}{number}" for number in range(len(splits))]
    rows = {"id": ids, "group": [f"g/{id_}" for id_ in ids], "sha256": ids, "split": splits} | columns
    return pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()})


def deal(fronts: pa.Table, backs: pa.Table) -> dict[str, list[int]]:
    return deal_backgrounds(fronts, backgrounds=backs, where="here")


@given(st.lists(SPLITS, min_size=1, max_size=30), st.integers(3, 40))
def test_each_background_serves_one_split_and_each_split_has_one(splits: list[str | None], number: int) -> None:
    dealt = deal(table(splits, prefix="f"), table([None] * number, prefix="b"))
    assert sorted(row for rows in dealt.values() for row in rows) == list(range(number))
    assert set(dealt) == {split or "train" for split in splits}
    assert all(dealt.values())


def test_the_shares_are_those_of_the_foregrounds() -> None:
    fronts = table(["train"] * 70 + ["val"] * 10 + ["test"] * 20, prefix="f")
    dealt = deal(fronts, table([None] * 200, prefix="b"))
    assert {split: len(rows) for split, rows in dealt.items()} == {"train": 140, "val": 20, "test": 40}


def test_a_background_with_a_split_serves_that_one_alone() -> None:
    dealt = deal(table(["train", "val"], prefix="f"), table(["val", "train", "test", "val"], prefix="b"))
    assert dealt == {"train": [1], "val": [0, 3]}


def test_without_any_split_all_is_train() -> None:
    assert deal(table([None, None], prefix="f"), table([None] * 3, prefix="b")) == {"train": [0, 1, 2]}


def test_the_order_of_the_rows_does_not_matter() -> None:
    fronts, backs = table(["train", "train", "val"], prefix="f"), table([None] * 20, prefix="b")
    turned = deal(fronts, backs.take(pa.array(range(19, -1, -1))))
    assert {split: sorted(19 - row for row in rows) for split, rows in turned.items()} == deal(fronts, backs)


def test_equal_groups_and_equal_images_stay_together() -> None:
    backs = table([None] * 4, prefix="b", group=["one", "one", "two", "three"], sha256=["a", "b", "c", "b"])
    dealt = deal(table(["train", "val"], prefix="f"), backs)
    side = {row: split for split, rows in dealt.items() for row in rows}
    assert side[0] == side[1] == side[3] != side[2]


def test_a_background_that_is_the_photograph_of_a_foreground_goes_with_it() -> None:
    backs = table([None] * 6, prefix="b", group=["g/f1", *(f"o{number}" for number in range(5))])
    dealt = deal(table(["train", "val"], prefix="f"), backs)
    assert 0 in dealt["val"]


def test_a_split_that_is_left_without_backgrounds_is_refused() -> None:
    with pytest.raises(InputRefused, match=r"the 1 foregrounds of the split val.*2 of the split train") as refused:
        deal(table(["train", "val"], prefix="f"), table(["train", "train"], prefix="b"))
    assert "--backgrounds" in refused.value.remedy


def test_fewer_backgrounds_than_splits_are_refused() -> None:
    with pytest.raises(InputRefused, match="no background is left for"):
        deal(table(["train", "val", "test"], prefix="f"), table([None] * 2, prefix="b"))


def test_a_group_on_two_sides_is_refused() -> None:
    backs = table(["val", None], prefix="b", group=["g/f0", "other"])
    with pytest.raises(InputRefused, match="more than one split"):
        deal(table(["train", "val"], prefix="f"), backs)


def test_foregrounds_get_shares_even_when_groups_are_large() -> None:
    backs = table([None] * 30, prefix="b", group=[f"g{number // 10}" for number in range(30)])
    dealt = deal(table(["train"] * 9 + ["val"], prefix="f"), backs)
    assert Counter({split: len(rows) for split, rows in dealt.items()}) == {"train": 20, "val": 10}
