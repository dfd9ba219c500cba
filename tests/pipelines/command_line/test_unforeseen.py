"""What the machine refuses anywhere is told as that, with an exit code of its own, and never as a bug of ours."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.files import cannot_write
from pipelines.command_line.unforeseen import machine_problem

PATIENCE_S = 120
GIGABYTE = 1 << 30


def curate(*words: object, before: str = "", memory: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: `before` is Python that runs first, `memory` its limit in bytes."""
    limit = f"resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))" if memory else ""
    code = f"import os, resource, sys\n{before}\n{limit}\nfrom pipelines.command_line.start import main\nmain()"
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"photos/{seed}.png"), pixels)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (MemoryError(), EnvironmentProblem, "memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), EnvironmentProblem, "memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), EnvironmentProblem, "memory"),
        (RuntimeError("can't start new thread"), EnvironmentProblem, "memory"),
        (ValueError("embedded null byte"), InputRefused, "NUL"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), InputRefused, "too long"),
        (OSError(errno.EACCES, "Permission denied", "/x"), EnvironmentProblem, "permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), EnvironmentProblem, "disk is full"),
    ],
)
def test_what_the_machine_refuses_is_told_with_what_to_do(error: Exception, kind: type, said: str) -> None:
    problem = machine_problem(error)
    assert isinstance(problem, kind) and said in str(problem) and problem.remedy


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("wrong"), OSError(errno.ENOENT, "No such file", "x")])
def test_a_bug_of_ours_stays_one(error: Exception) -> None:
    assert machine_problem(error) is None


def test_a_limit_on_the_size_of_files_is_not_told_as_a_full_disk() -> None:
    problem = cannot_write(Path("x"), OSError(errno.EFBIG, "File too large"))
    assert "ulimit -f" in problem.reason and "disk is full" not in str(problem)


def test_a_working_folder_that_is_gone_is_told(photos: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    before = f"os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})"
    done = curate("images", "--root", photos, "--out", tmp_path / "D", before=before)
    assert (done.returncode, "working folder" in done.stderr, "Traceback" in done.stderr) == (5, True, False)
    gone.mkdir()
    assert curate("images", "-h", before=before).returncode == 0


def test_workers_stay_below_a_memory_limit_that_is_lower_than_their_own(photos: Path, tmp_path: Path) -> None:
    done = curate("images", "--root", photos, "--out", tmp_path / "D", "--workers", 2, memory=3 * GIGABYTE)
    assert done.returncode == 0, done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 3 * GIGABYTE and (tmp_path / "D/images").is_dir()


@pytest.mark.parametrize("memory", [GIGABYTE // 4, GIGABYTE * 3 // 4])
def test_too_little_memory_is_told_without_a_traceback(memory: int, photos: Path, tmp_path: Path) -> None:
    done = curate("images", "--root", photos, "--out", tmp_path / "D", memory=memory)
    assert (done.returncode, "Traceback" in done.stderr) == (5, False), done.stderr
    assert f"{memory >> 20} MiB of memory, and needs 1,024 MiB" in done.stderr and "ulimit -v" in done.stderr


@pytest.mark.parametrize("name", ["a" * 300, "b/" * 3000])
def test_a_path_that_is_too_long_is_refused(name: str) -> None:
    done = curate("stats", name)
    assert (done.returncode, "too long" in done.stderr) == (4, True)
