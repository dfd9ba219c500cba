"""A dataset that is damaged is refused by the name of the damaged file, and reading never blocks (faults D5, D6)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, read_quarantine, write_dataset
from curation.dataset.query import select_rows
from curation.errors import InputRefused

FILES = ["dataset.json", "manifest.parquet"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": name, "width": 4, "height": 3, "person_area": 0.5, "group": name} for name in "abc"]
    counts = Counts(considered=3, selected=3, filtered={}, quarantined={})
    card = Card(
        name="d", command="test", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(tmp_path, card=card, table=pa.Table.from_pylist(rows, schema=SCHEMA), quarantine=[])
    return tmp_path


def refusal(folder: Path) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        read_dataset(folder)
    assert caught.value.exit_code == 4
    assert caught.value.remedy
    return caught.value


def test_a_manifest_cut_or_flipped_anywhere_is_refused_by_name(folder: Path) -> None:
    path = folder / "manifest.parquet"
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            assert refusal(folder).where == str(path)
    path.write_bytes(whole)
    assert len(read_dataset(folder)) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"",
        lambda text: text[:-20],
        lambda text: text.replace(b'"considered": 3', b'"considered": 4'),
        lambda text: text.replace(b'"name"', b'"nam\xff"'),
        lambda text: b"[" * 100_000,
    ],
)
def test_a_card_that_cannot_be_read_or_counts_wrong_is_refused_by_name(
    folder: Path, change: Callable[[bytes], bytes]
) -> None:
    path = folder / "dataset.json"
    text = path.read_bytes()
    assert change(text) != text
    path.write_bytes(change(text))
    assert refusal(folder).where == str(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "link"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    path.rename(folder / "kept")
    makers: dict[str, Callable[[], object]] = {
        "missing": lambda: None,
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "link": lambda: path.symlink_to("kept"),
    }
    makers[kind]()
    answers: list[InputRefused] = []
    thread = threading.Thread(target=lambda: answers.append(refusal(folder)), daemon=True)
    thread.start()
    thread.join(5.0)
    assert answers
    assert answers[0].where == str(folder if (name, kind) == ("manifest.parquet", "missing") else path)


def test_a_quarantine_that_cannot_be_read_is_refused_by_name(folder: Path) -> None:
    for damaged in (b'{"code":', b'{"code":"\xff"}', b"{}"):
        (folder / "quarantine.jsonl").write_bytes(damaged)
        with pytest.raises(InputRefused, match="damaged") as caught:
            read_quarantine(folder)
        assert caught.value.where == str(folder / "quarantine.jsonl")


@pytest.mark.parametrize("ids", [["a", "a", "b"], ["a", None, "b"]], ids=str)
def test_a_manifest_whose_ids_are_not_unique_is_refused_whoever_wrote_it(folder: Path, ids: list[str | None]) -> None:
    table = read_dataset(folder).table.set_column(0, "id", pa.array(ids, pa.string()))
    pq.write_table(table, folder / "manifest.parquet")
    card = json.loads((folder / "dataset.json").read_text())
    card["manifest_sha256"] = sha256((folder / "manifest.parquet").read_bytes()).hexdigest()
    (folder / "dataset.json").write_text(json.dumps(card))
    assert "1 rows repeat an id, or have none" in refusal(folder).reason


@pytest.mark.parametrize(
    "query",
    [
        *("person_area >", "id in [", "person_area > 'a'", "nosuch > 1", "person_area", "", "\0", "~id"),
        *("1/0 > person_area", "person_area > 10**400", "id.str.contains('[')", "lambda x: x", "(" * 500),
        *("+".join("1" * 5000) + " > person_area", "__import__('os').getcwd() == id"),
    ],
    ids=lambda query: query[:20],
)
def test_a_query_that_does_not_work_is_refused_whatever_pandas_raises(folder: Path, query: str) -> None:
    dataset: Dataset = read_dataset(folder)
    with pytest.raises(InputRefused, match="does not work"):
        select_rows(dataset, query)
