"""`curate doctor`: what works on this machine, and the command that repairs the rest. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from labeling.browsing.mongod import CVE, browse_folder, find_mongod, is_affected, said_of
from pipelines.command_line.options import HERE, Result, RunOptions, setting
from pipelines.diagnosis.apart_checks import check_faces, check_tflite
from pipelines.diagnosis.check import Check
from pipelines.diagnosis.cluster_checks import check_cluster
from pipelines.diagnosis.store_checks import check_store
from pipelines.labels.listening import LISTENERS, listening_lines

DISTRIBUTION: Final = "portrait-curate"
ENVIRONMENT: Final = 5
LOWEST_PYTHON: Final = (3, 11)
GROUPS: Final[dict[str, str]] = {
    "base": "every curation command",
    "models": "train, evaluate, mine, export",
    "browse": "browse (FiftyOne)",
    "label": "label (Label Studio)",
    "loop": "retrain, schedule",
    "video": "predict, for videos",
    "mobile": "export --to ncnn, export --int8, benchmark of ncnn files",
    "heif": "photographs in HEIC",
    "ray": "--engine ray, on any command that works on many samples",
    "s3": "addresses of object stores, such as s3://bucket/data",
}
RUNTIMES: Final[dict[str, str]] = {
    "openvino": "TFLite files, frozen graphs and SavedModels, and every other model faster",
    "onnxruntime": "ONNX files on a GPU, and --select by features",
}
"""What runs models, by package, and what is not to be had without it."""
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
LEAST_FREE_BYTES: Final = 2 << 30
LEAST_MEMORY_BYTES: Final = 2 << 30
"""The selection from COCO train2017 peaks at about 1.3 GB."""
ASK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorFlags:
    """What to look at besides this machine."""

    config: Path | None = setting(
        "Also the data sets, rounds and champion of this loop: which faults of earlier versions they may have.",
        default=None,
        metavar="FILE",
    )
    store: str | None = setting(
        "Also this address of an object store: whether it can be read and published on.",
        default=None,
        metavar="s3://BUCKET/...",
    )


def doctor(settings: DoctorFlags, *, run: RunOptions) -> Result:
    """Show what works on this machine, and for everything that is missing the command that repairs it.

    The end lists what listens while a command runs, who may use it, and what protects it. With --config loop.yaml it
    also names what earlier versions of curate may have left in a loop, and what to run. With --engine ray it asks each
    machine of the cluster whether it could work. With --store it lists, writes and deletes a small object there.

    The exit code is 0 when the base is sound, and the cluster and the store that were asked for; 5 otherwise.
    Optional parts that are missing change nothing.
    """
    checks = [
        check_python(sys.version_info[:3]),
        *check_groups(metadata_requirements()),
        *map(check_runtime, RUNTIMES),
        check_processors(),
        check_memory(),
        check_disk(Path.cwd()),
        check_links(Path.cwd()),
        check_browser(),
        check_gpu(),
        check_database(),
        check_tflite(),
        check_faces(),
        *([] if settings.config is None else check_loop(settings.config)),
        *([] if settings.store is None else check_store(settings.store)),
        *([] if run.engine == HERE else check_cluster(run.machines, engine=run.engine)),
    ]
    is_sound = all(check.is_fine for check in checks if check.is_needed)
    return Result(
        summary="\n".join([*_lines(checks, is_sound=is_sound), *listening_lines()]),
        data={
            "command": "doctor",
            "is_sound": is_sound,
            "checks": [asdict(check) for check in checks],
            "listeners": [asdict(one) for one in LISTENERS],
        },
        exit_code=0 if is_sound else ENVIRONMENT,
    )


def check_loop(file: Path) -> list[Check]:
    """Check that no fault of an earlier version is left in what a loop made."""
    from pipelines.loop.workspace_checks import look_at_loop

    found = look_at_loop(file)
    if not found:
        return [Check(name="loop", is_fine=True, found=f"{file}: it has no known fault of an earlier version")]
    return [Check(name="loop", is_fine=False, found=f"{one.place}: {one.said}", remedy=one.remedy) for one in found]


def check_python(version: tuple[int, ...]) -> Check:
    """Check the version of Python."""
    lowest = ".".join(map(str, LOWEST_PYTHON))
    return Check(
        name="python",
        is_fine=version[:2] >= LOWEST_PYTHON,
        found=f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}",
        remedy=f"install Python {lowest} or newer, e.g. uv venv --python {lowest}",
        is_needed=True,
    )


def metadata_requirements() -> list[str] | None:
    """Return the requirements of this tool as its metadata states them, None when it is not installed."""
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None


def check_groups(requirements: list[str] | None) -> list[Check]:
    """Check for each group of packages that all of it is installed; nothing is imported."""
    if requirements is None:
        remedy = "in the project's folder: uv pip install -e ."
        return [Check(name="base", is_fine=False, found="curate is not installed", remedy=remedy, is_needed=True)]
    wanted = packages_by_group(requirements)
    return [_check_group(name, packages=wanted.get(name, [])) for name in GROUPS]


def packages_by_group(requirements: list[str]) -> dict[str, list[str]]:
    """Return the names of packages by extra; `base` for those that are always needed.

    >>> packages_by_group(["click<9,>=8.2", 'torch>=2; extra == "models"'])
    {'base': ['click'], 'models': ['torch']}
    """
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name is not None and name.group() != DISTRIBUTION:
            groups[extra.group(1) if extra else "base"].append(name.group())
    return dict(groups)


def _check_group(name: str, *, packages: list[str]) -> Check:
    missing = [package for package in packages if not _is_installed(package)]
    extra = "" if name == "base" else f"[{name}]"
    return Check(
        name=name,
        is_fine=not missing,
        found=f"{len(packages)} packages" if not missing else f"missing: {', '.join(missing)}",
        remedy=f"pip install '{DISTRIBUTION}{extra}' (for: {GROUPS[name]})",
        is_needed=name == "base",
    )


def check_runtime(package: str) -> Check:
    """Check that a runtime for models is installed; nothing is imported."""
    is_there = _is_installed(package)
    return Check(
        name=package,
        is_fine=is_there,
        found=metadata.version(package) if is_there else f"not installed: no {RUNTIMES[package]}",
        remedy=f"pip install '{DISTRIBUTION}[models]'",
    )


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_processors() -> Check:
    """Say how many cores this process may use; that many workers are the default."""
    return Check(name="cores", is_fine=True, found=f"{len(os.sched_getaffinity(0))} usable of {os.cpu_count()}")


def check_memory() -> Check:
    """Check the memory of the machine."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    return Check(
        name="memory",
        is_fine=total >= LEAST_MEMORY_BYTES,
        found=f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free",
        remedy="give --workers 1; COCO's train2017 needs about 1.3 GB",
    )


