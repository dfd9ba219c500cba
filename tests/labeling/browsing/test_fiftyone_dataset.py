"""What is browsed: samples as columns, tags with a meaning, and views only where they can show something."""

from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset
from curation.dataset.rows import InMemory
from labeling.browsing.fiftyone_dataset import (
    Pictures,
    browsed,
    kept_tags,
    labels_of,
    plain_columns,
    review_of,
    tags_of,
    views_of,
)


def dataset(folder: Path, *ids: str, **columns: Any) -> Dataset:
    rows = [
        {
            "id": id_,
            "image": f"images/{id_}.jpg",
            "mask": f"masks/{id_}.png",
            "width": 4,
            "height": 3,
            "source": "drawn",
            "source_id": id_,
            "split": "train",
            "label_version": 0,
            "group": id_,
            "sha256": sha256(id_.encode()).hexdigest(),
        }
        for id_ in ids
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    for name, values in columns.items():
        if name in table.column_names:
            table = table.set_column(
                table.column_names.index(name), name, pa.array(values, table.schema.field(name).type)
            )
        else:
            table = table.append_column(name, pa.array(values))
    counts = Counts(considered=len(ids), selected=len(ids), filtered={}, quarantined={})
    card = Card(
        name="d", command="test", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    return Dataset(folder=folder, card=card, rows=InMemory(table))


def shown(*datasets: Dataset) -> Any:
    pictures = [
        Pictures(images=[one.folder / "x.jpg"] * len(one), predicted=[None] * len(one), labels={}) for one in datasets
    ]
    return browsed(datasets, pictures=pictures)


def test_samples_of_two_datasets_with_the_same_ids_stay_apart() -> None:
    found = shown(dataset(Path("/d/a"), "1", "2"), dataset(Path("/d/b"), "1"))
    assert found.uids == ["a/1", "a/2", "b/1"]
    assert found.fields["ground_truth"].values[2] == "/d/b/masks/1.png"


def test_folders_of_one_name_are_told_apart_by_their_paths() -> None:
    assert labels_of([Path("/d/a/train"), Path("/d/b/train")]) == ["/d/a/train", "/d/b/train"]


def test_a_score_that_is_not_finite_is_shown_as_none() -> None:
    found = shown(dataset(Path("/d/a"), "1", "2", "3", miou=[0.25, math.nan, math.inf]))
    assert found.fields["miou"].values == [0.25, None, None]


def test_a_column_that_only_one_dataset_has_is_empty_for_the_other() -> None:
    found = shown(dataset(Path("/d/a"), "1", miou=[0.5]), dataset(Path("/d/b"), "1"))
    assert found.fields["miou"].values == [0.5, None]


def test_a_field_without_any_value_is_not_there() -> None:
    assert "alpha" not in shown(dataset(Path("/d/a"), "1")).fields


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (pa.array([1]), pa.array([0.5]), "number"),
        (pa.array([1]), pa.array(["a"]), "text"),
        (pa.array([True]), pa.array([True]), "flag"),
    ],
)
def test_columns_that_differ_between_datasets_take_the_kind_that_holds_both(
    first: pa.Array, second: pa.Array, kind: str
) -> None:
    assert plain_columns([pa.table({"x": first}), pa.table({"x": second})]) == {"x": kind}


def test_names_that_fiftyone_keeps_and_hashes_are_not_columns() -> None:
    table = pa.table({"id": ["a"], "tags": ["x"], "mask_sha256": ["f"], "two words": [1], "_own": [1], "list": [[1]]})
    assert plain_columns([table]) == {}


def test_tags_tell_split_version_round_and_what_was_said_earlier() -> None:
    assert tags_of({"split": None, "label_version": 2, "review": "drop"}) == ["v2", "drop"]


def test_tags_that_a_person_set_stay_when_the_data_changes() -> None:
    now = ["train", "v0", "round 1", "relabel", "night"]
    kept = kept_tags(now, wanted=["test", "v0", "round 2", "drop"], was_relabelled=False)
    assert kept == ["test", "v0", "round 2", "relabel", "night"]


def test_a_new_label_answers_the_wish_for_one_but_not_the_wish_to_drop() -> None:
    assert kept_tags(["v0", "relabel", "drop"], wanted=["v1"], was_relabelled=True) == ["v1", "drop"]


def test_tags_of_no_meaning_are_no_review() -> None:
    assert review_of(["train", "night"]) is None


def names(*datasets: Dataset) -> list[str]:
    return [view.name for view in views_of(shown(*datasets))]


def test_a_plain_dataset_has_only_the_views_of_tags() -> None:
    assert names(dataset(Path("/d/a"), "1")) == ["to relabel", "to drop"]


def test_hard_cases_have_all_views_of_scores() -> None:
    scores = {"hard_rank": [1], "verdict": ["ok"], "boundary_iou": [0.1], "uncertainty_boundary": [0.2]}
    wanted = ["hard", "likely label errors", "worst boundaries", "most uncertain", "to relabel", "to drop"]
    assert names(dataset(Path("/d/a"), "1", **scores)) == wanted


def test_without_ranks_the_hard_cases_are_those_below_the_threshold() -> None:
    (hard, *_) = views_of(shown(dataset(Path("/d/a"), "1", miou=[0.1])))
    assert (hard.field, hard.below, hard.sort_by, hard.reverse) == ("miou", 0.8, "miou", False)


def test_samples_without_a_label_are_a_view() -> None:
    assert "pool" in names(dataset(Path("/d/a"), "1", "2", mask=[None, "masks/2.png"]))
    (pool, *_) = views_of(shown(dataset(Path("/d/a"), "1", mask=[None])))
    assert (pool.name, pool.field) == ("pool", ""), "no sample has a mask, so there is no such field to look at"


def test_sources_are_views_where_there_are_several() -> None:
    assert names(dataset(Path("/d/a"), "1", "2", source=["x", "y"]))[-2:] == ["source x", "source y"]


def test_scores_of_an_older_label_are_a_tag_that_is_ours() -> None:
    found = shown(dataset(Path("/d/a"), "1", "2", scored_label_version=[0, 0], label_version=[0, 1]))
    assert found.tags == [["train", "v0"], ["train", "v1", "scores outdated"]]
    assert kept_tags(["v0", "scores outdated", "mine"], wanted=["v1"], was_relabelled=False) == ["v1", "mine"]
