"""Whether a machine may work on a job: it has the same programs, and sees the same files.

Results have to be the same bytes whoever makes them, so the code of this tool and the packages that it computes with
must be of one version everywhere.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, Final

from curation.building.engine import Job

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
    paths = [*_paths_in(job), *(path.parent for path in _paths_in(some))]
    found = [_sight(path) for path in list(dict.fromkeys(paths))[:MOST_FOLDERS]]
    return [one for one in found if one is not None]


class _Noting(pickle.Pickler):
    """Pickles, and notes which paths are in it."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self.paths: list[Path] = []

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, PurePath):
            self.paths.append(Path(value))
        return NotImplemented


def _paths_in(value: object) -> list[Path]:
    noting = _Noting()
    noting.dump(value)
    return noting.paths


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
    """Return a function that answers a question on the machine where it is called; it stands on nothing of ours."""

    def answer(
        *,
        cwd: str,
        rooms: Sequence[str],
        packages: Sequence[str],
        sights: Sequence[tuple[str, int | None, Sequence[str]]],
    ) -> dict[str, Any]:
        import hashlib
        import importlib.util
        import os
        import platform
        import time
        from importlib import metadata
        from pathlib import Path

        def version(package: str) -> str:
            try:
                return metadata.version(package).partition("+")[0]
            except metadata.PackageNotFoundError:
                return "not installed"

        def digest() -> str:
            total = hashlib.sha256()
            for room in rooms:
                spec = importlib.util.find_spec(room)
                if spec is None or spec.origin is None:
                    return "not installed"
                root = Path(spec.origin).parent
                for file in sorted(root.rglob("*.py")):
                    total.update(f"{room}/{file.relative_to(root)}".encode() + file.read_bytes())
            return total.hexdigest()[:12]

        def lacks(path: str, size: int | None, names: Sequence[str]) -> bool:
            full = os.path.join(cwd, path)  # noqa: PTH118
            if size is not None:
                return not os.path.isfile(full) or os.path.getsize(full) != size  # noqa: PTH113, PTH202
            return not os.path.isdir(full) or not all(os.path.lexists(os.path.join(full, name)) for name in names)  # noqa: PTH112, PTH118

        return {
            "programs": {
                "Python": platform.python_version(),
                "the code of curate": digest(),
                **{package: version(package) for package in packages},
            },
            "lacks": [path for path, size, names in sights if lacks(path, size, names)]
            + ([] if os.path.isdir(cwd) else [cwd]),  # noqa: PTH112
            "clock": time.time(),
        }

    return answer


def differing(ours: Mapping[str, str], *, theirs: Mapping[str, str]) -> list[str]:
    """Return what is not of the same version on two machines, with both versions.

    >>> differing({"ray": "2.60.0", "numpy": "2.1"}, theirs={"ray": "2.52.0", "numpy": "2.1"})
    ['ray is 2.60.0 here and 2.52.0 there']
    """
    return [f"{name} is {ours[name]} here and {theirs[name]} there" for name in ours if ours[name] != theirs[name]]
