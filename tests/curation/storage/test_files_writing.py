"""A file is written whole or not at all, and what enters a dataset is what was checked (faults D1, S3)."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord
from curation.storage import files
from curation.storage.files import (
    TEMPORARY_PREFIX,
    fingerprint_file,
    link_or_copy,
    make_folder,
    read_file,
    sha256_of,
    telling_where,
    write_bytes,
    write_durable,
)


def names_left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", [write_bytes, write_durable])
def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    target = tmp_path / ("é" * 120 + ".png")  # 244 bytes: a longer temporary name would not fit
    write(target, b"old") if write is write_bytes else write_bytes(target, b"old")
    target = target if write is write_bytes else target.rename(tmp_path / "card.json")
    write(target, b"new")
    assert target.read_bytes() == b"new"
    assert names_left(tmp_path) == [target.name]


@pytest.mark.parametrize("write", [write_bytes, write_durable])
@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, bytes], None], step: str
) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def full(path: Path, **_: object) -> IO[bytes]:
        path.touch()
        return Path("/dev/full").open("wb")

    place, name, put = (Path, "replace", fail) if step == "replace" else (files, "make_anew", full)
    monkeypatch.setattr(place, name, put)
    with pytest.raises(EnvironmentProblem, match=r"the disk is full \(3 bytes needed, [\d,]+ free\)") as caught:
        write(target, b"new")
    assert caught.value.where == str(target)
    assert (target.read_bytes(), names_left(tmp_path)) == (b"old", ["x"])


def test_writers_in_many_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    def write_often(number: int) -> None:
        for _ in range(50):
            write_bytes(tmp_path / f"{number}", bytes([number]) * 10_000)

    threads = [threading.Thread(target=write_often, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(tmp_path / name).read_bytes() for name in names_left(tmp_path)] == [bytes([n]) * 10_000 for n in range(4)]


def test_a_link_is_the_same_file_and_again_leaves_no_temporary_name(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x")
    for _ in range(2):  # the second time both names are one file already, where rename(2) does nothing
        link_or_copy(source, target)
        assert source.stat().st_ino == target.stat().st_ino
        assert names_left(tmp_path) == ["source", "target"]


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
@pytest.mark.parametrize("data", [None, b"bytes"])
def test_where_no_link_is_possible_the_bytes_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, data: bytes | None
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"bytes")
    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, target, data=data)
    assert target.read_bytes() == b"bytes"
    assert source.stat().st_ino != target.stat().st_ino
    assert names_left(tmp_path) == ["source", "target"]


def test_a_copy_to_another_file_system_has_the_same_bytes(tmp_path: Path) -> None:
    shared_memory = Path("/dev/shm")
    if not shared_memory.is_dir() or shared_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    source = shared_memory / f"curate-test-{os.getpid()}"
    source.write_bytes(b"bytes")
    try:
        link_or_copy(source, tmp_path / "target")
    finally:
        source.unlink()
    assert (tmp_path / "target").read_bytes() == b"bytes"


@pytest.mark.parametrize("swap", ["link", "other size", "gone"])
def test_a_source_that_was_swapped_after_its_check_does_not_enter_the_dataset(tmp_path: Path, swap: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"checked")
    data = read_file(source)
    source.unlink()
    if swap == "link":
        source.symlink_to("/etc/hostname")
    elif swap == "other size":
        source.write_bytes(b"swapped for something longer")
    link_or_copy(source, target, data=data)
    assert not target.is_symlink()
    assert target.read_bytes() == b"checked"
    assert not [name for name in names_left(tmp_path) if name.startswith(TEMPORARY_PREFIX)]


def test_a_racing_swapper_never_gets_a_link_into_the_dataset(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", tmp_path / "secret"
    secret.write_bytes(b"SECRET!!")
    stopped = threading.Event()

    def swap() -> None:
        beside = tmp_path / "beside"
        while not stopped.is_set():
            beside.write_bytes(b"checked")
            beside.replace(source)
            beside.symlink_to(secret)
            beside.replace(source)

    swapper = threading.Thread(target=swap)
    source.write_bytes(b"checked")
    swapper.start()
    try:
        for number in range(500):
            target = tmp_path / f"target-{number}"
            try:
                link_or_copy(source, target, data=read_file(source))
            except BadRecord:
                continue
            assert not target.is_symlink()
            assert target.read_bytes() == b"checked"
    finally:
        stopped.set()
        swapper.join()


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    missing = tmp_path / "no" / "folder" / "target"
    writes: list[Callable[[], None]] = [
        lambda: write_bytes(missing, b"x"),
        lambda: write_durable(missing, b"x"),
        lambda: link_or_copy(tmp_path / "source", missing),
    ]
    for write in writes:
        with pytest.raises(EnvironmentProblem, match="cannot write: no such file or directory") as caught:
            write()
        assert caught.value.where == str(missing)


def test_a_folder_where_a_file_is_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    for path in (tmp_path / "x", tmp_path / "x" / "y"):
        with pytest.raises(EnvironmentProblem, match="cannot write"):
            make_folder(path)


def test_the_fingerprint_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert fingerprint_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert fingerprint_file(tmp_path / "x") == sha256_of(b"abc")


def test_what_the_system_refuses_names_its_own_path_else_the_given_one(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no such file") as caught, telling_where(tmp_path):
        (tmp_path / "missing").read_bytes()
    assert caught.value.where == str(tmp_path / "missing")
    with pytest.raises(EnvironmentProblem, match="input/output error") as caught, telling_where(tmp_path):
        raise OSError(errno.EIO, "Input/output error")
    assert caught.value.where == str(tmp_path)
    with pytest.raises(BrokenPipeError), telling_where(tmp_path):
        raise BrokenPipeError
