"""The server's own environment: Label Studio needs other versions of packages than we do.

It is installed once per user, from requirements that are locked with hashes, into the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.files import make_folder, sha256_of, telling_where, write_durable
from curation.lock import exclusive

VERSION: Final = "1.23.2"
REQUIREMENTS: Final = Path(__file__).with_name("requirements.lock")
INSTALLED: Final = "installed"
"""Holds the SHA-256 of the requirements; written last, so an environment that has it is whole."""
LOG: Final = "install.log"


def server_program(*, tell: Callable[[str], None]) -> Path:
    """Give the program of the server, and install it where it is not yet; `tell` is told what takes long.

    Raises EnvironmentProblem when it cannot be installed.
    """
    folder = environment_folder()
    if not is_installed():
        with exclusive(folder / ".curate" / "lock"):
            if not is_installed():
                _install(folder, tell=tell)
    return folder / "venv" / "bin" / "label-studio"


def environment_folder() -> Path:
    """Give the folder of the environment."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "curate" / f"label-studio-{VERSION}"


def is_installed() -> bool:
    """Tell whether the environment is there, whole, and of these requirements."""
    try:
        return (environment_folder() / INSTALLED).read_text() == sha256_of(REQUIREMENTS.read_bytes())
    except OSError:
        return False


def _install(folder: Path, *, tell: Callable[[str], None]) -> None:
    tell(f"installing Label Studio {VERSION} into {folder}: about 800 MB, a minute or a few, once")
    environment = folder / "venv"
    if environment.exists():
        with telling_where(environment):
            shutil.rmtree(environment)
    for command in _commands(environment):
        _run(command, log=folder / LOG)
    write_durable(folder / INSTALLED, sha256_of(REQUIREMENTS.read_bytes()).encode())
    tell("Label Studio is installed")


def _commands(environment: Path) -> list[list[str]]:
    """Give the commands that make the environment: uv is ten times as fast, pip is always there."""
    python = str(environment / "bin" / "python")
    locked = ["install", "--require-hashes", "-r", str(REQUIREMENTS)]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        return [[sys.executable, "-m", "venv", str(environment)], [python, "-m", "pip", *locked]]
    return [[uv, "venv", "--python", sys.executable, str(environment)], [uv, "pip", *locked, "--python", python]]


def _run(command: list[str], *, log: Path) -> None:
    make_folder(log.parent)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        write_durable(log, done.stdout + done.stderr, is_secret=True)  # an index may have its password in its address
        raise EnvironmentProblem(
            f"Label Studio cannot be installed ({Path(command[0]).name} ended with {done.returncode})",
            where=log,
            remedy="look there for the reason; it needs the package index and 1 GB. Or use a server of your own: set "
            "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY",
        )
