"""Environments of their own, for programs that need other versions of packages than we do.

Each is installed once per user, into the cache, from requirements that are locked with hashes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.storage.claimed_folder import lock_file
from curation.storage.files import make_folder, sha256_of, telling_where, write_durable
from curation.storage.lock import exclusive

INSTALLED: Final = "installed"
"""Holds the SHA-256 of the requirements; written last, so an environment that has it is whole."""
LOG: Final = "install.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnEnvironment:
    """What is installed: its name in messages, its folder in the cache, and what it costs.

    `folder_name` bears a version: it changes when what is in the environment before must not be used any more. Without
    dependencies, packages are there for their files alone, and are not imported.
    """

    name: str
    folder_name: str
    requirements: Path
    cost: str
    remedy: str
    with_dependencies: bool = True

    @property
    def folder(self) -> Path:
        """The folder of the environment."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(cache) / "curate" / self.folder_name

    def is_installed(self) -> bool:
        """Tell whether the environment is there, whole, and of these requirements."""
        try:
            return (self.folder / INSTALLED).read_text() == sha256_of(self.requirements.read_bytes())
        except OSError:
            return False

    def program(self, name: str, *, tell: Callable[[str], None]) -> Path:
        """Return a program of the environment, and install that where it is not yet; `tell` is called with what takes
        long.

        Raises EnvironmentProblem when it cannot be installed.
        """
        self.install(tell=tell)
        return self.folder / "venv" / "bin" / name

    def package(self, name: str, *, tell: Callable[[str], None]) -> Path:
        """Return the folder of a package of the environment, which is installed as for `program`.

        Raises EnvironmentProblem when it cannot be installed, or has no such package.
        """
        self.install(tell=tell)
        found = sorted((self.folder / "venv" / "lib").glob(f"python*/site-packages/{name}"))
        if not found:
            raise EnvironmentProblem(
                f"{self.name}: there is no package {name}",
                where=self.folder,
                remedy="delete this folder, and try again",
            )
        return found[0]

    def install(self, *, tell: Callable[[str], None]) -> None:
        """Install the environment where it is not yet. Raises EnvironmentProblem when it cannot be installed."""
        if not self.is_installed():
            with exclusive(lock_file(self.folder)):
                if not self.is_installed():
                    self._install(tell=tell)

    def _install(self, *, tell: Callable[[str], None]) -> None:
        tell(f"installing {self.name} into {self.folder}: {self.cost}, only once")
        environment = self.folder / "venv"
        if environment.exists():
            with telling_where(environment):
                shutil.rmtree(environment)
        for command in self._commands(environment):
            self._run(command)
        write_durable(self.folder / INSTALLED, sha256_of(self.requirements.read_bytes()).encode())
        tell(f"{self.name} is installed")

    def _commands(self, environment: Path) -> list[list[str]]:
        """Return the commands that make the environment: uv is ten times as fast, pip is always there."""
        python = str(environment / "bin" / "python")
        locked = ["install", "--require-hashes", "-r", str(self.requirements)]
        if not self.with_dependencies:
            locked.insert(1, "--no-deps")
        beside = Path(sys.executable).with_name("uv")
        uv = str(beside) if beside.exists() else shutil.which("uv")
        if uv is None:
            return [[sys.executable, "-m", "venv", str(environment)], [python, "-m", "pip", *locked]]
        return [[uv, "venv", "--python", sys.executable, str(environment)], [uv, "pip", *locked, "--python", python]]

    def _run(self, command: list[str]) -> None:
        make_folder(self.folder)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            # an index may have its password in its address
            write_durable(self.folder / LOG, done.stdout + done.stderr, is_secret=True)
            raise EnvironmentProblem(
                f"{self.name} cannot be installed ({Path(command[0]).name} ended with {done.returncode})",
                where=self.folder / LOG,
                remedy=f"look there for the reason; {self.remedy}",
            )
