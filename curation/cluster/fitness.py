"""Whether a machine may work on a job: it has the same programs, and sees the same files.

Results have to be the same bytes whoever makes them, so the code of this tool and the packages that it computes with
must be of one version everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any, Final

from curation.building.engine import Job
from curation.cluster.spool import paths_in

ROOMS: Final = ("curation", "models", "labeling", "reports", "pipelines")
DISTRIBUTION: Final = "portrait-curate"
EXAMPLES: Final = 3
MOST_FOLDERS: Final = 64
"""So many folders and files are looked for on each machine: those of the job, and those of its first items."""
MOST_SKEW_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is to be seen of a path: a file with its size, or a folder with some of the names in it."""

    path: str
    size: int | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a machine is asked; made of plain values, so that one without this tool can answer as well."""

    cwd: str
    rooms: tuple[str, ...]
    packages: tuple[str, ...]
    sights: tuple[tuple[str, int | None, tuple[str, ...]], ...]

    @property
    def values(self) -> dict[str, Any]:
        """Return the arguments of the function that `asked` gives."""
        return {"cwd": self.cwd, "rooms": self.rooms, "packages": self.packages, "sights": self.sights}


def question(job: Job[Any, Any], items: Sequence[Any], *, spool: Path | None) -> Question:
    """Return what machines are asked before they work on items of a job, with a spool that was made for it."""
    seen = [*([] if spool is None else [Sight(path=str(spool))]), *sights(job, items)]
    return Question(
        cwd=str(Path.cwd()),
        rooms=ROOMS,
        packages=packages(),
        sights=tuple((one.path, one.size, one.names) for one in seen),
    )


def packages() -> tuple[str, ...]:
    """Return the packages that results may depend on, and Ray: what the metadata of this tool asks for."""
    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        lines = ["numpy", "opencv-python-headless", "pillow"]
    wanted = [line for line in lines if "extra" not in line or 'extra == "models"' in line]
    return ("ray", *sorted({re.split(r"[^\w.-]", line)[0] for line in wanted}))


def sights(job: Job[Any, Any], items: Sequence[Any]) -> list[Sight]:
    """Return what this machine sees of the paths that stand anywhere in a job, and in some of its items."""
    some = [items[place] for place in range(0, len(items), max(1, len(items) // MOST_FOLDERS))]
    paths = [*paths_in(job), *(path.parent for path in paths_in(some))]
    found = [_sight(path) for path in list(dict.fromkeys(paths))[:MOST_FOLDERS]]
    return [one for one in found if one is not None]


def _sight(path: Path) -> Sight | None:
    """Return what is to be seen of a path here, None where that is nothing."""
    try:
        if path.is_file():
            return Sight(path=str(path), size=path.stat().st_size)
        with_names = (one.name for one in path.iterdir() if not one.name.startswith("."))
        return Sight(path=str(path), names=tuple(islice(with_names, EXAMPLES)))
    except OSError:
        return None


def asked() -> Callable[..., dict[str, Any]]:
    """Return a function that answers a question on the machine where it is called; it stands on nothing of ours.

    It and those that it calls are defined inside functions, so that their code travels, not their names.
    """
    programs, lacks = _programs(), _lacks()

    def answer(
        *,
        cwd: str,
        rooms: Sequence[str],
        packages: Sequence[str],
        sights: Sequence[tuple[str, int | None, Sequence[str]]],
    ) -> dict[str, Any]:
        import time
        from pathlib import Path

        unseen = [path for path, size, names in sights if lacks(str(Path(cwd) / path), size, names)]
        return {
            "programs": programs(rooms, packages),
            "lacks": [*([cwd] if lacks(cwd, None, ()) else []), *unseen],
            "clock": time.time(),
        }

    return answer


def _programs() -> Callable[[Sequence[str], Sequence[str]], dict[str, str]]:
    def version(package: str) -> str:
        from importlib import metadata

        try:
            return metadata.version(package).partition("+")[0]
        except metadata.PackageNotFoundError:
            return "not installed"

    def digest(rooms: Sequence[str]) -> str:
        import hashlib
        import importlib.util
        from pathlib import Path

        total = hashlib.sha256()
        for room in rooms:
            spec = importlib.util.find_spec(room)
            if spec is None or spec.origin is None:
                return "not installed"
            root = Path(spec.origin).parent
            for file in sorted(root.rglob("*.py")):
                total.update(f"{room}/{file.relative_to(root)}".encode() + file.read_bytes())
        return total.hexdigest()[:12]

    def programs(rooms: Sequence[str], packages: Sequence[str]) -> dict[str, str]:
        import platform

        ours = {"Python": platform.python_version(), "the code of curate": digest(rooms)}
        return ours | {package: version(package) for package in packages}

    return programs


def _lacks() -> Callable[[str, int | None, Sequence[str]], bool]:
    def lacks(path: str, size: int | None, names: Sequence[str]) -> bool:
        import os
        from pathlib import Path

        full = Path(path)
        if size is not None:
            return not full.is_file() or full.stat().st_size != size
        return not full.is_dir() or not all(os.path.lexists(full / name) for name in names)

    return lacks


def differing(ours: Mapping[str, str], *, theirs: Mapping[str, str]) -> list[str]:
    """Return what is not of the same version on two machines, with both versions.

    >>> differing({"ray": "2.60.0", "numpy": "2.1"}, theirs={"ray": "2.52.0", "numpy": "2.1"})
    ['ray is 2.60.0 here and 2.52.0 there']
    """
    return [f"{name} is {ours[name]} here and {theirs[name]} there" for name in ours if ours[name] != theirs[name]]
