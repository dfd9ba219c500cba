"""Standard streams that are full, closed, or without a reader: what was done counts, and nobody sees a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.commands import CURATE, aifenge_command, draw_aifenge
from tests.places import REPOSITORY

SHELL = ("sh", "-c")


def run_into_a_pipe_without_reader(*arguments: object, with_stderr: bool) -> subprocess.CompletedProcess[bytes]:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [*CURATE, *map(str, arguments)],
            stdout=writer,
            stderr=writer if with_stderr else subprocess.PIPE,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)


@pytest.mark.parametrize("with_stderr", [False, True], ids=["stdout", "stdout and stderr"])
def test_a_reader_that_left_changes_neither_the_work_nor_the_exit_code(tmp_path: Path, with_stderr: bool) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=3), tmp_path / "D"
    for arguments, code in (
        (aifenge_command(root, out, workers=0), 0),
        (["stats", tmp_path / "none", "--json"], 4),
        (["nosuch", "--json"], 2),
    ):
        done = run_into_a_pipe_without_reader(*arguments, with_stderr=with_stderr)
        assert done.returncode == code, arguments
        assert b"Traceback" not in (done.stderr or b"")
    assert (out / "manifest.parquet").exists()


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_neither_the_work_nor_the_exit_code(tmp_path: Path, closed: str) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=3), tmp_path / "D"
    command = [*CURATE, *map(str, aifenge_command(root, out, workers=1))]
    done = subprocess.run(
        [*SHELL, f'exec "$@" {closed}', "sh", *command], capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (out / "manifest.parquet").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
def test_a_result_that_cannot_be_written_is_told_and_exits_5(tmp_path: Path) -> None:
    root, out = draw_aifenge(tmp_path / "R", samples=3), tmp_path / "D"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*CURATE, *map(str, aifenge_command(root, out))],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 5
    assert "standard output: the result cannot be written: no space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (out / "manifest.parquet").exists()


def test_what_libraries_and_processes_print_goes_to_stderr(tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys\n"
        "from pipelines.command_line.verb_command import only_results_on_stdout\n"
        "print('before', flush=True)\n"
        "with only_results_on_stdout():\n"
        "    print('from a library')\n"
        "    os.write(1, b'from native code\\n')\n"
        "    subprocess.run(['echo', 'from a process'], check=True)\n"
        "print('result')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert done.stdout.splitlines() == ["before", "result"]
    assert sorted(done.stderr.splitlines()) == ["from a library", "from a process", "from native code"]
