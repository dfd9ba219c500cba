"""AiFenGe: the import against the per-image steps of the article, and the matching of 34,427 names."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from curation.sources.aifenge import AifengeSettings, plan_aifenge
from curation.sources.demo_sources import write_aifenge_sample
from tests.bench.measuring import CURATE, median_run, say, seconds_of, sized
from tests.places import REAL_DATA

COPIES = sized(8, short=2)
NAMES = sized(34_427, short=1_000)


def bench(folder: Path) -> None:
    """Print the AiFenGe figures."""
    root = portraits(folder)
    pairs = sorted((root / "clip_img").rglob("*.jpg"))
    some = pairs[:: COPIES // 2]
    say(f"\nAiFenGe: {len(pairs)} pairs of 600 x 800, article's steps on {len(some)} of them")
    (folder / "article").mkdir()
    article = seconds_of(lambda: as_in_the_article(root, some, out=folder / "article"), times=3) / len(some)
    command = [str(CURATE), "aifenge", "--root", str(root), "--workers", "2", "--overwrite", "--quiet"]
    seconds, peak, _ = median_run([*command, "--out", str(folder / "aifenge-dataset")])
    ours = seconds / len(pairs)
    say(f"  article's steps, one process: {article * 1e3:.1f} ms a pair")
    say(f"  curate aifenge, 2 workers, start-up included: {ours * 1e3:.1f} ms a pair, peak {peak:.0f} MB")
    say(f"  -> {article / ours:.1f} times faster")
    many = folder / "many"
    make_names(many)
    start = time.perf_counter()
    plan = plan_aifenge(AifengeSettings(root=many))
    say(f"  matching {len(plan.items)} pairs by name: {time.perf_counter() - start:.2f} s")


def portraits(folder: Path) -> Path:
    """Return a root in AiFenGe's layout: real portraits where they are, else drawn ones, several copies of each."""
    root = folder / "aifenge"
    if not root.exists():
        real, tool = REAL_DATA / "data" / "portraits", REAL_DATA / "tools" / "make_aifenge.py"
        if real.is_dir() and tool.exists():
            subprocess.run([sys.executable, tool, real, root], check=True, stdout=subprocess.DEVNULL)
        else:
            write_aifenge_sample(root, images=sized(100, short=4), seed=0)
        for path in [*root.rglob("*.jpg"), *root.rglob("*.png")]:
            for copy in range(1, COPIES):
                path.with_stem(f"{path.stem}{copy:02d}").hardlink_to(path)
    return root


def as_in_the_article(root: Path, photographs: list[Path], *, out: Path) -> None:
    """Read jpg and RGBA png, threshold, dilate and erode, write image, alpha and trimap as PNG: one process, OpenCV."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6, 6))
    for jpg in photographs:
        batch, group = jpg.parts[-3], jpg.parts[-2].removeprefix("clip_")
        png = root / "matting" / batch / f"matting_{group}" / f"{jpg.stem}.png"
        image = cv2.imread(str(jpg))
        alpha = cv2.imread(str(png), cv2.IMREAD_UNCHANGED)[..., 3]
        mask = np.where(alpha > 50, 255, 0).astype(np.uint8)
        dilated, eroded = cv2.dilate(mask, kernel), cv2.erode(mask, kernel)
        trimap = np.where((dilated == 255) & (eroded == 0), 128, eroded).astype(np.uint8)
        cv2.imwrite(str(out / f"{jpg.stem}.png"), image)
        cv2.imwrite(str(out / f"{jpg.stem}_alpha.png"), alpha)
        cv2.imwrite(str(out / f"{jpg.stem}_trimap.png"), trimap)


def make_names(root: Path) -> None:
    """Make as many empty files as AiFenGe has pairs."""
    for number in range(NAMES):
        group = f"{number // 500:08d}"
        for top, prefix, suffix in (("clip_img", "clip", "jpg"), ("matting", "matting", "png")):
            folder = root / top / "1803151818" / f"{prefix}_{group}"
            if number % 500 == 0:
                folder.mkdir(parents=True, exist_ok=True)
            (folder / f"1803151818-{number:08d}.{suffix}").touch()
