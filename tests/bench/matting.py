"""Matting: the closed form on the band alone, against pymatting's plain call on the whole frame.

Photographs are real portraits brought to 600 x 800, their trimaps made from their masks; drawn people where there are
none. Both run in one process with one thread; the import of pymatting, and the first call, are not counted. What other
work does to the machine is in the time by the clock, and hardly in that of the processor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from curation.images.pixels import decode_image, decode_mask
from curation.labels.trimaps import UNKNOWN, auto_kernel
from curation.matting.closed_form import closed_form_alpha
from curation.matting.composite import person_colours
from curation.matting.from_mask import matting_trimap
from curation.matting.matte import matte
from curation.sources.demo_sources import write_aifenge_sample
from tests.bench.measuring import child, say, sized
from tests.places import REAL_DATA

SIZE = (800, 600)
PORTRAITS = sized(6, short=2)
TIMES = sized(3, short=1)


def bench(folder: Path) -> None:
    """Print what a matte takes, and how far the two are apart."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does; idle threads of BLAS spin
    for band in ("narrow", "usual"):
        rows, _ = child("tests.bench.matting:compared", folder, band)
        say(f"\nClosed-form matting, {len(rows)} portraits of 600 x 800, {band} band around the mask")
        for row in rows:
            say(
                f"  {row['unknown']:6d} unknown: pymatting {row['plain_ms']:.0f} ms, curate {row['ours_ms']:.0f} ms of "
                f"the processor, {row['plain_ms'] / row['ours_ms']:.1f} times; by the clock {row['clock']:.1f} times; "
                f"mean difference {row['frame']:.1g} in the frame, {row['band']:.1g} in the band"
            )
        faster = [row["plain_ms"] / row["ours_ms"] for row in rows]
        say(f"  -> {np.median(faster):.1f} times faster (median; {min(faster):.1f} to {max(faster):.1f})")
        say(f"  person's colours: {np.median([row['colours_ms'] for row in rows]):.0f} ms of the processor")


def compared(folder: str, band: str) -> list[dict[str, Any]]:
    """Return a row of figures for each portrait; in a process of its own, with one thread."""
    cv2.setNumThreads(1)
    return [row(image, mask, is_narrow=band == "narrow") for image, mask in portraits(Path(folder))]


def row(image: Any, mask: Any, *, is_narrow: bool) -> dict[str, Any]:
    import pymatting

    trimap = matting_trimap(mask, kernel=auto_kernel(mask) if is_narrow else None)
    known = np.where(trimap == UNKNOWN, 0.5, trimap / 255.0)
    plain_clock, plain_s, plain = best(lambda: pymatting.estimate_alpha_cf(image / 255.0, known))
    ours_clock, ours_s, ours = best(lambda: matte(image, trimap=trimap))
    _, colours_s, _ = best(lambda: person_colours(image, alpha=ours))
    off = np.abs(closed_form_alpha(image, trimap=trimap) - plain)
    return {
        "unknown": int((trimap == UNKNOWN).sum()),
        "plain_ms": plain_s * 1e3,
        "ours_ms": ours_s * 1e3,
        "clock": plain_clock / ours_clock,
        "frame": float(off.mean()),
        "band": float(off[trimap == UNKNOWN].mean()),
        "colours_ms": colours_s * 1e3,
    }


def best(action: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the least wall-clock and processor seconds of some calls, after one that does not count; and the
    result.
    """
    found = action()
    wall, processor = [], []
    for _ in range(TIMES):
        start, used = time.perf_counter(), time.process_time()
        action()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
    return min(wall), min(processor), found


def portraits(folder: Path, *, number: int = PORTRAITS) -> list[tuple[Any, Any]]:
    """Return images and masks, (800, 600), of so many real portraits, or of drawn ones."""
    root = REAL_DATA / "data" / "portraits"
    if root.is_dir():
        files = sorted((root / "images").glob("*.jpg"))
        chosen = [file for file in files if (root / "masks" / f"{file.stem}.png").exists()]
        chosen = chosen[:: max(1, len(chosen) // number)][:number]
        pairs = [(file, root / "masks" / f"{file.stem}.png") for file in chosen]
        read = [(decode_image(a.read_bytes(), file=a.name), decode_mask(b.read_bytes(), file=b.name)) for a, b in pairs]
    else:
        drawn = folder / "matting"
        write_aifenge_sample(drawn, images=number, seed=0)
        images = sorted(drawn.glob("clip_img/*/*/*.jpg"))[:number]
        cutouts = [next(drawn.glob(f"matting/*/*/{image.stem}.png")) for image in images]
        read = [
            (
                decode_image(a.read_bytes(), file=a.name),
                cv2.imdecode(np.frombuffer(b.read_bytes(), np.uint8), -1)[..., 3],
            )
            for a, b in zip(images, cutouts)
        ]
    return [scaled(image, mask) for image, mask in read]


def scaled(image: Any, mask: Any) -> tuple[Any, Any]:
    size = SIZE[::-1]
    smaller = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    hard = np.where(smaller > 127, np.uint8(255), np.uint8(0))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), hard
