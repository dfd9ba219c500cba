"""Names from data never lead outside, and reading never follows a link or blocks (faults D6, S2, S3)."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import EnvironmentProblem
from curation.quarantine import BadRecord, Code
from curation.storage.files import (
    check_name,
    fingerprint_file,
    read_file,
    safe_join,
)

WATCHDOG_S = 5.0
SEPARATORS = ("/", "//", "/./", "\\", "%2f", "%5c", "\u2215", "\uff0f")
CLIMBERS = ("..", "...", ". .", "..\\..", "%2e%2e", "..%00", "%252e%252e", ".\u202e.", "\uff0e\uff0e", "..;")
OTHERS = (
    *("", ".", "..", "./..", "a/..", "a/../..", "a/b/../../..", "/", "//", "/etc/passwd", "//server/share/x.jpg"),
    *("\\\\server\\share\\x.jpg", "\\\\?\\C:\\x.jpg", "C:\\x.jpg", "C:/x.jpg", "c:x.jpg", "Z:", "~", "~/x.jpg"),
    *("~root/x.jpg", "x\0.jpg", "\0", "../\0x.jpg", "x.jpg\0/../../secret", "a\nb.jpg", "\x1b[2Jx.jpg", "\u2028.jpg"),
    *("\udcff.jpg", "a/\udc80/b.jpg", "x" * 256, "a/" + "y" * 300 + "/b.jpg", "file:///etc/passwd", "link/secret"),
    *("link/../secret", "deep/link/secret", "secret_link", "deep/secret_link", "/proc/self/environ", "../root2/secret"),
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
    """Return what the action gives or raises; fail when it does not end in time."""
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


def test_none_of_200_hostile_names_opens_anything_outside_the_root(root: Path, opened: OpenedPaths) -> None:
    assert len(HOSTILE) + 2 >= 200
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


@pytest.mark.parametrize("name", ["./", "./."])
def test_a_name_that_is_the_folder_itself_is_empty(root: Path, name: str) -> None:
    with pytest.raises(BadRecord, match="empty") as caught:
        safe_join(root, name)
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


def test_a_small_file_takes_little_memory_whatever_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    tracemalloc.start()
    try:
        assert read_file(path, max_bytes=1 << 32) == b"12345"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


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
    def refuse(path: object, flags: int, **_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadRecord, match="permission denied") as caught:
        read_file(tmp_path / "x")
    assert caught.value.code == Code.UNREADABLE
