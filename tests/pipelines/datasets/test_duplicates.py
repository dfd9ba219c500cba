"""`curate duplicates` as a user types it: the report, the counts, what --fix changes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from pipelines.command_line.options import Result, RunOptions
from pipelines.datasets.duplicates import DuplicatesFlags, duplicates
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures
from tests.pipelines.commands import tree


def run(*datasets: Path, out: Path | None = None, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("dry_run", "limit", "max_quarantine") if name in flags}
    options = RunOptions(workers=0, quiet=True, **common)
    return duplicates(DuplicatesFlags(datasets=datasets, out=out, **flags), run=options)


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    write_pictures(
        tmp_path / "one",
        Drawn(id="a", data=png(picture(0)), split="train"),
        Drawn(id="b", data=png(picture(1)), split="train"),
        Drawn(id="c", data=b"no picture", split="train"),
    )
    write_pictures(
        tmp_path / "two",
        Drawn(id="d", data=jpeg(picture(0), quality=60), split="test"),
        Drawn(id="e", data=b"no picture", split="train"),
    )
    return [tmp_path / "one", tmp_path / "two"]


def test_the_report_says_what_is_there_twice(tmp_path: Path, two: list[Path]) -> None:
    before = [tree(folder) for folder in two]
    result = run(*two, out=tmp_path / "out")
    assert result.exit_code == 3
    counts = result.data["counts"]
    assert (counts["exact"], counts["near"], counts["leaks"], result.data["unreadable"]) == (0, 1, 1, 2)
    assert result.data["images"] == 5
    (row,) = pq.read_table(tmp_path / "out" / "pairs.parquet").to_pylist()
    assert (row["first_dataset"], row["first_id"], row["second_dataset"], row["second_id"]) == ("two", "d", "one", "a")
    assert len((tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "out" / "duplicates.html").exists()
    assert [tree(folder) for folder in two] == before
    again = run(*two, out=tmp_path / "out")
    assert again.data == result.data


def test_a_dry_run_tells_what_fix_changes_and_writes_nothing(tmp_path: Path, two: list[Path]) -> None:
    before = tree(tmp_path)
    told = run(*two, out=tmp_path / "out", fix=True, dry_run=True)
    assert tree(tmp_path) == before
    assert told.data["changes"]["moves"] == {"train to test": 1}
    assert told.data["fixed"] is False
    done = run(*two, out=tmp_path / "out", fix=True)
    assert done.data["changed"] == told.data["changed"]
    assert read_dataset(two[0]).table["split"].to_pylist() == ["test", "train", "train"]
    again = run(*two, out=tmp_path / "out", fix=True)
    assert (again.data["counts"]["leaks"], again.data["changes"]["moved"]) == (0, 0)
    assert "nothing to change" in again.summary


def test_the_report_lies_in_the_first_dataset_unless_told_otherwise(two: list[Path]) -> None:
    run(*two, limit=1)
    assert (two[0] / "duplicates" / "duplicates.html").exists()


def test_many_changes_are_told_in_part(tmp_path: Path) -> None:
    drawn = [Drawn(id=f"{n}{kind}", data=png(picture(n), level=kind)) for n in range(8) for kind in (1, 9)]
    write_pictures(tmp_path / "d", *drawn)
    assert "... 6 more" in run(tmp_path / "d", fix=True).summary


def test_what_cannot_be_compared_is_refused(tmp_path: Path, two: list[Path]) -> None:
    with pytest.raises(InputRefused, match="named twice"):
        run(two[0], two[0])
    with pytest.raises(InputRefused, match="2 images cannot be read, 0 are allowed"):
        run(*two, out=tmp_path / "out", max_quarantine="0")
    assert len((tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()) == 2
    with pytest.raises(click.UsageError, match="negative"):
        run(*two, pairs=-1)


def test_a_folder_with_the_lock_of_a_run_that_was_killed_at_once_is_used(tmp_path: Path, two: list[Path]) -> None:
    (tmp_path / "out" / ".curate").mkdir(parents=True)
    (tmp_path / "out" / ".curate" / "lock").write_text("{}")
    assert run(*two, out=tmp_path / "out").data["counts"]["near"] == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_folder_of_something_else_is_not_touched(tmp_path: Path, two: list[Path], dry_run: bool) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for out in (tmp_path / "mine", two[1]):
        before = tree(out)
        with pytest.raises(InputRefused, match="no report of `curate duplicates`"):
            run(*two, out=out, dry_run=dry_run)
        assert tree(out) == before
