"""Below a folder that the user named no link is followed, not even one swapped in while a file is opened (fault S3)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from curation.dataset.sample import Outcome
from curation.errors import EnvironmentProblem, InputRefused
from curation.labels.source_images import check_original
from curation.quarantine import BadRecord, Code
from curation.storage.files import (
    TEMPORARY_PREFIX,
    check_portable,
    folded,
    link_or_copy,
    make_folder,
    read_file,
    write_bytes,
    write_durable,
)
from curation.storage.journal import Journal
from curation.storage.lock import exclusive

INSIDE, SECRET = b"inside", b"SECRET"
"""Of one length, so that a size tells nothing."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder, data in (("root/images/deep", INSIDE), ("elsewhere/deep", SECRET)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "x.jpg").write_bytes(data)
        (tmp_path / folder).parent.joinpath("x.jpg").write_bytes(data)
    return tmp_path / "root"


SWAPPER = """
import os, sys, time
folder, aside, target = sys.argv[1:]
print(flush=True)
turn = 0
while True:
    turn += 1
    os.rename(folder, aside)
    os.symlink(target, folder)
    os.unlink(folder)
    os.rename(aside, folder)
    if turn % 50 == 0:
        time.sleep(0.001)
"""


@contextmanager
def swapping(folder: Path, *, target: Path) -> Iterator[None]:
    """Put a link to `target` in place of the folder and take it away again, as fast as can be, during the block."""
    command = [sys.executable, "-c", SWAPPER, str(folder), str(folder.with_name("aside")), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        assert swapper.stdout is not None
        swapper.stdout.readline()
        try:
            yield
        finally:
            swapper.kill()


@pytest.mark.parametrize("name", ["images/x.jpg", "images/deep/x.jpg"])
def test_a_file_in_folders_is_read_and_linked(root: Path, tmp_path: Path, name: str) -> None:
    assert read_file(root / name, below=root) == INSIDE
    link_or_copy(root / name, tmp_path / "target", below=root)
    assert (root / name).samefile(tmp_path / "target")


def test_the_folder_that_the_user_named_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert read_file(tmp_path / "alias" / "images" / "x.jpg", below=tmp_path / "alias") == INSIDE


@pytest.mark.parametrize("folder", ["images", "images/deep"])
def test_a_folder_that_is_a_link_is_not_entered(root: Path, tmp_path: Path, folder: str) -> None:
    (root / folder).rename(tmp_path / "kept")
    (root / folder).symlink_to(tmp_path / "elsewhere")
    path = root / folder / "x.jpg"
    assert read_file(path) == SECRET
    with pytest.raises(BadRecord, match="symbolic link") as caught:
        read_file(path, below=root)
    assert caught.value.code == Code.UNREADABLE
    with pytest.raises(BadRecord, match="symbolic link"):
        check_original(path, below=root)
    with pytest.raises(BadRecord, match="symbolic link"):
        link_or_copy(path, tmp_path / "target", below=root)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("folder", ["images", "images/deep"])
def test_a_racing_swapper_never_gets_a_file_from_elsewhere_read(root: Path, tmp_path: Path, folder: str) -> None:
    path, found = root / "images" / "deep" / "x.jpg", set()
    target = tmp_path / "elsewhere" / ("deep" if folder.endswith("deep") else "")
    with swapping(root / folder, target=target):
        for _ in range(3000):
            try:
                found.add(read_file(path, below=root))
            except BadRecord as problem:
                found.add(str(problem.code).encode())
    assert found <= {INSIDE, b"MISSING_FILE", b"UNREADABLE"}
    assert INSIDE in found


@pytest.mark.parametrize("step", ["open", "link"])
def test_a_folder_that_is_swapped_at_the_last_moment_is_not_followed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    act = getattr(os, step)

    def swap_first(name: object, *rest: Any, **options: Any) -> Any:
        if str(name).endswith("x.jpg") and not (root / "images").is_symlink():
            (root / "images").rename(tmp_path / "aside")
            (root / "images").symlink_to(tmp_path / "elsewhere")
        return act(name, *rest, **options)

    monkeypatch.setattr(os, step, swap_first)
    path = root / "images" / "x.jpg"
    if step == "open":
        assert read_file(path, below=root) == INSIDE
    else:
        link_or_copy(path, tmp_path / "target", below=root, data=INSIDE)
        assert (tmp_path / "target").read_bytes() == INSIDE
    assert path.read_bytes() == SECRET


@pytest.mark.parametrize(
    ("one", "other"), [("A.jpg", "a.JPG"), ("\u00e9", "e\u0301"), ("\u00c9", "e\u0301"), ("\u1e9e", "SS")]
)
def test_names_that_some_file_system_takes_for_one_are_folded_to_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert folded(one + "x") != folded(other)


@pytest.mark.parametrize("character", list('<>:"/\\|?*'))
def test_a_character_that_some_file_system_refuses_is_refused(character: str) -> None:
    with pytest.raises(BadRecord, match="not every file system can hold") as caught:
        check_portable(f"a{character}b", file="f.jpg")
    assert (caught.value.code, caught.value.file) == (Code.NAME, "f.jpg")


LINKED = {
    "a file that is renamed": lambda folder: write_durable(folder / "a", b"new"),
    "a secret": lambda folder: write_durable(folder / "a", b"new", is_secret=True),
    "a file of a thread": lambda folder: write_bytes(folder / "a", b"new"),
}


@pytest.mark.parametrize("what", LINKED)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_under_the_name_of_an_unfinished_file_is_replaced_not_followed(
    tmp_path: Path, what: str, is_there: bool
) -> None:
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    if is_there:
        victim.write_bytes(b"precious")
    for name in (f"{TEMPORARY_PREFIX}a", f"{TEMPORARY_PREFIX}{os.getpid()}-{threading.get_ident()}"):
        (folder / name).symlink_to(victim)
    LINKED[what](folder)
    assert (folder / "a").read_bytes() == b"new"
    assert not (folder / "a").is_symlink()
    assert (victim.read_bytes() if victim.exists() else None) == (b"precious" if is_there else None)


def test_a_journal_that_is_a_link_is_neither_read_nor_written(tmp_path: Path) -> None:
    victim, journal = tmp_path / "victim", tmp_path / "journal.jsonl"
    victim.write_bytes(b"precious\n")
    journal.symlink_to(victim)
    with pytest.raises(EnvironmentProblem, match="a symbolic link, which is not followed") as caught:
        Journal(journal, kind=Outcome).start(run_id="run")
    assert caught.value.where == str(journal)
    assert victim.read_bytes() == b"precious\n"


@pytest.mark.parametrize("inner", ["work", "work/deep", ".curate/lock"])
def test_no_folder_of_ours_is_made_or_locked_through_a_link(tmp_path: Path, inner: str) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    out.mkdir()
    (out / inner.split("/")[0]).symlink_to(outside)
    refused = pytest.raises(InputRefused, match="a symbolic link, where a folder of ours belongs")
    if inner.endswith("lock"):
        with refused, exclusive(out / inner):
            pass
    else:
        with refused:
            make_folder(out / inner, below=out)
    assert list(outside.iterdir()) == []
