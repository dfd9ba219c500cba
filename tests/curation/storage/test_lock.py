"""One holder at a time; a dead one is recovered without anybody's help (faults D4)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from curation.errors import EnvironmentProblem
from curation.storage.lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from curation.storage.lock import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def hold_elsewhere(lock_file: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, lock_file], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_the_lock_file_names_its_holder_and_is_gone_afterwards(tmp_path: Path) -> None:
    lock_file = tmp_path / "D" / ".curate" / "lock"
    with exclusive(lock_file):
        assert json.loads(lock_file.read_text())["pid"] == os.getpid()
    assert not lock_file.parent.exists()


def test_the_folder_of_the_lock_stays_when_something_else_is_in_it(tmp_path: Path) -> None:
    lock_file = tmp_path / ".curate" / "lock"
    with exclusive(lock_file):
        (lock_file.parent / "journal.jsonl").touch()
    assert [path.name for path in lock_file.parent.iterdir()] == ["journal.jsonl"]


def test_another_process_is_refused_with_the_holder_named_and_let_in_when_it_was_killed(tmp_path: Path) -> None:
    lock_file = tmp_path / "D" / ".curate" / "lock"
    holder = hold_elsewhere(lock_file)
    try:
        with pytest.raises(EnvironmentProblem, match=f"process {holder.pid} on") as caught, exclusive(lock_file):
            pass
        assert caught.value.where == str(tmp_path / "D")
    finally:
        kill(holder)
    assert lock_file.exists()  # the dead left it, with a process id that may live again as somebody else
    with exclusive(lock_file):
        assert json.loads(lock_file.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff", b'{"pid": 1}'])
def test_a_damaged_lock_file_is_taken_over_and_when_held_the_refusal_still_works(
    tmp_path: Path, content: bytes
) -> None:
    lock_file = tmp_path / ".curate" / "lock"
    lock_file.parent.mkdir()
    lock_file.write_bytes(content)
    with exclusive(lock_file):
        lock_file.write_bytes(content)
        with pytest.raises(EnvironmentProblem, match="another run works in"), exclusive(lock_file):
            pass


def test_a_lock_that_moved_away_with_its_folder_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    lock_file = tmp_path / "D" / ".curate" / "lock"
    with exclusive(lock_file):
        (tmp_path / "D").rename(tmp_path / "aside")
        with exclusive(lock_file):
            inner = lock_file.stat().st_ino
    with exclusive(lock_file):
        (tmp_path / "D").rename(tmp_path / "aside2")
        other = hold_elsewhere(lock_file)
    try:
        assert lock_file.exists(), inner
    finally:
        kill(other)


def test_a_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EnvironmentProblem, match="cannot write"), exclusive(tmp_path / "file" / "lock"):
        pass
    (tmp_path / "lock").symlink_to("/nowhere/at/all")
    with pytest.raises(EnvironmentProblem, match="cannot write"), exclusive(tmp_path / "lock"):
        pass


def test_however_many_come_and_go_there_is_never_more_than_one_inside(tmp_path: Path) -> None:
    lock_file = tmp_path / "D" / ".curate" / "lock"
    inside, most, entered = 0, 0, 0
    guard = threading.Lock()

    def come_and_go() -> None:
        nonlocal inside, most, entered
        for _ in range(400):
            try:
                with exclusive(lock_file):
                    with guard:
                        inside += 1
                        entered += 1
                        most = max(most, inside)
                    with guard:
                        inside -= 1
            except EnvironmentProblem:
                continue

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert entered > 0
    assert list((tmp_path / "D").iterdir()) == []
