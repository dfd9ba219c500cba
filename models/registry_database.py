"""The database of a registry, made whole or not at all, and moved with its files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
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

    MLflow writes the full address of every file down, and would look where they were.
    """
    with closing(sqlite3.connect(file)) as connection, connection:
        found = connection.execute("select artifact_location from experiments where name = ?", (experiment,)).fetchone()
        if found is None or found[0] == files:
            return
        for statement in MOVES:
            connection.execute(statement, {"old": found[0], "new": files})