def check_disk(folder: Path) -> Check:
    """Check the free space where the command is run."""
    free = shutil.disk_usage(folder).free
    return Check(
        name="disk",
        is_fine=free >= LEAST_FREE_BYTES,
        found=f"{free / 1e9:.1f} GB free in {folder}",
        remedy="free some space, or give --out on another disk",
    )


def check_links(folder: Path) -> Check:
    """Check that files can be made and hard-linked in a folder."""
    try:
        with tempfile.TemporaryDirectory(prefix=".curate-doctor-", dir=folder) as place:
            (Path(place) / "file").write_bytes(b"x")
            (Path(place) / "link").hardlink_to(Path(place) / "file")
    except OSError as error:
        return Check(
            name="hard links",
            is_fine=False,
            found=f"not in {folder}: {(error.strerror or str(error)).lower()}",
            remedy="images are copied instead; for links, put --out on the disk of the images, where you may write",
        )
    return Check(name="hard links", is_fine=True, found=f"possible in {folder}")


def check_browser() -> Check:
    """Look for a Chromium; galleries open in any browser, the tests of the pages need this one."""
    found = next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)
    return Check(
        name="chromium",
        is_fine=found is not None,
        found=found or "not found",
        remedy="apt-get install chromium (only for tests of the pages; a gallery opens in any browser)",
    )


def check_gpu() -> Check:
    """Ask the driver for its GPUs; without one, models run on the processor."""
    remedy = "models run on the processor; for a GPU install NVIDIA's driver"
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check(name="gpu", is_fine=False, found="no nvidia-smi", remedy=remedy)
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name="gpu", is_fine=False, found=f"nvidia-smi fails: {error}", remedy=remedy)
    return Check(name="gpu", is_fine=True, found="; ".join(answer.stdout.split("\n")).strip("; ") or "none listed")


def check_database() -> Check:
    """Look for the mongod that `curate browse` starts, and say whether a fault of it is known; yours is left to you."""
    remedy = f"pip install '{DISTRIBUTION}[browse]', or set FIFTYONE_DATABASE_URI; curate gallery needs no database"
    if os.environ.get("FIFTYONE_DATABASE_URI", "").strip():
        return Check(name="mongod", is_fine=True, found="your own, which FIFTYONE_DATABASE_URI names")
    mongod = find_mongod(browse_folder())
    if mongod is None:
        return Check(name="mongod", is_fine=False, found="not found, or none that opens your database", remedy=remedy)
    known = f"; in the range of {CVE}, so it is started without compression" if is_affected(mongod.version) else ""
    return Check(name="mongod", is_fine=True, found=f"{said_of(mongod.version)} ({mongod.path}){known}")


def _lines(checks: list[Check], *, is_sound: bool) -> list[str]:
    lines = []
    for check in checks:
        state = "ok" if check.is_fine else ("MISSING" if check.is_needed else "absent")
        lines.append(f"  {check.name:<11} {state:<8} {check.found}")
        if not check.is_fine:
            lines.append(f"  {'':<11} {'':<8} -> {check.remedy}")
    head = "curate works here" if is_sound else "curate does not work here; install what is MISSING"
    return [head, *lines]
