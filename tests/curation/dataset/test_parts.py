"""A manifest in parts: the same rows as in one file, read by other tools too, and whole after a kill at any moment."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, read_dataset, write_dataset
from curation.dataset.manifest_files import is_dataset, settle_card, write_rows
from curation.errors import InputRefused, SecurityRefused

STEPS = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"})


def rows_of(number: int, *, split: str | None = None) -> pa.Table:
    """Draw rows with every kind of column, in an order of their own."""
    rng = random.Random(number)
    rows: list[dict[str, Any]] = [
        {
            "id": f"é{at:06d}",
            "image": f"images/{at}.jpg",
            "mask": None if at % 3 else f"masks/{at}.png",
            "width": 100 + at,
            "height": 80,
            "source": "s",
            "source_id": str(at),
            "split": split,
            "group": f"g{at}",
            "person_area": rng.random(),
            "persons": None,
            "label_version": 0,
            "sha256": f"{at:064x}",
        }
        for at in range(number)
    ]
    rng.shuffle(rows)
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return table.append_column("boxes", pa.array([[at, at] for at in range(number)], pa.list_(pa.int64())))


def card_of(number: int) -> Card:
    counts = Counts(considered=number, selected=number, filtered={}, quarantined={})
    return Card(
        name="d", command="test", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )


def in_parts(folder: Path, table: pa.Table, *, part_rows: int) -> Card:
    folder.mkdir(exist_ok=True)
    card = card_of(table.num_rows)
    return write_rows(folder, card=card, rows=[table.sort_by("id")], quarantine=[], part_rows=part_rows)


def in_one_file(folder: Path, table: pa.Table) -> Card:
    folder.mkdir(exist_ok=True)
    return write_dataset(folder, card=card_of(table.num_rows), table=table, quarantine=[])


@pytest.mark.parametrize(("number", "part_rows", "parts"), [(7, 3, 3), (6, 3, 2), (4, 1, 4), (41, 40, 2)])
def test_parts_hold_the_rows_of_one_file_in_their_order(
    number: int, part_rows: int, parts: int, tmp_path: Path
) -> None:
    table = rows_of(number)
    in_one_file(tmp_path / "one", table)
    in_parts(tmp_path / "parts", table, part_rows=part_rows)
    one, dataset = read_dataset(tmp_path / "one"), read_dataset(tmp_path / "parts")
    assert len(list((tmp_path / "parts" / "manifest").iterdir())) == parts
    assert not (tmp_path / "parts" / "manifest.parquet").exists()
    assert dataset.table.equals(one.table) and dataset.schema.equals(one.schema)
    assert len(dataset) == number
    assert [sample.id for sample in dataset] == [sample.id for sample in one]
    assert [dataset[at].id for at in range(-number, number)] == [one[at].id for at in range(-number, number)]
    assert dataset["é000003"].row == one["é000003"].row
    assert dataset.read(["persons", "id"]).equals(one.table.select(["persons", "id"]))
    with pytest.raises(KeyError, match="no sample"):
        dataset["é999999"]


def test_other_tools_read_the_folder_as_one_table(tmp_path: Path) -> None:
    in_parts(tmp_path, rows_of(20), part_rows=6)
    own = read_dataset(tmp_path).table
    assert pd.read_parquet(tmp_path / "manifest").equals(own.to_pandas())
    assert pads.dataset(tmp_path / "manifest").to_table().equals(own)


def test_the_card_names_every_part_with_what_it_holds(tmp_path: Path) -> None:
    in_parts(tmp_path, rows_of(5), part_rows=2)
    parts = json.loads((tmp_path / "dataset.json").read_text())["parts"]
    assert [(part["rows"], part["first_id"], part["last_id"]) for part in parts] == [
        *((2, "é000000", "é000001"), (2, "é000002", "é000003"), (1, "é000004", "é000004"))
    ]


def test_a_small_dataset_says_nothing_of_parts(tmp_path: Path) -> None:
    in_one_file(tmp_path, rows_of(5))
    assert "parts" not in json.loads((tmp_path / "dataset.json").read_text())


def test_equal_rows_give_equal_bytes_however_they_come(tmp_path: Path) -> None:
    table = rows_of(23).sort_by("id")
    pieces = [table.slice(at, length) for at, length in ((0, 1), (1, 0), (1, 11), (12, 4), (16, 7))]
    for name, rows in (("one", [table]), ("two", pieces)):
        (tmp_path / name).mkdir()
        write_rows(tmp_path / name, card=card_of(23), rows=rows, quarantine=[], part_rows=5)
    assert (tmp_path / "one" / "dataset.json").read_bytes() == (tmp_path / "two" / "dataset.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.unlink(), "it is missing; its SHA-256 is {sha}"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "and {sha} in the card"),
        (lambda path: path.write_bytes(path.with_name("part-00000.parquet").read_bytes()), "and {sha} in the card"),
        (lambda path: (path.unlink(), path.symlink_to("part-00000.parquet")), "its SHA-256 is {sha}"),
    ],
    ids=["missing", "cut", "another", "link"],
)
def test_a_part_that_is_missing_or_changed_is_named(change: Callable[[Path], Any], told: str, tmp_path: Path) -> None:
    card = in_parts(tmp_path, rows_of(9), part_rows=3)
    assert isinstance(card.parts, list)
    path = tmp_path / "manifest" / "part-00001.parquet"
    change(path)
    with pytest.raises(InputRefused) as caught:
        read_dataset(tmp_path)
    assert caught.value.where == str(path)
    assert told.format(sha=card.parts[1].sha256) in str(caught.value)


def test_what_another_command_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    in_parts(tmp_path, rows_of(9), part_rows=3)
    dataset = read_dataset(tmp_path)
    in_parts(tmp_path, rows_of(9, split="val"), part_rows=3)
    with pytest.raises(InputRefused, match="another command changed the dataset while it was read"):
        dataset.read(["split"])


@pytest.mark.parametrize("id_", ["../../etc/x", "a/b"])
def test_an_id_that_leads_out_of_the_folder_is_refused_when_it_is_read(id_: str, tmp_path: Path) -> None:
    table = rows_of(4)
    ids = table["id"].to_pylist()
    in_parts(tmp_path, table.set_column(0, SCHEMA.field("id"), pa.array([id_, *ids[1:]])), part_rows=2)
    with pytest.raises(SecurityRefused):
        read_dataset(tmp_path).read(["id"])


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts[::-1],
        lambda parts: [*parts, parts[-1] | {"name": "part-00003.parquet"}],
        lambda parts: [parts[0] | {"name": "../../x.parquet"}, *parts[1:]],
        lambda parts: [],
    ],
)
def test_a_card_whose_parts_cannot_be_is_refused(change: Callable[[list[Any]], list[Any]], tmp_path: Path) -> None:
    in_parts(tmp_path, rows_of(9), part_rows=3)
    card = json.loads((tmp_path / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps(card | {"parts": change(card["parts"])}))
    with pytest.raises(InputRefused) as caught:
        read_dataset(tmp_path)
    assert caught.value.where == str(tmp_path / "dataset.json")


def test_parts_do_not_take_the_place_of_another_folder(tmp_path: Path) -> None:
    (tmp_path / "manifest").mkdir()
    (tmp_path / "manifest" / "own.txt").write_text("mine")
    with pytest.raises(InputRefused, match="something else has it"):
        in_parts(tmp_path, rows_of(9), part_rows=3)
    assert (tmp_path / "manifest" / "own.txt").read_text() == "mine"


@pytest.mark.parametrize(("before", "after"), [(3, 3), (3, 99), (99, 3), (None, 3)])
def test_a_kill_at_any_step_leaves_the_old_dataset_or_the_new(before: int | None, after: int, tmp_path: Path) -> None:
    """A process is ended at its first call of the file system, at its second, and so on, until it gets to the end."""
    old, new = rows_of(8), rows_of(9, split="val")
    found = set()
    for step in range(1000):
        folder = tmp_path / str(step)
        if before is not None:
            in_parts(folder, old, part_rows=before)
        is_done = ended_at(step, lambda folder=folder: in_parts(folder, new, part_rows=after))  # type: ignore[misc]
        number = len(read_dataset(folder)) if is_dataset(folder) else 0
        found.add(number)
        if number:
            assert read_dataset(folder).table.equals((old if number == 8 else new).sort_by("id"))
            settle_card(folder)
            assert len(read_dataset(folder)) == number
            kept = {path.name for path in folder.iterdir()} - {"dataset.json", "quarantine.jsonl"}
            assert {name for name in kept if not name.startswith(".writing-")} in ({"manifest"}, {"manifest.parquet"})
            assert ("parts" in json.loads((folder / "dataset.json").read_text())) == ("manifest" in kept)
        in_parts(folder, new, part_rows=after)
        assert len(read_dataset(folder)) == 9
        if is_done:
            break
    assert step > 10
    assert found == {0 if before is None else 8, 9}


def ended_at(step: int, action: Callable[[], Any]) -> bool:
    """Run an action in a process that ends at a numbered call of the file system; tell whether it got through."""
    child = os.fork()
    if child == 0:
        calls = 0

        def count(event: str, _: object) -> None:
            nonlocal calls
            if event in STEPS:
                calls += 1
                if calls > step:
                    os._exit(9)

        sys.addaudithook(count)
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
