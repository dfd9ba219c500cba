"""What one AiFenGe sample costs, as the model of tests/bench/cost_model.py is told: its constants, measured here.

Seconds are of the processor, since a machine that does other things meanwhile takes longer by the clock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.sample import Item, Outcome, Plan, Sample
from tests.bench.aifenge import portraits
from tests.bench.cost_model import Inputs, table
from tests.bench.measuring import CURATE, run_measured, say, sized

PAIRS: Final = 400
SAMPLES: Final = sized(20_000, short=200)
"""So many are noted and published, for what the command itself does."""
FEW: Final = sized(40, short=2)
"""An import of so few is taken off, so that starting does not count."""


def bench(folder: Path) -> None:
    """Print the constants as options, and the table."""
    root = portraits(folder)
    pairs = len(list((root / "clip_img").rglob("*.jpg")))
    number = min(pairs, PAIRS)
    read = sum(path.stat().st_size for path in root.rglob("*.*") if path.is_file())
    whole, few = (_imported(root, out=folder / f"costs-{limit}", limit=limit) for limit in (number, FEW))
    out = folder / f"costs-{number}"
    files = {name: list((out / name).iterdir()) for name in ("images", "alphas", "masks", "trimaps")}
    sizes = {name: sum(path.stat().st_size for path in paths) / number / 1e3 for name, paths in files.items()}
    inputs = Inputs(
        processor_ms=round((whole - few) / (number - FEW) * 1e3, 1),
        head_ms=round(_noted(folder / "costs-noted") / SAMPLES * 1e3, 2),
        read_kb=round(read / pairs / 1e3),
        written_kb=round(sum(sizes.values()) - sizes["images"]),
        photograph_kb=round(sizes["images"]),
        files_written=sum(map(len, files.values())) / number,
    )
    names = ("processor_ms", "head_ms", "read_kb", "written_kb", "photograph_kb", "files_read", "files_written")
    options = " ".join(f"--{name.replace('_', '-')} {getattr(inputs, name):g}" for name in names)
    say(f"\ncosts of a sample, of {number} AiFenGe pairs:\npython -m tests.bench.cost_model {options}\n{table(inputs)}")


def _imported(root: Path, *, out: Path, limit: int) -> float:
    """Return the seconds of the processor that an import takes."""
    command = [CURATE, "aifenge", "--root", root, "--out", out, "--workers", "2", "--quiet", "--limit", limit]
    return run_measured([str(part) for part in command]).processor_s


def _noted(out: Path) -> float:
    """Return the seconds of the processor for the journal and the manifest of samples without files."""
    items = [Item(id=f"1803151818-{number:08d}", payload=None) for number in range(SAMPLES)]
    plan = Plan(command="noted", settings={}, sources=[], considered=SAMPLES, items=items, work=nothing)
    start = time.process_time()
    build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return time.process_time() - start


def nothing(item: Item, _: Path) -> Outcome:
    """Return a sample without making a file."""
    name = f"images/{item.id}.jpg"
    sample = Sample(
        id=item.id,
        image=name,
        mask=f"masks/{item.id}.png",
        alpha=f"alphas/{item.id}.png",
        trimap=f"trimaps/{item.id}.png",
        width=600,
        height=800,
        source="aifenge",
        source_id=item.id,
        person_area=0.5,
        group=item.id,
        sha256=64 * "0",
    )
    return Outcome(id=item.id, sample=sample)
