"""Which samples `curate label push` would send when they are named."""

from __future__ import annotations

from pathlib import Path

import click
import pyarrow as pa
import pytest

from curation.dataset.dataset import read_dataset, write_dataset
from curation.errors import InputRefused
from pipelines.command_line.options import RunOptions
from pipelines.datasets.stats import StatsFlags, stats
from pipelines.labels.push import PushFlags, push
from tests.models.data.discs import disc_dataset

DRY = RunOptions(workers=0, quiet=True, dry_run=True)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return disc_dataset(tmp_path / "discs", ["a", "b", "c"]).folder


def test_named_samples_are_sent_in_the_order_of_the_file(dataset: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("c\na\n")
    assert push(PushFlags(dataset=dataset, ids=ids), run=DRY).data["ids"] == ["c", "a"]


def test_an_id_that_the_dataset_does_not_hold_is_refused(dataset: Path, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("c\nelsewhere\n")
    with pytest.raises(InputRefused, match=r"1 of 2 ids are not in .* 'elsewhere'"):
        push(PushFlags(dataset=dataset, ids=ids), run=DRY)
    with pytest.raises(InputRefused, match="cannot be read"):
        push(PushFlags(dataset=dataset, ids=tmp_path / "nowhere.txt"), run=DRY)


def test_scores_of_an_older_label_are_counted_by_stats_and_by_push(dataset: Path) -> None:
    made = read_dataset(dataset)
    for versions, number in (([0, 0, 0], 0), ([7, 0, None], 1)):
        columns = [name for name in made.table.column_names if name != "scored_label_version"]
        table = made.table.select(columns).append_column("scored_label_version", pa.array(versions, pa.int32()))
        write_dataset(dataset, card=made.card, table=table, quarantine=[])
        told = stats(StatsFlags(datasets=(dataset,)), run=RunOptions())
        assert told.data["datasets"][0]["scores_outdated"] == number
        assert ("OUTDATED" in told.summary) == bool(number)
        warnings = push(PushFlags(dataset=dataset), run=DRY).warnings
        assert [warning[:1] for warning in warnings] == ["1"] * number


def test_ids_and_a_selection_contradict_each_other(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--ids says which"):
        PushFlags(dataset=dataset, ids=tmp_path / "ids.txt", budget=3)


def test_samples_of_no_known_model_are_told_apart_otherwise_and_that_is_said_once(dataset: Path) -> None:
    for strategy in ("diverse", "mixed"):
        told = push(PushFlags(dataset=dataset, select=strategy), run=DRY)
        assert sorted(told.data["ids"]) == ["a", "b", "c"]
        assert len(told.warnings) == 1 and "which model that was is not known" in told.warnings[0]
    assert push(PushFlags(dataset=dataset), run=DRY).warnings == ()
