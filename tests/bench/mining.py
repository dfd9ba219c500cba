"""Mining: what it takes beyond the predictions themselves, and whether memory grows with the number of samples.

Processor time of all processes is compared, since wall-clock time on a machine that others use too says little.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pyarrow as pa

from curation.dataset import read_dataset, write_dataset
from curation.files import link_or_copy, make_folder
from models.prediction.files import predict_files
from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions
from tests.bench.measuring import CURATE, REAL_DATA, say

FEW, MANY = 1_000, 4_000
WORKERS = 2


def bench(folder: Path) -> None:
    """Print the figures of mining, with SINet on real portraits that are repeated."""
    portraits, model = REAL_DATA / "data" / "portraits", REAL_DATA / "models" / "sinet.onnx"
    base = folder / "portraits"
    labels = ("--masks", portraits / "masks", "--fit", "--quiet")
    subprocess.run(
        [*map(str, (CURATE, "pairs", "--images", portraits / "images", *labels, "--out", base))], check=False
    )
    say(f"\nMining: SINet, real portraits repeated, {WORKERS} workers; processor time an image")
    taken, peaks = {}, {}
    for count in (FEW, MANY):
        repeated(base, out=folder / f"repeated-{count}", count=count)
        data, out = folder / f"repeated-{count}", folder / f"hard-{count}"
        flags = ("--workers", WORKERS, "--quiet", "--precision", "fp32")
        command = [CURATE, "mine", "--model", model, "--data", data, "--out", out, *flags]
        taken[count], peaks[count] = measured([*map(str, command)])
    mine_ms = (taken[MANY] - taken[FEW]) / (MANY - FEW) * 1e3
    alone = {
        count: measured([sys.executable, "-m", "tests.bench.mining", str(model), str(folder), str(count)])[0]
        for count in (FEW, MANY)
    }
    alone_ms = (alone[MANY] - alone[FEW]) / (MANY - FEW) * 1e3
    say(f"  predictions alone {alone_ms:.1f} ms, mined {mine_ms:.1f} ms -> {mine_ms / alone_ms:.2f} of it")
    growth = (peaks[MANY] - peaks[FEW]) / (MANY - FEW) * 1024
    told = f"{peaks[FEW]:.0f} MB at {FEW}, {peaks[MANY]:.0f} MB at {MANY}"
    say(f"  peak of the largest process: {told}: {growth:.1f} KB a sample")


def repeated(base: Path, *, out: Path, count: int) -> None:
    """Make a dataset of so many samples from one of fewer, with linked files."""
    dataset = read_dataset(base)
    rows = dataset.table.to_pylist()
    for name in ("images", "masks"):
        make_folder(out / name)
    made = []
    for number in range(count):
        row = dict(rows[number % len(rows)])
        row["id"] = row["group"] = f"{number:06}"
        for column in ("image", "mask"):
            place = f"{column}s/{row['id']}{Path(row[column]).suffix}"
            link_or_copy(base / row[column], out / place)
            row[column] = place
        made.append(row)
    counts = msgspec.structs.replace(dataset.card.counts, considered=count, selected=count)
    card = msgspec.structs.replace(dataset.card, counts=counts)
    write_dataset(out, card=card, table=pa.Table.from_pylist(made, schema=dataset.table.schema), quarantine=[])


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; give its processor seconds, and the peak in MB of the largest process of all so far."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode in {0, 3}, done.stderr[-2000:]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1024


def predict_alone(model: str, folder: str, count: str) -> None:
    """Predict so many files as every command does, and keep nothing."""
    options = EngineOptions(device="cpu", precision="fp32", workers=WORKERS)
    ready = prepare(Path(model), options=options)
    files = sorted((Path(folder) / f"repeated-{count}" / "images").iterdir())
    start = time.perf_counter()
    for prediction in predict_files(ready, files=files, options=options):
        assert prediction.probability is not None
    print(json.dumps({"seconds": time.perf_counter() - start, "cores": len(os.sched_getaffinity(0))}))


if __name__ == "__main__":
    predict_alone(*sys.argv[1:])
