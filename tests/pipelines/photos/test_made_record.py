"""The record of made files, when somebody else, or the disk, has been at it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curation.errors import InputRefused
from pipelines.photos.made_files import RECORD, Made, Record


def line(name: str) -> Made:
    return Made(id="", file=name, command="cutout", sources=("a",), settings={}, sha256=name)


def test_a_line_after_a_damaged_one_is_read_again(tmp_path: Path) -> None:
    record = Record(tmp_path / RECORD)
    for name in ("a", "b", "c"):
        record.note(line(name))
    lines = (tmp_path / RECORD).read_bytes().split(b"\n")
    lines[2] = b"x" + lines[2][1:]
    (tmp_path / RECORD).write_bytes(b"\n".join(lines))
    Record(tmp_path / RECORD).note(line("d"))
    assert set(Record(tmp_path / RECORD).last) == {"a", "c", "d"}


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / RECORD
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "link": lambda: path.symlink_to(tmp_path / "x")}[kind]()
    with pytest.raises(InputRefused, match="not a record of curate"):
        Record(path)
    assert not (tmp_path / "x").exists()
