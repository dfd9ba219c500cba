"""A script that uses workers needs no guard around its lines, wherever it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import pathlib
from curation.sources.aifenge import AifengeSettings, plan_aifenge
from curation.building.build_dataset import BuildOptions, build_dataset
from curation.dataset.dataset import read_dataset
from curation.building.workers import RunnerOptions
from curation.sources.demo_sources import write_aifenge_sample

here = pathlib.Path({folder!r})
with (here / "started").open("a") as stream:
    stream.write("x")
root = write_aifenge_sample(here / "source", images=6, seed=0)
build_dataset(plan_aifenge(AifengeSettings(root=root)), out=here / "made",
              options=BuildOptions(runner=RunnerOptions(workers=2)))
print(len(read_dataset(here / "made").table))
"""


@pytest.mark.parametrize("is_file", [True, False], ids=["a flat script", "standard input"])
def test_a_script_without_a_guard_runs_once(tmp_path: Path, is_file: bool) -> None:
    text = SCRIPT.format(folder=str(tmp_path))
    (tmp_path / "script.py").write_text(text)
    command = [sys.executable, str(tmp_path / "script.py") if is_file else "-"]
    done = subprocess.run(command, input=None if is_file else text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
    assert (tmp_path / "started").read_text() == "x"
