"""Signals that come before the command line is there: the process ends at once, with 130 and without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.places import REPOSITORY

PROGRAM = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.{number})

{before}
sys.meta_path.insert(0, Finder())
from pipelines.command_line.start import main
sys.argv[1:] = ["--version"]
main()
"""


def run(number: str, *, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run `curate --version`, which gets a signal when it begins to import click."""
    program = PROGRAM.format(number=number, before=before)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
    )


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_during_the_imports_ends_the_process_quietly(number: str) -> None:
    done = run(number)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_that_is_ignored_from_the_start_stays_ignored() -> None:
    done = run("SIGINT", before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("curate, version ")
