from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import InputRefused
from models.data.choose_samples import Chosen, SampleChoice, choose_samples
from tests.models.data.discs import disc_dataset

MASKS = SampleChoice()


def ids(samples: Chosen) -> tuple[set[str], set[str]]:
    return {sample.key for sample in samples.training}, {sample.key for sample in samples.validation}


def test_the_split_decides_who_trains_and_who_judges(tmp_path: Path) -> None:
    splits = {"a": "train", "b": None, "c": "val", "d": "test"}
    data = disc_dataset(tmp_path / "d", list(splits), rows={id_: {"split": split} for id_, split in splits.items()})
    chosen = choose_samples([data], validation=[], choice=MASKS)
    assert ids(chosen) == ({"d/a", "d/b"}, {"d/c"})
    assert chosen.left_out == {"other_split": 2}
    assert ids(choose_samples([data], validation=[data], choice=MASKS)) == ids(chosen)


def test_a_dataset_without_splits_judges_as_a_whole(tmp_path: Path) -> None:
    data, judge = disc_dataset(tmp_path / "data", ["a", "b"]), disc_dataset(tmp_path / "judge", ["a", "b"])
    chosen = choose_samples([data], validation=[judge], choice=MASKS)
    assert ids(chosen) == ({"data/a", "data/b"}, {"judge/a", "judge/b"})
    assert chosen.left_out == {}


def test_rows_that_belong_to_held_out_ones_do_not_train(tmp_path: Path) -> None:
    """One shares the group of a judge, one its image, one is bound to it by the one before; one is in a test split."""
    judge = disc_dataset(tmp_path / "judge", ["v", "t"], rows={"v": {"split": "val"}, "t": {"split": "test"}})
    digest = {row["id"]: row["sha256"] for row in judge.table.to_pylist()}
    rows = {
        "a": {"group": "judge/v"},
        "b": {"sha256": digest["v"], "group": "bound"},
        "c": {"group": "bound"},
        "d": {"sha256": digest["t"]},
    }
    data = disc_dataset(tmp_path / "data", ["a", "b", "c", "d", "e"], rows=rows)
    chosen = choose_samples([data], validation=[judge], choice=MASKS)
    assert ids(chosen) == ({"data/e"}, {"judge/v"})
    assert chosen.left_out == {"in_validation": 4}


def test_a_query_and_a_limit_choose_among_those_that_train(tmp_path: Path) -> None:
    large = {"person_area": 0.9}
    data = disc_dataset(tmp_path / "data", ["a", "b", "c"], rows={"b": large, "c": large})
    judge = disc_dataset(tmp_path / "judge", ["a"])
    chosen = choose_samples([data], validation=[judge], choice=SampleChoice(query="person_area > 0.5", limit=1))
    assert ids(chosen) == ({"data/b"}, {"judge/a"})
    assert chosen.left_out == {"limit": 1, "query": 1}


def test_a_row_trains_as_often_as_it_says_and_judges_once(tmp_path: Path) -> None:
    """Each time under a key of its own, so that each is varied in its own way."""
    rows = {"a": {"repeats": 3}, "b": {"repeats": None}, "c": {"repeats": 2, "split": "val"}}
    data = disc_dataset(tmp_path / "d", list(rows), rows=rows)
    chosen = choose_samples([data], validation=[], choice=MASKS)
    assert [sample.key for sample in chosen.training] == ["d/a", "d/a 2", "d/a 3", "d/b"]
    assert [sample.key for sample in chosen.validation] == ["d/c"]


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    data = disc_dataset(tmp_path / "data", ["a", "b"], rows={"a": {"mask": None}})
    judge = disc_dataset(tmp_path / "judge", ["a"])
    chosen = choose_samples([data], validation=[judge], choice=MASKS)
    assert ids(chosen) == ({"data/b"}, {"judge/a"})
    assert chosen.left_out == {"without_mask": 1}


def test_rows_whose_mask_lacks_a_person_are_left_out_unless_pixels_are_ignored_for_her(tmp_path: Path) -> None:
    rows = {
        "a": {"broken_parts": 1, "ignore": None},
        "b": {"broken_parts": 1, "ignore": "ignores/b.png"},
        "c": {"broken_parts": 0, "ignore": None},
        "d": {"broken_parts": 1, "ignore": None, "label_version": 1},
    }
    data = disc_dataset(tmp_path / "data", list(rows), rows=rows)
    chosen = choose_samples([data], validation=[disc_dataset(tmp_path / "judge", ["x"])], choice=MASKS)
    assert ids(chosen)[0] == {"data/b", "data/c", "data/d"}
    assert chosen.left_out == {"broken_parts": 1}


@pytest.mark.parametrize(("classes", "column"), [(1, "mask"), (3, "trimap")])
def test_a_dataset_without_labels_is_refused(tmp_path: Path, classes: int, column: str) -> None:
    data = disc_dataset(tmp_path / "data", ["a"], rows={"a": {column: None}})
    judge = disc_dataset(tmp_path / "judge", ["a"])
    with pytest.raises(InputRefused, match=f"data: no {column}s") as caught:
        choose_samples([judge, data], validation=[judge], choice=SampleChoice(classes=classes))
    assert "curate" in caught.value.remedy


def test_three_classes_learn_from_trimaps(tmp_path: Path) -> None:
    data, judge = disc_dataset(tmp_path / "data", ["a"]), disc_dataset(tmp_path / "judge", ["b"])
    chosen = choose_samples([data], validation=[judge], choice=SampleChoice(classes=3))
    assert [sample.label for sample in chosen.training] == ["trimaps/a.png"]


def test_nothing_to_judge_by_is_refused(tmp_path: Path) -> None:
    data = disc_dataset(tmp_path / "data", ["a"])
    with pytest.raises(InputRefused, match="nothing to validate on") as caught:
        choose_samples([data], validation=[], choice=MASKS)
    assert "--val" in caught.value.remedy


def test_nothing_to_train_on_is_refused_with_the_reasons(tmp_path: Path) -> None:
    data = disc_dataset(tmp_path / "data", ["a", "b"])
    with pytest.raises(InputRefused, match="no sample is left to train on: in_validation 2"):
        choose_samples([data], validation=[data], choice=MASKS)
    empty = disc_dataset(tmp_path / "empty", [])
    with pytest.raises(InputRefused, match="the datasets are empty"):
        choose_samples([empty], validation=[data], choice=MASKS)
