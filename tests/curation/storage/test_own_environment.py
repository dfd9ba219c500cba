"""Environments of their own: installed once, whole or not at all."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from curation.errors import EnvironmentProblem
from curation.storage.own_environment import OwnEnvironment


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OwnEnvironment:
    """Return an environment without any package, in a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    return OwnEnvironment(
        name="nothing",
        folder_name="nothing-1",
        requirements=tmp_path / "requirements.lock",
        cost="a second",
        remedy="do without",
    )


def test_it_is_installed_once_and_again_when_its_requirements_change(environment: OwnEnvironment) -> None:
    told: list[str] = []
    python = environment.program("python", tell=told.append)
    done = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(environment.folder / "venv")
    assert environment.program("python", tell=told.append) == python
    assert len(told) == 2, "begun and done, once"
    environment.requirements.write_text("# nothing else\n")
    assert not environment.is_installed()
    environment.program("python", tell=told.append)
    assert environment.is_installed() and len(told) == 4


def test_what_cannot_be_installed_says_where_to_look_and_is_tried_again(environment: OwnEnvironment) -> None:
    wrong = replace(environment, requirements=environment.requirements.with_name("none.lock"))
    wrong.requirements.write_text("no-such-package @ file:///nowhere/none.whl --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(EnvironmentProblem, match="nothing cannot be installed") as refused:
        wrong.program("python", tell=lambda _: None)
    assert refused.value.where == str(wrong.folder / "install.log")
    assert "do without" in str(refused.value)
    assert not wrong.is_installed()
    environment.program("python", tell=lambda _: None)
    assert environment.is_installed()
