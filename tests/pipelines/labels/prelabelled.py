"""Photographs whose red and blue say what two teachers see in them, and pools of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipelines.command_line.options import Result, RunOptions
from pipelines.labels.prelabel import prelabel
from pipelines.labels.prelabel_flags import PrelabelFlags
from pipelines.sources.images import ImagesFlags, images
from tests.models.drawn import H, W, person
from tests.models.tiny_onnx import CARD, write_tiny_onnx

GREEN = 90
RUN = RunOptions(workers=0, quiet=True)


def photograph(*, red: np.ndarray, blue: np.ndarray, green: int = GREEN) -> np.ndarray:
    """Return BGR, as OpenCV writes it."""
    return np.dstack([blue, np.full((H, W), green, np.uint8), red])


def drawn_photographs(folder: Path, shown: Mapping[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for name, picture in shown.items():
        (folder / f"{name}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return folder


def pool_of(folder: Path, shown: Mapping[str, np.ndarray], **flags: Any) -> Path:
    images(ImagesFlags(root=drawn_photographs(folder / "photographs", shown), out=folder / "pool", **flags), run=RUN)
    return folder / "pool"


def everyday() -> dict[str, np.ndarray]:
    """Return photographs for each thing that can become of one."""
    nothing, everything = np.zeros((H, W), np.uint8), np.full((H, W), 255, np.uint8)
    return {
        "same": photograph(red=person(), blue=person()),
        "near": photograph(red=person(), blue=person(top=11)),
        "far": photograph(red=person(), blue=person(top=25)),
        "nobody": photograph(red=nothing, blue=nothing),
        "everything": photograph(red=everything, blue=everything),
        "broken": photograph(red=person(), blue=person(), green=0),
    }


def teachers(folder: Path, *, more: str = "license: MIT\n") -> tuple[Path, Path]:
    red = write_tiny_onnx(folder / "red.onnx", card=f"{CARD}name: red\nlicense: CC BY-NC 4.0\n")
    return red, write_tiny_onnx(folder / "blue.onnx", channel=2, card=f"{CARD}{more}")


def label(*pools: Path, by: tuple[Path, ...], out: Path, **flags: Any) -> Result:
    common = {name: flags.pop(name) for name in ("limit", "dry_run", "overwrite", "workers") if name in flags}
    run = RunOptions(**{"workers": 0, "quiet": True, **common})
    return prelabel(PrelabelFlags(pool=pools, teacher=by, out=out, **flags), run=run)
