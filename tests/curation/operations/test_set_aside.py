"""Samples set aside: counted, told, moved and not lost, whenever the run is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import read_dataset, read_quarantine
from curation.operations import set_aside as setting_aside
from curation.operations.set_aside import set_aside_samples
from curation.operations.verify import verify
from curation.quarantine import BadRecord, Code
from tests.drawn_pictures import Drawn, picture, png, write_pictures

PROBLEMS = {name: BadRecord(Code.PERSON_SEEN, f"a person in {name}") for name in ("b", "d", "unknown")}


def write_four(folder: Path) -> None:
    write_pictures(folder, *(Drawn(id=name, data=png(picture(number))) for number, name in enumerate("abcd")))


def test_samples_become_lines_and_their_files_are_moved(tmp_path: Path) -> None:
    write_four(tmp_path / "d")
    data = (tmp_path / "d/images/b.png").read_bytes()
    card = set_aside_samples(tmp_path / "d", PROBLEMS, stage="check")
    counts = card.counts
    assert (counts.considered, counts.selected, counts.quarantined) == (4, 2, {"PERSON_SEEN": 2})
    assert card.licenses == {"CC0": 2}
    assert read_dataset(tmp_path / "d").table["id"].to_pylist() == ["a", "c"]
    assert [(line.record_id, line.reason) for line in read_quarantine(tmp_path / "d")] == [
        ("b", "a person in b"),
        ("d", "a person in d"),
    ]
    assert sorted(path.name for path in (tmp_path / "d/images").iterdir()) == ["a.png", "c.png"]
    assert (tmp_path / "d/set_aside/images/b.png").read_bytes() == data
    assert list(verify(read_dataset(tmp_path / "d"), runner=RunnerOptions(workers=0)).problems) == []


@pytest.mark.parametrize("moment", ["write_dataset", "_take_away"])
def test_a_run_that_was_killed_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    write_four(tmp_path / "d")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setting_aside, moment, die)
        with pytest.raises(KeyboardInterrupt):
            set_aside_samples(tmp_path / "d", PROBLEMS, stage="check")
    read_dataset(tmp_path / "d")
    set_aside_samples(tmp_path / "d", PROBLEMS, stage="check")
    assert read_dataset(tmp_path / "d").table["id"].to_pylist() == ["a", "c"]
    assert sorted(path.name for path in (tmp_path / "d/images").iterdir()) == ["a.png", "c.png"]
    assert len(read_quarantine(tmp_path / "d")) == 2


def test_without_problems_nothing_changes(tmp_path: Path) -> None:
    write_four(tmp_path / "d")
    before = {path: path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()}
    set_aside_samples(tmp_path / "d", {}, stage="check")
    assert {path: path.read_bytes() for path in (tmp_path / "d").rglob("*") if path.is_file()} == before


def test_what_a_killed_run_left_half_made_is_swept_away(tmp_path: Path) -> None:
    write_four(tmp_path / "d")
    left = tmp_path / "d/set_aside/images/.writing-1-2"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    set_aside_samples(tmp_path / "d", PROBLEMS, stage="check")
    assert sorted(path.name for path in left.parent.iterdir()) == ["b.png", "d.png"]
