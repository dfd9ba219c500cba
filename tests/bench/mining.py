"""Mining: what it takes beyond the predictions themselves, and whether memory grows with the number of samples.

Processor time of all processes is compared, since wall-clock time on a machine that others use too says little.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pyarrow as pa

from curation.dataset.dataset import read_dataset, write_dataset
from curation.images.pixels import encode_gray
from curation.storage.files import link_or_copy, make_folder, write_bytes
from models.evaluation.score_image import to_8_bit
from models.prediction.predict_files import predict_files
from models.prediction.protocol import EngineOptions
from tests.bench.measuring import CURATE, run_curate, run_measured, say, sized
from tests.places import REAL_DATA

FEW, MANY = sized(500, short=4), sized(2_500, short=8)
WORKERS = 2


def bench(folder: Path) -> None:
    """Print the figures of mining, with SINet on real portraits that are repeated."""
    portraits, model = REAL_DATA / "data" / "portraits", REAL_DATA / "models" / "sinet.onnx"
    base = folder / "portraits"
    labels = ("--masks", portraits / "masks", "--fit", "--quiet")
    run_curate("pairs", "--images", portraits / "images", *labels, "--out", base)
    say(f"\nMining: SINet, real portraits repeated, {WORKERS} workers; processor time an image")
    mined, alone, written = {}, {}, {}
    for count in (FEW, MANY):
        repeated(base, out=folder / f"repeated-{count}", count=count)
        data, out = folder / f"repeated-{count}", folder / f"hard-{count}"
        flags = ("--workers", WORKERS, "--quiet", "--precision", "fp32")
        command = [CURATE, "mine", "--model", model, "--data", data, "--out", out, *flags]
        mined[count] = run_measured([*map(str, command)])
        predicting = [sys.executable, "-m", "tests.bench.mining", str(model), str(data / "images")]
        alone[count] = run_measured(predicting)
        written[count] = run_measured([*predicting, str(folder / f"predicted-{count}")])
    mine_ms, alone_ms, written_ms = (
        (runs[MANY].processor_s - runs[FEW].processor_s) / (MANY - FEW) * 1e3 for runs in (mined, alone, written)
    )
    say(f"  predictions alone {alone_ms:.1f} ms, written too {written_ms:.1f} ms, mined {mine_ms:.1f} ms")
    say(f"  mined is {mine_ms / written_ms:.2f} of predictions written, {mine_ms / alone_ms:.2f} of predictions alone")
    few, many = mined[FEW].peak_mb, mined[MANY].peak_mb
    growth = (many - few) / (MANY - FEW) * 1024
    say(f"  peak of the largest process: {few:.0f} MB at {FEW}, {many:.0f} MB at {MANY}: {growth:.1f} KB a sample")


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


def predict_alone(model: str, folder: str, out: str | None = None) -> None:
    """Predict the files of a folder as every command does, and keep nothing, or write the predictions into `out`."""
    options = EngineOptions(device="cpu", precision="fp32", workers=WORKERS)
    for prediction in predict_files(Path(model), files=sorted(Path(folder).iterdir()), options=options):
        assert prediction.probability is not None
        if out is not None:
            make_folder(Path(out))
            write_bytes(Path(out) / f"{prediction.index:06}.png", encode_gray(to_8_bit(prediction.probability)))


if __name__ == "__main__":
    predict_alone(*sys.argv[1:])
