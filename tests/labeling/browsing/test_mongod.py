"""Which mongod is started: the newest without a known fault that opens what is there; each version tells its range."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.browsing import mongod as module
from labeling.browsing.mongod import Mongod, Version, find_mongod, is_affected, note_release, opens, version_of


def program(path: Path, *, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Take the place of the programs of this machine."""
    found: list[Path] = []
    monkeypatch.setattr(module, "_programs", lambda: found)
    return found


@pytest.mark.parametrize(
    ("version", "is_in_range"),
    [
        *(((4, 4, 29), True), ((4, 4, 30), False), ((5, 0, 31), True), ((5, 0, 32), False)),
        *(((6, 0, 5), True), ((6, 0, 26), True), ((6, 0, 27), False), ((7, 0, 26), True), ((7, 0, 28), False)),
        *(((8, 0, 16), True), ((8, 0, 17), False), ((8, 2, 2), True), ((8, 2, 3), False), ((3, 6, 23), True)),
        *(((8, 1, 9), True), ((9, 0, 0), False), (None, True)),
    ],
)
def test_the_range_is_that_of_the_advisory(version: Version | None, is_in_range: bool) -> None:
    assert is_affected(version) is is_in_range


def test_a_program_tells_its_version(tmp_path: Path) -> None:
    assert version_of(program(tmp_path / "a", says="db version v7.0.28-rc0")) == (7, 0, 28)
    assert version_of(program(tmp_path / "b", says="something else")) is None
    assert version_of(tmp_path / "not there") is None


def test_the_newest_without_the_fault_is_taken(tmp_path: Path, programs: list[Path]) -> None:
    assert find_mongod(tmp_path) is None
    for name, version in (("wheel", "6.0.5"), ("mended", "7.0.28"), ("newer", "8.0.3")):
        programs.append(program(tmp_path / name, says=f"db version v{version}"))
    assert find_mongod(tmp_path) == Mongod(path=tmp_path / "mended", version=(7, 0, 28))
    programs.remove(tmp_path / "mended")
    assert find_mongod(tmp_path) == Mongod(path=tmp_path / "newer", version=(8, 0, 3))


def test_only_what_opens_the_database_of_the_folder_is_taken(tmp_path: Path, programs: list[Path]) -> None:
    (tmp_path / "db").mkdir()
    for name in ("6.0.5", "8.0.17"):
        programs.append(program(tmp_path / name, says=f"db version v{name}"))
    new = find_mongod(tmp_path)
    assert new is not None and new.release == (8, 0)
    note_release(tmp_path, mongod=Mongod(path=tmp_path, version=(6, 0, 5)))
    (tmp_path / "db/WiredTiger").touch()
    made = find_mongod(tmp_path)
    assert made is not None and made.release == (6, 0)
    note_release(tmp_path, mongod=Mongod(path=tmp_path, version=(7, 0, 28)))
    assert find_mongod(tmp_path) == made, "the release that made it stays"


def test_a_database_of_before_releases_were_noted_is_of_the_wheel(tmp_path: Path, programs: list[Path]) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db/WiredTiger").touch()
    programs.append(program(tmp_path / "8", says="db version v8.0.17"))
    assert find_mongod(tmp_path) is None
    programs.append(program(tmp_path / "7", says="db version v7.0.28"))
    found = find_mongod(tmp_path)
    assert found is not None and found.release == (7, 0)


def test_a_release_opens_its_own_and_those_of_the_one_before() -> None:
    made_by: list[tuple[int, int]] = [(5, 0), (6, 0), (7, 0), (8, 0)]
    there = Mongod(path=Path("mongod"), version=(7, 0, 28))
    assert [one for one in made_by if opens(there, made_by=one)] == [(6, 0), (7, 0)]
    assert opens(Mongod(path=Path("mongod"), version=None), made_by=(6, 0))
