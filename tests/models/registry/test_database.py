"""A database of the registry is there whole, or not at all: MLflow never opens a half of one again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from models.registry.database import follow_move, make_whole

KILLED_HALFWAY = """
import os, signal, sqlite3, sys
from pathlib import Path
from models.registry.database import make_whole

def half(file):
    sqlite3.connect(file).execute("create table one (n int)")
    os.kill(os.getpid(), signal.SIGKILL)

make_whole(Path(sys.argv[1]), make=half)
"""


def both_tables(file: Path) -> None:
    connection = sqlite3.connect(file)
    for name in ("one", "two"):
        connection.execute(f"create table {name} (n int)")
    connection.close()


def tables(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    found = [name for (name,) in connection.execute("select name from sqlite_master order by name")]
    connection.close()
    return found


def test_after_a_kill_halfway_the_next_start_makes_it_anew_and_tidies_up(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    killed = subprocess.run([sys.executable, "-c", KILLED_HALFWAY, str(file)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [f".m.db.{left_by(tmp_path)}"]
    make_whole(file, make=both_tables)
    assert tables(file) == ["one", "two"]
    assert list(tmp_path.iterdir()) == [file]


def left_by(folder: Path) -> str:
    (left,) = folder.iterdir()
    return left.name.rpartition(".")[2]


def test_what_is_there_is_left_alone_and_so_is_what_another_process_made_meanwhile(tmp_path: Path) -> None:
    file = tmp_path / "m.db"

    def slow(unfinished: Path) -> None:
        both_tables(unfinished)
        file.write_bytes(b"of another process")

    make_whole(file, make=slow)
    make_whole(file, make=lambda _: pytest.fail("it is there"))
    assert file.read_bytes() == b"of another process"
    assert list(tmp_path.iterdir()) == [file]


def registry(file: Path, *, address: str) -> None:
    """Draw the tables of MLflow that name files, with a run below the address."""
    connection = sqlite3.connect(file)
    for statement in (
        "create table experiments (name text, artifact_location text)",
        "create table runs (artifact_uri text)",
        "create table model_versions (source text, storage_location text)",
        f"insert into experiments values ('curate', '{address}'), ('other', '{address}x')",
        f"insert into runs values ('{address}/1/artifacts'), ('{address}x/2/artifacts')",
        f"insert into model_versions values ('{address}/1/artifacts/model', null)",
    ):
        connection.execute(statement)
    connection.commit()
    connection.close()


def addresses(file: Path) -> list[str]:
    connection = sqlite3.connect(file)
    parts = "select artifact_location from experiments", "select artifact_uri from runs", "select * from model_versions"
    found = [text for part in parts for row in connection.execute(part) for text in row if text]
    connection.close()
    return found


@pytest.mark.parametrize("new", ["file:///b/files", "file:///a/files/inside/files"])
def test_after_a_move_only_what_lay_there_is_named_elsewhere_and_once(tmp_path: Path, new: str) -> None:
    file = tmp_path / "m.db"
    registry(file, address="file:///a/files")
    for _ in range(2):
        follow_move(file, experiment="curate", files=new)
        expected = [new, "file:///a/filesx", f"{new}/1/artifacts", "file:///a/filesx/2/artifacts"]
        assert addresses(file) == [*expected, f"{new}/1/artifacts/model"]


def test_addresses_of_another_store_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "m.db"
    registry(file, address="mlflow-artifacts:/1")
    before = file.read_bytes()
    follow_move(file, experiment="curate", files="file:///b/files")
    assert file.read_bytes() == before
