"""A data set whose ids lead out of its folder: every verb that reads it refuses it, and none opens a file to write."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.dataset.card import CARD
from curation.dataset.manifest_files import MANIFEST
from curation.errors import SecurityRefused
from curation.storage.files import sha256_of
from models.evaluation.score_table import SCORES, read_scores
from pipelines.command_line.cli import curate
from tests.curation.fusion.fusion_data import grounds
from tests.curation.fusion.fusion_data import persons as people

IDS = ["../../../outside", "/tmp/outside", "sub/outside", "..", "\0"]
VERBS = [
    "stats {d}",
    "stats {d} --verify",
    "split {d} --val 0.5",
    "merge {d} {g} --out {o}",
    "gallery {d} --out {o}.html",
    "fuse --foregrounds {d} --backgrounds {g} --out {o}",
    "fuse --foregrounds {p} --backgrounds {d} --out {o}",
    "matte {d} --from-masks --out {o}",
    "lineage {d} --of drawn",
    "duplicates {d} --out {o}",
    "browse {d}",
]


class Writes:
    """The files that are opened to write, made, renamed or linked in this process, while `is_on`."""

    def __init__(self) -> None:
        self.is_on = False
        self.seen: list[tuple[str, Any]] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.seen.append((event, path))
        elif event in {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "shutil.rmtree"}:
            self.seen.append((event, arguments[0]))


@pytest.fixture(scope="module")
def hooked() -> Writes:
    """Listen to what this process does with files: a hook cannot be taken out again, so there is one, and it is off."""
    writes = Writes()
    sys.addaudithook(writes.note)
    return writes


@pytest.fixture
def writes(hooked: Writes) -> Iterator[Writes]:
    """Note what is written, in this test alone."""
    hooked.seen.clear()
    hooked.is_on = True
    yield hooked
    hooked.is_on = False


def forge(folder: Path, *, text: str) -> None:
    """Give the first row another id, and the card the hash of the manifest that then stands there."""
    table = pq.read_table(folder / MANIFEST)
    ids = [text, *table["id"].to_pylist()[1:]]
    pq.write_table(table.set_column(table.column_names.index("id"), "id", pa.array(ids)), folder / MANIFEST)
    card = msgspec.json.decode((folder / CARD).read_bytes())
    card["manifest_sha256"] = sha256_of((folder / MANIFEST).read_bytes())
    (folder / CARD).write_bytes(msgspec.json.encode(card))


def is_ours(path: str, folder: Path) -> bool:
    """Say whether a file may be written: it lies in the folder of the test, or is a module that Python compiled."""
    return path.startswith(("/dev/", str(folder))) or "__pycache__" in path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    people(folder / "p", ["one", "two"])
    grounds(folder / "g", ["here", "there"])
    return folder


@pytest.mark.parametrize("text", IDS)
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_takes_an_id_that_is_no_file_name(
    drawn: Path, tmp_path: Path, writes: Writes, verb: str, text: str
) -> None:
    hostile = tmp_path / "d"
    (people if "--backgrounds {d}" not in verb else grounds)(hostile, ["one", "two"])
    forge(hostile, text=text)
    places = {"d": hostile, "g": drawn / "g", "p": drawn / "p", "o": tmp_path / "out"}
    with pytest.raises(SecurityRefused, match="could lead out of its folder") as refused:
        curate.main([part.format(**places) for part in verb.split()], standalone_mode=False)
    assert refused.value.exit_code == 8
    assert "manifest.parquet" in str(refused.value)
    outside = [(event, path) for event, path in writes.seen if not is_ours(str(path), tmp_path)]
    assert outside == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", IDS)
def test_scores_of_a_hostile_id_are_refused(tmp_path: Path, text: str) -> None:
    pq.write_table(pa.table({"id": ["a", text], "miou": [0.5, 0.5]}), tmp_path / SCORES)
    with pytest.raises(SecurityRefused, match="could lead out of its folder"):
        read_scores(tmp_path)
