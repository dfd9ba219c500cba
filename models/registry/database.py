"""Where a registry lies; its database is made whole or not at all, and moved with its files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ADDRESSES: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Tables and columns in which MLflow keeps the addresses of files."""
MOVES: Final = tuple(
    f"update {table} set {column} = :new || substr({column}, length(:old) + 1) "  # noqa: S608 - no name comes from data
    f"where {column} = :old or substr({column}, 1, length(:old) + 1) = :old || '/'"
    for table, column in ADDRESSES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs are kept: the address of a server, or a SQLite database and, for what is new, a folder of files."""

    uri: str
    files: Path | None = None

    @property
    def address(self) -> str | None:
        """The folder of files as MLflow names it; a server knows its own."""
        return None if self.files is None else self.files.resolve().as_uri()


def make_whole(file: Path, *, make: Callable[[Path], None]) -> None:
    """Have a database made that is not there yet, under another name, and give it its own when it is whole.

    MLflow makes its tables one by one, and never opens a database again that was left with a part of them.
    """
    if file.exists():
        return
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    make(unfinished)
    with suppress(FileExistsError, FileNotFoundError):  # another process was quicker, and may have tidied up
        os.link(unfinished, file)
    for left in file.parent.glob(f".{file.name}.*"):
        left.unlink(missing_ok=True)


def follow_move(file: Path, *, experiment: str, files: str) -> None:
    """Have a database name its files below the address `files`, after it was moved together with them.

    MLflow writes the full address of every file down, and would look where they were. Addresses of a store elsewhere
    stay as they are. A workspace that two machines know by two paths must not be used by both at once.
    """
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        if not _lies_elsewhere(connection, experiment=experiment, files=files):
            return
        connection.execute("begin immediate")  # of two that open it at once, one moves it
        if old := _lies_elsewhere(connection, experiment=experiment, files=files):
            for statement in MOVES:
                connection.execute(statement, {"old": old, "new": files})
        connection.execute("commit")


def _lies_elsewhere(connection: sqlite3.Connection, *, experiment: str, files: str) -> str | None:
    """Return the address of a folder other than `files` under which a database has its files."""
    found = connection.execute("select artifact_location from experiments where name = ?", (experiment,)).fetchone()
    return found[0] if found and found[0].startswith("file:") and found[0] != files else None
