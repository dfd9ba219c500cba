"""Every picture is looked at once; what cannot be read is told, and what is known is not read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.building.workers import RunnerOptions
from curation.duplicates import fingerprint_dataset as duplicates_looks
from curation.duplicates.fingerprint import look_of
from curation.duplicates.fingerprint_dataset import LookOptions, Looks, look_at, pictures_of
from curation.quarantine import Code
from tests.drawn_pictures import Drawn, jpeg, picture, png, write_pictures

FIVE = [Drawn(id=f"p{number}", data=png(picture(number))) for number in range(5)]


def looked(folder: Path, *, work: Path, workers: int = 0, is_kept: bool = True) -> tuple[Looks, list[int]]:
    from curation.dataset.dataset import read_dataset

    datasets = [read_dataset(folder)]
    told: list[int] = []
    options = LookOptions(folder=work, is_kept=is_kept, runner=RunnerOptions(workers=workers), progress=told.append)
    return look_at(pictures_of(datasets), datasets=datasets, options=options), told


def test_looks_are_those_of_the_pictures_for_any_number_of_workers(tmp_path: Path) -> None:
    write_pictures(tmp_path / "d", *FIVE)
    for workers in (0, 2):
        seen, told = looked(tmp_path / "d", work=tmp_path / f"w{workers}", workers=workers)
        assert all((seen.looks[number] == look_of(picture(number))).all() for number in range(5))
        assert len(set(seen.pixels)) == 5
        assert (sorted(told), list(seen.records)) == ([1, 2, 3, 4, 5], [])


def test_known_pictures_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "d", *FIVE)
    monkeypatch.setattr(duplicates_looks, "LOOKS_PER_FILE", 2)
    first, _ = looked(tmp_path / "d", work=tmp_path / "w")
    assert len(list((tmp_path / "w").iterdir())) == 3
    for path in (tmp_path / "d" / "images").iterdir():
        path.unlink()
    again, told = looked(tmp_path / "d", work=tmp_path / "w")
    assert (again.looks == first.looks).all()
    assert (again.pixels, told) == (first.pixels, [])


def test_a_journal_that_was_torn_is_mended(tmp_path: Path) -> None:
    write_pictures(tmp_path / "d", *FIVE)
    first, _ = looked(tmp_path / "d", work=tmp_path / "w")
    (journal,) = (tmp_path / "w").iterdir()
    journal.write_bytes(journal.read_bytes()[:-100])
    (tmp_path / "w" / "looks-1-00001.jsonl").touch()
    again, told = looked(tmp_path / "d", work=tmp_path / "w")
    assert (again.looks == first.looks).all()
    assert told == [5]


def test_nothing_is_kept_unless_asked(tmp_path: Path) -> None:
    write_pictures(tmp_path / "d", *FIVE)
    looked(tmp_path / "d", work=tmp_path / "w", is_kept=False)
    assert not (tmp_path / "w").exists()


def test_a_picture_that_cannot_be_read_is_told_by_its_id(tmp_path: Path) -> None:
    broken = [Drawn(id="text", data=b"no picture"), Drawn(id="half", data=png(picture(7))[:-40])]
    dataset = write_pictures(tmp_path / "d", *FIVE, *broken)
    dataset.path("images/p0.png").unlink()
    dataset.path("images/p1.png").write_bytes(jpeg(picture(1), quality=90))
    for _ in range(2):  # they are tried again each time
        seen, _ = looked(tmp_path / "d", work=tmp_path / "w")
        codes = {record.record_id: record.code for record in seen.records}
        expected = {"text": Code.NOT_IMAGE, "half": Code.TRUNCATED, "p0": Code.MISSING_FILE, "p1": Code.CHECKSUM}
        assert codes == expected
        unread = [picture.id for picture, pixels in zip(pictures_of([dataset]), seen.pixels) if pixels is None]
        assert unread == ["half", "p0", "p1", "text"]
