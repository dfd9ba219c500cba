"""Verbs on real data, once on this machine and once on a cluster, in a process that may join one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from pipelines.command_line.options import RunOptions
from tests.pipelines.command_line.test_verbs import call
from tests.pipelines.commands import difference, tree
from tests.pipelines.test_engine_seam import timeless
from tests.places import REAL_DATA

DATA: Final = REAL_DATA / "data"
SINET: Final = REAL_DATA / "models" / "sinet.onnx"
MAKER: Final = REAL_DATA / "tools" / "make_aifenge.py"
SAMPLES: Final = 12


def annotations() -> Path:
    """Return the real annotations of COCO that are there."""
    return next(iter(sorted((DATA / "coco" / "annotations").glob("instances*.json"))))


def images() -> Path:
    """Return the folder of their images."""
    return next(path for path in sorted((DATA / "coco").iterdir()) if path.is_dir() and path.name != "annotations")


def same_bytes_here_and_there(folder: Path) -> None:
    """Make everything twice; every file has to be the same."""
    subprocess.run([sys.executable, MAKER, DATA / "portraits", folder / "aifenge"], check=True, capture_output=True)
    here = RunOptions(workers=1, limit=SAMPLES, quiet=True)
    there = RunOptions(workers=1, limit=SAMPLES, engine="ray")
    try:
        for name, run in (("here", here), ("there", there)):
            made = folder / name
            made.mkdir()
            for verb, settings in verbs(folder, made):
                assert call(verb, settings, run=run).exit_code in {0, 3}, verb
    finally:
        there.machines.close()
    ours, theirs = (dict(timeless(tree(folder / name))) for name in ("here", "there"))
    wrong = difference(theirs, ours)
    assert wrong == [], f"other, missing or too many: {wrong}"
    for name in ("persons", "cutouts", "fused", "hard", "scores"):
        assert any(file.startswith(f"{name}/") for file in ours), name


def verbs(folder: Path, made: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return verbs with their settings, in an order in which each finds what it reads: made here, for both.

    Where data sets were read from stands in what is made of them.
    """
    read = folder / "here"
    coco = {"annotations": (annotations(),), "images": (images(),)}
    return [
        ("coco-person", {**coco, "out": made / "persons"}),
        ("coco-background", {**coco, "out": made / "grounds"}),
        ("aifenge", {"root": folder / "aifenge", "out": made / "cutouts"}),
        (
            "fuse",
            {"foregrounds": (read / "cutouts",), "backgrounds": (read / "grounds",), "out": made / "fused"},
        ),
        ("mine", {"model": SINET, "data": (read / "persons",), "out": made / "hard", "threshold": 0.95}),
        ("evaluate", {"model": SINET, "data": (read / "cutouts",), "out": made / "scores"}),
    ]
