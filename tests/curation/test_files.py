"""Reading never follows, blocks or escapes; writing is whole or not at all (faults D1, D6, S2, S3)."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import EnvironmentProblem
from curation.files import (
    TEMPORARY_PREFIX,
    check_name,
    fingerprint_file,
    link_or_copy,
    make_folder,
    read_file,
    safe_join,
    sha256_of,
    telling_where,
    write_bytes,
    write_durable,
)
from curation.quarantine import BadRecord, Code

WATCHDOG_S = 5.0
SEPARATORS = ("/", "//", "/./", "\\", "%2f", "%5c", "\u2215", "\uff0f")
CLIMBERS = ("..", "...", ". .", "..\\..", "%2e%2e", "..%00", "%252e%252e", ".\u202e.", "\uff0e\uff0e", "..;")
OTHERS = (
    ["", ".", "..", "./..", "a/..", "a/../..", "a/b/../../..", "/", "//", "/etc/passwd", "//server/share/x.jpg"]
    + ["\\\\server\\share\\x.jpg", "\\\\?\\C:\\x.jpg", "C:\\x.jpg", "C:/x.jpg", "c:x.jpg", "Z:", "~", "~/x.jpg"]
    + ["~root/x.jpg", "x\0.jpg", "\0", "../\0x.jpg", "x.jpg\0/../../secret", "a\nb.jpg", "\x1b[2Jx.jpg", "\u2028.jpg"]
    + ["\udcff.jpg", "a/\udc80/b.jpg", "x" * 256, "a/" + "y" * 300 + "/b.jpg", "file:///etc/passwd", "link/secret"]
    + ["link/../secret", "deep/link/secret", "secret_link", "deep/secret_link", "/proc/self/environ", "../root2/secret"]
)
HOSTILE = sorted(
    {f"{climber}{separator}secret" for climber in CLIMBERS for separator in SEPARATORS}
    | {f"a{separator}{climber}{separator}..{separator}secret" for climber in CLIMBERS for separator in SEPARATORS}
    | set(OTHERS)
)


class OpenedPaths:
    """Notes what this thread opens; an audit hook cannot be removed, so it is installed once and switched."""

    def __init__(self) -> None:
        self.thread = 0
        self.paths: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and threading.get_ident() == self.thread and isinstance(arguments[0], str | bytes | Path):
            self.paths.append(os.fsdecode(arguments[0]))


@pytest.fixture(scope="module")
def opened() -> OpenedPaths:
    return OpenedPaths()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for folder in (root / "deep", tmp_path / "root2", tmp_path / "elsewhere"):
        folder.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "root2", tmp_path / "elsewhere"):
        (folder / "secret").write_bytes(b"SECRET")
    for link in (root / "link", root / "deep" / "link"):
        link.symlink_to(tmp_path / "elsewhere")
    for link in (root / "secret_link", root / "deep" / "secret_link"):
        link.symlink_to(tmp_path / "secret")
    return root


def within(seconds: float, action: Callable[[], object]) -> object:
    """Give what the action gives or raises; fail when it does not end in time."""
    answers: list[object] = []

    def act() -> None:
        try:
            answers.append(action())
        except (BadRecord, EnvironmentProblem) as problem:
            answers.append(problem)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    assert answers, f"not done within {seconds} s"
    return answers[0]


def code_of(answer: object) -> Code:
    assert isinstance(answer, BadRecord), answer
    return answer.code


def names_left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_none_of_200_hostile_names_opens_anything_outside_the_root(root: Path, opened: OpenedPaths) -> None:
    assert len(HOSTILE) >= 190
    opened.thread, opened.paths = threading.get_ident(), []
    refused = 0
    for name in [*HOSTILE, str(root.parent / "secret"), os.fsencode(root.parent).decode() + "/../secret"]:
        try:
            data = read_file(safe_join(root, name))
        except BadRecord as problem:
            refused += 1
            assert problem.code in {Code.PATH_ESCAPE, Code.NAME, Code.MISSING_FILE, Code.UNREADABLE}, name
        else:
            pytest.fail(f"{name!r} was read: {data!r}")
    opened.thread = 0
    assert refused == len(HOSTILE) + 2
    real = os.path.realpath(root)
    # `*/secret_link` is opened with O_NOFOLLOW, and refused by the kernel
    escapes = [path for path in opened.paths if not os.path.realpath(Path(path).parent).startswith(real)]
    assert escapes == []


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../../x",
        "/x",
        "//server/x",
        "\\\\server\\x",
        "a\\b",
        "C:\\x",
        "C:x",
        "~",
        "~/x",
        "x\0",
        "link/x",
    ],
)
def test_a_name_that_points_elsewhere_is_a_path_escape(root: Path, name: str) -> None:
    with pytest.raises(BadRecord) as caught:
        safe_join(root, name)
    assert caught.value.code == Code.PATH_ESCAPE


@pytest.mark.parametrize("name", ["", ".", "a\nb", "\x1b[31m", "\udcff", "x" * 256, "a/" + "é" * 128])
def test_a_name_that_cannot_be_shown_or_stored_is_refused(root: Path, name: str) -> None:
    for refuse in (check_name, lambda name: safe_join(root, name)):
        with pytest.raises(BadRecord) as caught:
            refuse(name)
        assert caught.value.code == Code.NAME


@given(st.lists(st.text("abcäß漢. -_'\"", min_size=1, max_size=12), min_size=1, max_size=3))
def test_an_ordinary_name_is_joined_as_pathlib_does(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    root = tmp_path_factory.getbasetemp()
    if {"..", "."} & set(parts):
        return
    assert safe_join(root, "/".join(parts)) == root.joinpath(*parts)


def test_a_link_inside_the_root_that_stays_inside_may_be_used(root: Path) -> None:
    (root / "deep" / "x.jpg").write_bytes(b"x")
    (root / "alias").symlink_to("deep")
    assert read_file(safe_join(root, "alias/x.jpg")) == b"x"


def test_a_regular_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_file(path, max_bytes=5) == b"12345"
    with pytest.raises(BadRecord, match="5 bytes; the limit is 4") as caught:
        read_file(path, max_bytes=4)
    assert caught.value.code == Code.TOO_LARGE


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


STRANGE: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
    "link": lambda path: path.symlink_to("/etc/hostname"),
    "loop": lambda path: path.symlink_to(path),
    "socket": make_socket,
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.jpg"
    STRANGE[kind](path)
    assert code_of(within(WATCHDOG_S, lambda: read_file(path))) == Code.UNREADABLE


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/tty", "/dev/null"])
def test_a_device_is_refused_at_once(device: str) -> None:
    if not Path(device).exists():
        pytest.skip(f"there is no {device} here")
    assert code_of(within(WATCHDOG_S, lambda: read_file(Path(device)))) == Code.UNREADABLE


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert code_of(within(WATCHDOG_S, lambda: read_file(tmp_path / "x"))) == Code.MISSING_FILE
    assert code_of(within(WATCHDOG_S, lambda: fingerprint_file(tmp_path / "x"))) == Code.MISSING_FILE


def test_a_file_without_read_permission_is_unreadable(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("permissions do not apply to root")
    path = tmp_path / "x"
    path.write_bytes(b"x")
    path.chmod(0)
    assert code_of(within(WATCHDOG_S, lambda: read_file(path))) == Code.UNREADABLE


def test_a_read_error_of_the_disk_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadRecord, match="permission denied") as caught:
        read_file(tmp_path / "x")
    assert caught.value.code == Code.UNREADABLE


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

    if step == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(Path, "write_bytes", fail)
        monkeypatch.setattr(os, "fsync", fail)
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
            assert target.read_bytes() in {b"checked", b""}
    finally:
        stopped.set()
        swapper.join()


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    missing = tmp_path / "no" / "folder" / "target"
    for write in (
        lambda: write_bytes(missing, b"x"),
        lambda: write_durable(missing, b"x"),
        lambda: link_or_copy(tmp_path / "source", missing),
    ):
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
