"""Faults around the database: none there, one that does not start, one that does not answer; each with a remedy."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused, RemoteUnavailable
from labeling.browsing import database as fiftyone_database
from labeling.browsing.database import URI, database, in_use, loading
from labeling.browsing.guard import USERS
from labeling.browsing.mongod import FOLDER, Mongod, browse_folder
from labeling.browsing.serving import USUAL_PORTS
from labeling.local_server import free_port

pytest.importorskip("pymongo", reason="the extra browse is not installed")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    monkeypatch.delenv(URI, raising=False)
    monkeypatch.setattr(fiftyone_database, "ANSWER_S", 0.2)
    yield
    for name in os.environ.keys() - before.keys():
        if name.startswith("FIFTYONE_"):
            del os.environ[name]


def test_a_guard_waits_for_each_of_those_that_start_together(tmp_path: Path) -> None:
    def is_waited_for(folder: Path) -> bool:
        together.wait()
        with in_use(folder), (folder / USERS).open("rb") as as_guard:
            try:
                fcntl.flock(as_guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    number = 8
    together = threading.Barrier(number)
    with ThreadPoolExecutor(number) as pool:
        for trial in range(20):
            assert all(pool.map(is_waited_for, [tmp_path / str(trial)] * number))


def test_without_mongod_the_remedy_names_the_package_and_the_way_without(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="mongod") as caught, database(tmp_path, mongod=lambda _: None):
        pass
    assert "portrait-curate[browse]" in caught.value.remedy
    assert "curate gallery" in caught.value.remedy


def test_a_mongod_that_ends_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    program = tmp_path / "mongod"
    program.write_text("#!/bin/sh\nexit 14\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with (
        pytest.raises(EnvironmentProblem) as caught,
        database(tmp_path / "own", mongod=lambda _: Mongod(path=program, version=None)),
    ):
        pass
    assert caught.value.where.endswith("mongod.log")


def test_a_database_of_ones_own_that_is_down_is_unavailable_and_its_password_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URI, "mongodb://ann:secret@127.0.0.1:1/")
    with pytest.raises(RemoteUnavailable) as caught, database(tmp_path):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["no address", "http://127.0.0.1", "mongodb://a:b:c@127.0.0.1"])
def test_an_address_that_is_none_is_a_wrong_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv(URI, address)
    with pytest.raises(ConfigurationProblem), database(tmp_path):
        pass


def test_our_own_errors_are_told_as_they_are_and_others_by_whether_the_database_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = True
    monkeypatch.setenv(URI, "mongodb://127.0.0.1:1/")
    monkeypatch.setattr(fiftyone_database, "is_answering", lambda uri, **_: alive)
    with pytest.raises(InputRefused), database(tmp_path):
        raise InputRefused("ours")
    with pytest.raises(ZeroDivisionError), database(tmp_path):
        raise ZeroDivisionError
    with pytest.raises(RemoteUnavailable, match="any more"), database(tmp_path):
        alive = False
        raise ConnectionResetError


def test_one_process_loads_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fiftyone_database, "LOAD_S", 0.1)
    with loading(tmp_path), pytest.raises(EnvironmentProblem, match="another process"), loading(tmp_path):
        pass
    with loading(tmp_path):
        pass


def test_the_folder_is_that_of_fiftyone_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert browse_folder() == tmp_path / "curate/fiftyone"
    monkeypatch.setenv(FOLDER, str(tmp_path / "mine"))
    assert browse_folder() == tmp_path / "mine"


def test_a_port_that_is_taken_is_refused_and_another_one_is_found() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationProblem, match="not free"):
            free_port(taken.getsockname()[1])
    assert free_port(None, usual=USUAL_PORTS) >= 5151
