from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from curation.dataset import manifest_files
from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.errors import InputRefused
from curation.operations.rewrite import rewriting
from tests.drawn_pictures import Drawn, picture, png, write_pictures


class Killed(Exception):
    """Stands for a kill: nothing is written after it."""


def rewritten(folder: Path) -> None:
    """Give the samples of a dataset another split."""
    with rewriting(folder) as dataset:
        table = dataset.table.drop_columns("split").append_column("split", dataset.table["id"])
        card = msgspec.structs.replace(dataset.card, notes={"changed": True})
        write_dataset(folder, card=card, table=table, quarantine=read_quarantine(folder))


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_what_a_killed_change_left_is_settled_by_the_next(
    writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "d", Drawn(id="a", data=png(picture(0))))
    old = (tmp_path / "d" / "dataset.json").read_bytes()
    real, done = manifest_files.write_durable, []

    def until_killed(path: Path, data: bytes, **options: Any) -> None:
        if len(done) == writes:
            raise Killed
        done.append(path)
        real(path, data, **options)

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(manifest_files, "write_durable", until_killed)
        rewritten(tmp_path / "d")
    with rewriting(tmp_path / "d"):
        pass
    # quarantine, card, manifest, card: with the manifest the change is made
    is_made = writes == 3
    assert read_dataset(tmp_path / "d").card.notes == ({"changed": True} if is_made else {})
    assert "previous" not in msgspec.json.decode((tmp_path / "d" / "dataset.json").read_bytes())
    assert is_made or (tmp_path / "d" / "dataset.json").read_bytes() == old


def test_where_there_is_no_dataset_nothing_is_held(tmp_path: Path) -> None:
    with pytest.raises(InputRefused), rewriting(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
