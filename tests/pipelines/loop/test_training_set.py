"""What goes into the training set of a round, by hand-made rows: one for each reason to be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.dataset.dataset import Dataset, read_dataset
from curation.errors import InputRefused
from pipelines.command_line.options import RunOptions
from pipelines.loop.training_set import TrainingParts, plan_training_set
from pipelines.sources.make_dataset import make_dataset
from tests.models.data.discs import disc_dataset

HERE = RunOptions(workers=0, quiet=True)
FIXED = {"label_status": "fixed"}


def made(tmp_path: Path, parts: TrainingParts, **hard: Any) -> list[dict[str, Any]]:
    plan = plan_training_set(parts, hard=hard.get("hard", {}), weight=hard.get("weight", 2))
    make_dataset(plan, out=tmp_path / "out", run=HERE)
    rows: list[dict[str, Any]] = read_dataset(tmp_path / "out").table.to_pylist()
    return rows


def parts_of(*train: Dataset, pool: tuple[Dataset, ...] = (), test: tuple[pa.Table, ...] = ()) -> TrainingParts:
    return TrainingParts(train=train, pool=pool, test=test)


def test_what_people_set_aside_and_what_tests_does_not_train(tmp_path: Path) -> None:
    test = disc_dataset(tmp_path / "test", ["t"])
    digest = test.table["sha256"][0].as_py()
    rows: dict[str, dict[str, Any]] = {
        "kept": {"review": "relabel"},
        "judges": {"split": "val"},
        "tests": {"split": "test"},
        "dropped": {"review": "drop"},
        "ambiguous": {"label_status": "ambiguous"},
        "unusable": {"label_status": "unusable"},
        "unlabelled": {"mask": None},
        "tested elsewhere": {"sha256": digest},
        "of a tested group": {"group": "test/t"},
    }
    train = disc_dataset(tmp_path / "train", list(rows), rows=rows)
    plan = plan_training_set(parts_of(train, test=(test.table,)), hard={}, weight=2)
    assert sorted(item.id for item in plan.items) == ["judges", "kept"]
    assert plan.filtered == {"test": 1, "dropped": 1, "set_aside": 2, "no_mask": 1, "in_test": 2}


def test_of_a_pool_only_what_a_person_labelled_trains_and_ids_are_told_apart(tmp_path: Path) -> None:
    rows: dict[str, dict[str, Any]] = {"a": FIXED, "b": {"label_status": None}, "c": {"label_status": "right"}}
    train, pool = disc_dataset(tmp_path / "train", ["a"]), disc_dataset(tmp_path / "pool", list(rows), rows=rows)
    found = made(tmp_path, parts_of(train, pool=(pool,)))
    assert [row["id"] for row in found] == ["pool-a", "pool-c", "train-a"]


def test_hard_cases_train_more_often_unless_their_label_looks_wrong(tmp_path: Path) -> None:
    """Once a person looked at a wrong label it counts as the others; what judges is never repeated."""
    rows: dict[str, dict[str, Any]] = {"a": {"label_status": None}, "b": {}, "c": FIXED, "d": {}, "e": {"split": "val"}}
    train = disc_dataset(tmp_path / "train", list(rows), rows=rows)
    hard = {("train", "a"): "model_error", ("train", "b"): "label_error", ("train", "c"): "label_error"}
    hard |= {("train", "e"): "model_error", ("other", "d"): "model_error"}
    found = made(tmp_path, parts_of(train), hard=hard, weight=3)
    assert {row["id"]: row["repeats"] for row in found} == {"a": 3, "b": 1, "c": 3, "d": 1, "e": 1}


def test_a_dataset_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    train = disc_dataset(tmp_path / "train", ["a"])
    with pytest.raises(InputRefused, match="named twice"):
        plan_training_set(parts_of(train, train), hard={}, weight=2)
