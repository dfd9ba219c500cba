"""Loading 34,000 samples with masks, predictions and scores into FiftyOne, the first time and again.

The pictures are small and hard-linked: what is measured is the database, and a mask to cut for each sample.
"""

from __future__ import annotations

import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, write_dataset
from curation.images.pixels import encode_gray, encode_image, encode_mask
from labeling.browsing.mongod import find_mongod
from tests.bench.measuring import CURATE, run_measured, say, sized
from tests.places import REAL_DATA

SAMPLES: Final = sized(34_000, short=20)
SCORES: Final = (
    *("miou", "iou_person", "iou_background", "boundary_iou", "uncertainty", "uncertainty_boundary"),
    *("label_quality", "contradicted", "interior_error", "model_disagreement", "best_other", "specks"),
)
FIRST_S: Final = 300
AGAIN_S: Final = 60


def bench(folder: Path) -> None:
    """Print the seconds of both loads, as wall clock, and the memory of the larger."""
    if find_mongod() is None:
        say("\nBrowsing: no mongod on this machine")
        return
    samples = SAMPLES
    dataset = draw(folder / "browsed", samples=samples)
    os.environ["XDG_DATA_HOME"] = str(folder / "data")
    say(f"\nBrowsing: {samples:,} samples with masks, predictions and {len(SCORES)} scores into FiftyOne")
    for name, limit in (("first load", FIRST_S), ("again", AGAIN_S)):
        run = run_measured([str(CURATE), "browse", str(dataset), "--no-serve", "--quiet"])
        say(f"  {name:<11} {run.seconds:6.1f} s (at most {limit}), peak {run.peak_mb:.0f} MB")
    if REAL_DATA.is_dir():
        (folder / "moved").mkdir()
        run = run_measured([sys.executable, "-m", "tests.bench.segmentations", str(folder / "moved")])
        say(run.output.rstrip())


def draw(folder: Path, *, samples: int) -> Path:
    """Write a dataset whose pictures are all the same."""
    mask = np.zeros((96, 72), np.uint8)
    mask[30:90, 20:60] = 255
    image = np.repeat(mask[:, :, None], 3, axis=2)
    pictures = {"images": encode_image(image), "masks": encode_mask(mask), "predictions": encode_gray(mask // 2 + 20)}
    ids = [f"{number:06}" for number in range(samples)]
    for name, data in pictures.items():
        (folder / name).mkdir(parents=True)
        first = folder / name / f"{ids[0]}.png"
        first.write_bytes(data)
        for id_ in ids[1:]:
            os.link(first, folder / name / f"{id_}.png")
    rows = [_row(id_, digest=sha256(pictures["images"]).hexdigest()) for id_ in ids]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    rng = np.random.default_rng(0)
    table = table.append_column("prediction", pa.array([f"predictions/{id_}.png" for id_ in ids]))
    table = table.append_column("verdict", pa.array(rng.choice(["label_error", "model_error", "ok"], samples).tolist()))
    table = table.append_column("hard_rank", pa.array(np.arange(1, samples + 1, dtype=np.int32)))
    for name in SCORES:
        table = table.append_column(name, pa.array(rng.random(samples)))
    counts = Counts(considered=samples, selected=samples, filtered={}, quarantined={})
    card = Card(
        name="browsed", command="mine", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(folder, card=card, table=table, quarantine=[])
    return folder


def _row(id_: str, *, digest: str) -> dict[str, Any]:
    paths = {"image": f"images/{id_}.png", "mask": f"masks/{id_}.png", "width": 72, "height": 96}
    about = {"source": "drawn", "source_id": id_, "split": "train", "person_area": 0.35, "persons": 1}
    return {"id": id_, **paths, **about, "label_version": 0, "group": id_, "sha256": digest}
