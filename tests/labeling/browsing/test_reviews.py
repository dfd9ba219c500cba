"""Reviews that are read back: written once, taken away with their tags, and kept for what nobody was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.dataset.dataset import read_dataset, write_dataset
from curation.dataset.manifest_files import MANIFEST
from curation.dataset.query import select_rows
from curation.errors import InputRefused
from labeling.browsing.reviews import write_reviews
from tests.labeling.browsing.test_fiftyone_dataset import dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drawn = dataset(tmp_path / "d", "1", "2", "3")
    drawn.folder.mkdir()
    write_dataset(drawn.folder, card=drawn.card, table=drawn.table, quarantine=[])
    return drawn.folder


def reviews(folder: Path) -> list[str | None]:
    found: list[str | None] = read_dataset(folder).table["review"].to_pylist()
    return found


def test_tags_become_a_column(folder: Path) -> None:
    done = write_reviews(folder, tags=[{"1": ["relabel", "v0"], "2": ["v0"], "3": ["drop"]}])
    assert reviews(folder) == ["relabel", None, "drop"]
    assert (done.counts, done.changed, done.unseen) == ({"drop": 1, "relabel": 1}, 2, 0)


def test_the_same_tags_again_write_nothing(folder: Path) -> None:
    tags = [{"1": ["relabel"], "2": [], "3": []}]
    write_reviews(folder, tags=tags)
    before = (folder / MANIFEST).stat()
    assert write_reviews(folder, tags=tags).changed == 0
    assert (folder / MANIFEST).stat().st_ino == before.st_ino


def test_a_tag_that_was_taken_away_takes_its_review_away(folder: Path) -> None:
    write_reviews(folder, tags=[{"1": ["drop"], "2": ["relabel"]}])
    write_reviews(folder, tags=[{"1": []}])
    assert reviews(folder) == [None, "relabel", None], "sample 2 was shown nowhere the second time"


def test_where_both_tags_are_set_drop_counts_and_is_told(folder: Path) -> None:
    done = write_reviews(folder, tags=[{"1": ["relabel"]}, {"1": ["drop"]}])
    assert reviews(folder)[0] == "drop"
    assert done.both == ("1",)


def test_a_trial_writes_nothing(folder: Path) -> None:
    assert write_reviews(folder, tags=[{"1": ["drop"]}], is_trial=True).changed == 1
    assert "review" not in read_dataset(folder).table.column_names


def test_samples_that_are_not_dropped_can_be_selected(folder: Path) -> None:
    write_reviews(folder, tags=[{"1": ["drop"], "2": ["relabel"]}])
    assert select_rows(read_dataset(folder), "review != 'drop'")["id"].to_pylist() == ["2", "3"]


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused):
        write_reviews(tmp_path, tags=[])
