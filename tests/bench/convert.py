"""Conversion: the peak memory of each form must not grow with the number of samples; and how fast each is written."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import numpy as np

from curation.building.workers import RunnerOptions
from curation.dataset.card import Card, Counts
from curation.dataset.dataset import read_dataset, write_dataset
from curation.dataset.sample import Sample
from curation.dataset.table import table_of
from curation.exchange.convert_dataset import ConvertOptions, convert_dataset
from curation.images.pixels import encode_image, encode_mask
from pipelines.exchange.convert import ConvertFlags, _form_of
from tests.bench.measuring import child, say, sized

FEW, MANY = sized(1_000, short=20), sized(10_000, short=60)
FORMS = ("coco", "voc", "folders", "tfrecord", "webdataset", "hf")
HEIGHT, WIDTH = 480, 640
DISTINCT = 16
"""So many photographs, under as many names as there are samples."""


def bench(folder: Path) -> None:
    """Print peak memory of two sizes, and samples a second."""
    say(f"\nConversion of photographs of {WIDTH} x {HEIGHT}, one process; peak at {FEW} and at {MANY} samples")
    for samples in (FEW, MANY):
        child("tests.bench.convert:draw", folder / f"convert-{samples}", samples)
    for form in FORMS:
        peaks, seconds = [], 0.0
        for samples in (FEW, MANY):
            source = folder / f"convert-{samples}"
            seconds, peak = child("tests.bench.convert:convert_in", source, form, folder / f"{form}-{samples}")
            peaks.append(peak)
        growth = (peaks[1] - peaks[0]) / (MANY - FEW) * 1024
        rate = MANY / seconds
        say(f"  {form:<11} {peaks[0]:>5.0f} MB {peaks[1]:>5.0f} MB  ({growth:.1f} KB a sample)  {rate:.0f} samples/s")


def draw(out: str, samples: str) -> int:
    """Draw a data set of so many samples, of few distinct files."""
    folder, rng = Path(out), np.random.default_rng(0)
    for name in ("images", "masks", "drawn"):
        (folder / name).mkdir(parents=True)
    digests = [_draw_one(folder / "drawn", number=number, rng=rng) for number in range(DISTINCT)]
    rows = []
    for number in range(int(samples)):
        id_, which = f"train2017_{number:012d}", number % DISTINCT
        (folder / f"images/{id_}.jpg").hardlink_to(folder / f"drawn/{which}.jpg")
        (folder / f"masks/{id_}.png").hardlink_to(folder / f"drawn/{which}.png")
        rows.append(_sample(id_, number=number, digests=digests[which]))
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    made_by = {"settings": {}, "tool_version": "0", "run": "0", "sources": [], "licenses": {}}
    card = Card(name="drawn", command="bench", counts=counts, **made_by)  # type: ignore[arg-type]
    write_dataset(folder, card=card, table=table_of(rows), quarantine=[])
    return len(rows)


def convert_in(source: str, form: str, out: str) -> float:
    """Convert in this process and give the seconds."""
    dataset = read_dataset(source)
    flags = ConvertFlags(dataset=dataset.folder, to=form, out=Path(out))  # type: ignore[arg-type]
    start = time.perf_counter()
    options = ConvertOptions(runner=RunnerOptions(workers=0))
    told = convert_dataset(dataset, form=_form_of(flags, dataset=dataset), limit=None, out=Path(out), options=options)
    assert told.counts.selected == len(dataset)
    return time.perf_counter() - start


def _draw_one(folder: Path, *, number: int, rng: np.random.Generator) -> tuple[str, str]:
    coarse = rng.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    image = encode_image(coarse.repeat(8, axis=0).repeat(8, axis=1), quality=92)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.where(np.hypot(rows - 240, columns - 320) < 100 + 5 * number, np.uint8(255), np.uint8(0))
    data = encode_mask(mask)
    (folder / f"{number}.jpg").write_bytes(image)
    (folder / f"{number}.png").write_bytes(data)
    return hashlib.sha256(image).hexdigest(), hashlib.sha256(data).hexdigest()


def _sample(id_: str, *, number: int, digests: tuple[str, str]) -> Sample:
    return Sample(
        id=id_,
        image=f"images/{id_}.jpg",
        mask=f"masks/{id_}.png",
        width=WIDTH,
        height=HEIGHT,
        source="coco/train2017",
        source_id=str(number),
        split=("train", "val")[number % 10 == 0],
        person_area=0.25,
        persons=1,
        group=id_,
        license="CC0",
        sha256=digests[0],
        extra={"mask_sha256": digests[1]},
    )
