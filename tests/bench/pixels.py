"""Pixels: what it costs to bring colours to sRGB, and to decode every image that enters a dataset."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path

import PIL.Image

from curation.images.pixels import decode_image
from tests.bench.aifenge import portraits
from tests.bench.measuring import CURATE, run_measured, say, sized
from tests.icc_profiles import P3_FILE, SRGB_FILE

IMAGES = sized(40, short=2)
PAIRS = sized(400, short=4)
TIMES = sized(5, short=1)


def bench(folder: Path) -> None:
    """Print the processor time of decoding by the profile of the image, and of an import that decodes and does not."""
    root = portraits(folder)
    photographs = sorted((root / "clip_img").rglob("*.jpg"))[:IMAGES]
    say(f"\nPixels: {len(photographs)} JPEG of 600 x 800, processor time of the fastest of {TIMES}")
    plain = 0.0
    for name, profile in {"without a profile": None, "sRGB": SRGB_FILE, "Display P3": P3_FILE}.items():
        files = [_with_profile(path, profile=profile) for path in photographs]
        taken = _fastest(lambda files=files: [decode_image(file, file="a") for file in files]) / len(files)  # type: ignore[misc]
        plain = plain or taken
        say(f"  decode_image, {name:<18} {1e3 * taken:6.2f} ms   {taken / plain:.2f} times")
    command = [str(CURATE), "aifenge", "--root", str(root), "--limit", str(PAIRS), "--overwrite", "--quiet"]
    seconds = {}
    for verify in ("structure", "full"):
        out = str(folder / f"pixels-{verify}")
        runs = [run_measured([*command, "--verify", verify, "--out", out]) for _ in range(sized(2, short=1))]
        seconds[verify] = min(one.processor_s for one in runs) / PAIRS
        say(f"  curate aifenge --verify {verify:<10} {1e3 * seconds[verify]:6.2f} ms a pair")
    say(f"  -> decoding costs {1e3 * (seconds['full'] - seconds['structure']):.2f} ms a photograph")


def _with_profile(path: Path, *, profile: bytes | None) -> bytes:
    stream = io.BytesIO()
    with PIL.Image.open(path) as image:
        image.save(stream, "JPEG", quality=95, icc_profile=profile)
    return stream.getvalue()


def _fastest(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        action()
        taken.append(time.process_time() - start)
    return min(taken)
