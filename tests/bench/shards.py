"""Labels in shards and in files of their own: how many files there are, what making and reading them takes.

The cut-outs are drawn, and each stands several times under other names. Seconds are of the processor, since a machine
that does other things meanwhile takes longer by the clock.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.stored_sample import read_picture
from curation.sources.demo_sources import write_aifenge_sample
from curation.storage.files import read_file
from tests.bench.measuring import CURATE, run_measured, say, sized

DRAWN: Final = sized(100, short=6)
TIMES: Final = sized(20, short=2)
ROUNDS: Final = sized(5, short=1)
LABELS: Final = ("mask", "alpha", "trimap")
KINDS: Final[dict[str, tuple[str, ...]]] = {"one file each": (), "`--shards`": ("--shards",)}


def bench(folder: Path) -> None:
    """Print the table of docs/scale.md."""
    root = cut_outs(folder / "shards-source")
    made, found = {}, {}
    for number, (name, flags) in enumerate(KINDS.items()):
        out = folder / f"shards-{number}"
        command = [CURATE, "aifenge", "--root", root, "--out", out, "--workers", "2", "--quiet", *flags]
        made[name] = run_measured([str(part) for part in command]).processor_s
        found[name] = read_dataset(out)
    read, decoded = dict.fromkeys(KINDS, 0.0), dict.fromkeys(KINDS, 0.0)
    for _ in range(ROUNDS):  # in turns: what else the machine does meets both
        for name, dataset in found.items():
            read[name] += _read(dataset)
            decoded[name] += _decoded(dataset)
    labels = len(LABELS) * len(found["`--shards`"]) * ROUNDS
    say("\n| labels | files | of labels | made in | a label read | as in training |\n|---|---:|---:|---:|---:|---:|")
    for name, dataset in found.items():
        every = [path for path in dataset.folder.rglob("*") if path.is_file()]
        of_labels = [
            path for path in every if path.suffix == ".tar" or path.parent.name in {f"{one}s" for one in LABELS}
        ]
        times = (f"{1e6 * seconds / labels:,.0f} µs" for seconds in (read[name], decoded[name]))
        say(f"| {name} | {len(every):,} | {len(of_labels):,} | {made[name]:.1f} s | {' | '.join(times)} |")
    (plain, packed), (before, after) = read.values(), decoded.values()
    samples = len(found["`--shards`"])
    say(f"{samples:,} samples; reading takes {packed / plain:.2f} of the time, as in training {after / before:.2f}")


def cut_outs(root: Path) -> Path:
    """Return a root in AiFenGe's layout with drawn portraits."""
    write_aifenge_sample(root, images=DRAWN, seed=0)
    for path in [*root.rglob("*.jpg"), *root.rglob("*.png")]:
        for copy in range(1, TIMES):
            path.with_stem(f"{path.stem}{copy:02d}").hardlink_to(path)
    return root


def _read(dataset: Dataset) -> float:
    paths = [dataset.path(path) for name in LABELS for path in dataset.table[name].to_pylist()]
    start = time.process_time()
    for path in paths:
        read_file(path)
    return time.process_time() - start


def _decoded(dataset: Dataset) -> float:
    rows = dataset.table.to_pylist()
    start = time.process_time()
    for row in rows:
        for column in LABELS:
            read_picture(row, column=column, folder=dataset.folder)
    return time.process_time() - start
