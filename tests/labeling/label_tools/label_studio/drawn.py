"""A small dataset of drawn persons, and calls of a fake server."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from curation.dataset.dataset import Dataset, read_dataset
from labeling.findings import findings_of, worst_first
from labeling.label_tools.label_studio.push.push import Push
from labeling.label_tools.label_studio.server.access import Access
from labeling.label_tools.label_studio.server.client import Client, Patience
from pipelines.command_line.options import RunOptions
from pipelines.sources.pairs import PairsFlags, pairs
from tests.labeling.label_tools.label_studio.fake_server import TOKEN

SIZE = (24, 20)
"""(height, width) of every drawn picture."""


def draw_dataset(folder: Path, *, samples: int, shards: bool = False) -> Dataset:
    """Draw pictures with a person each, and import them."""
    rng = np.random.default_rng(samples)
    for name in ("images", "masks"):
        (folder / "source" / name).mkdir(parents=True)
    for number in range(samples):
        mask = person_mask(number)
        photo = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        for name, picture in (("images", photo), ("masks", mask)):
            (folder / "source" / name / f"{number:04d}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    images, masks = folder / "source" / "images", folder / "source" / "masks"
    flags = PairsFlags(images=images, masks=masks, out=folder / "drawn", shards=shards)
    pairs(flags, run=RunOptions(workers=0, quiet=True))
    return read_dataset(folder / "drawn")


def person_mask(number: int) -> np.ndarray:
    """Draw a person, another for each number."""
    mask = np.zeros(SIZE, np.uint8)
    cv2.ellipse(mask, (10, 16), (4 + number % 5, 8), number % 90, 0, 360, 255, -1)
    return np.asarray(mask, dtype=np.uint8)


def client_of(url: str, *, limit_s: float = 60.0, timeout_s: float = 30.0, token: str = TOKEN) -> Client:
    """Return calls with patience that does not wait for real: the clock is moved by what would have been slept."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    patience = Patience(limit_s=limit_s, timeout_s=timeout_s, sleep=sleep, clock=lambda: now[0])
    return Client(Access(url=url, token=token), patience=patience)


def push_of(dataset: Dataset) -> Push:
    """Return the push of a whole dataset, with its labels to start from; no picture travels."""
    findings = findings_of(dataset, scores=None)
    rows = worst_first(dataset.table.to_pylist(), findings=findings)
    return Push(
        dataset=dataset,
        rows=rows,
        title="drawn",
        findings=findings,
        model_version="m1",
        images="url",
        image_url="https://pictures.example.org/",
    )
