"""The base install is light: without torch and without FiftyOne the demo runs, in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import REPOSITORY

UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the base package, at the locked versions, into a new environment."""
    folder = tmp_path_factory.mktemp("light")
    source = folder / "source"
    shutil.copytree(REPOSITORY, source, ignore=shutil.ignore_patterns(".git", ".venv", "tests", "demo", ".*_cache"))
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    pins = [
        line for line in (REPOSITORY / "requirements.lock").read_text().splitlines() if "==" in line and line[0] != " "
    ]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(line.removesuffix(" \\") for line in pins))
    command = [UV, "pip", "install", "--quiet", "--constraint", constraints, source]
    subprocess.run(command, check=True, env=os.environ | {"VIRTUAL_ENV": str(folder / "venv")}, timeout=600)
    return folder / "venv" / "bin"


@pytest.mark.real
def test_the_demo_runs_without_torch_and_without_fiftyone(light: Path, tmp_path: Path) -> None:
    probe = "import importlib.util as u; print([n for n in ('torch', 'fiftyone', 'lightning') if u.find_spec(n)])"
    assert subprocess.run([light / "python", "-c", probe], capture_output=True, text=True).stdout.strip() == "[]"
    done = subprocess.run(
        [light / "curate", "demo", "--out", "demo", "--images", "16", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["portraits"]["counts"]["selected"] == 15
    assert (tmp_path / "demo" / "gallery.html").stat().st_size > 10_000
