"""Run `curate` as a user does, on a small AiFenGe folder that is drawn here, and with faults where they are wanted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import psutil

from pipelines.command_line.options import RunOptions
from pipelines.sources.aifenge import AifengeFlags, aifenge
from tests.places import REPOSITORY

HOOK = Path(__file__).parent / "kill_hook"
NOTHING: Mapping[str, object] = MappingProxyType({})
DONE = frozenset({0, 3})
"""Exit codes: done; and done, but some inputs were set aside."""
CURATE = (sys.executable, "-m", "pipelines.command_line.cli")


def draw_aifenge(root: Path, *, samples: int) -> Path:
    """Draw photographs of 60 x 80 pixels and their cut-outs in the layout of AiFenGe."""
    rng = np.random.default_rng(samples)
    images = root / "clip_img" / "1803151818" / "clip_00000000"
    cutouts = root / "matting" / "1803151818" / "matting_00000000"
    images.mkdir(parents=True)
    cutouts.mkdir(parents=True)
    for number in range(samples):
        photo = cv2.resize(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8), (60, 80))
        alpha = np.zeros((80, 60), np.uint8)
        cv2.ellipse(alpha, (30, 50), (12 + number % 12, 28), 0, 0, 360, 255, -1)
        soft = cv2.GaussianBlur(alpha, (5, 5), 0)
        name = f"1803151818-{number:08d}"
        (images / f"{name}.jpg").write_bytes(cv2.imencode(".jpg", photo)[1].tobytes())
        (cutouts / f"{name}.png").write_bytes(cv2.imencode(".png", np.dstack([photo, soft]))[1].tobytes())
    return root


def start(
    *arguments: object,
    plan: str = "",
    below: Path | None = None,
    variables: Mapping[str, object] = NOTHING,
    command: tuple[str, ...] = CURATE,
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own; `plan` is a fault (see `kill_hook`) in changes below a folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        **{name: str(value) for name, value in variables.items()},
    }
    if plan:
        environment |= {"FAULT_PLAN": plan, "FAULT_ROOT": str(below), "PYTHONPATH": f"{HOOK}{os.pathsep}{REPOSITORY}"}
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE if command != CURATE else subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], *, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Wait for a command and give what it said; afterwards nothing of it is left."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        left = processes_of(process.pid, patience_s=5.0)
        for one in left:
            one.kill()
    assert not left, f"processes left behind: {left}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def run(
    *arguments: object, plan: str = "", below: Path | None = None, variables: Mapping[str, object] = NOTHING
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return finish(start(*arguments, plan=plan, below=below, variables=variables))


def aifenge_command(root: Path, out: Path, *, workers: int = 1) -> list[object]:
    """Return the command line that makes a dataset of the drawn folder."""
    return ["aifenge", "--root", root, "--out", out, "--workers", workers]


def go_on(root: Path, out: Path, *, overwrite: bool = False) -> int:
    """Run the same command again, plainly, in this process (a new one takes seconds to start); give its exit code."""
    run_options = RunOptions(workers=0, quiet=True, overwrite=overwrite)
    return aifenge(AifengeFlags(root=root, out=out), run=run_options).exit_code


def count_changes(arguments: list[object], *, process: str, below: Path, counts: Path) -> int:
    """Run a command to its end and give how many changes `process` made below a folder."""
    counts.mkdir()
    done = run(*arguments, plan=f"{process}:count:1", below=below, variables={"FAULT_COUNT": counts})
    assert done.returncode in DONE, done.stderr
    return sum(path.stat().st_size for path in counts.iterdir())


def spread(changes: int, *, number: int) -> list[int]:
    """Return `number` points from the first change to the last.

    >>> spread(10, number=4)
    [1, 4, 7, 10]
    """
    return [1 + position * (changes - 1) // (number - 1) for position in range(number)]


def difference(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """Return the names of files that are missing, too many, or other."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


def processes_of(group: int, *, patience_s: float = 0.0) -> list[psutil.Process]:
    """Return the living processes of a process group, once they had some time to end."""
    deadline = time.monotonic() + patience_s
    while True:
        found = [process for process in psutil.process_iter() if _is_alive_in(process, group=group)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, hidden and temporary ones too, and every empty folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
        elif not any(path.iterdir()):
            found[f"{path.relative_to(folder)}/"] = b""
    return found


def _is_alive_in(process: psutil.Process, *, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
