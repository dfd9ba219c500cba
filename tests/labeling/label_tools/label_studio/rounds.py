"""A dataset that was pushed to a fake server, what annotators submit for it, and pulls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from curation.dataset.dataset import Dataset, read_dataset
from curation.images.pixels import decode_mask
from labeling.label_tools.label_studio.project.tasks import region_of
from labeling.label_tools.label_studio.pull.pull import Pulled, pull
from labeling.label_tools.label_studio.push.push import push
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer

SAMPLES = 6


def box(top: int, bottom: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[top:bottom, 2:12] = 255
    return mask


def drawn_result(*masks: np.ndarray, verdict: str | None = None, label: str = "person") -> list[dict[str, Any]]:
    """Return what the page sends: a region for each mask, and a choice."""
    regions = [region for mask in masks if (region := region_of(mask)) is not None]
    for region in regions:
        region["value"]["brushlabels"] = [label]
    choice = {"from_name": "verdict", "to_name": "image", "type": "choices", "value": {"choices": [verdict]}}
    return [*regions, choice] if verdict else regions


class Round:
    """A dataset that was pushed to a fake server: its tasks by sample, and pulls."""

    def __init__(self, folder: Path, server: FakeServer, *, shards: bool = False) -> None:
        self.server = server
        self.dataset = draw_dataset(folder, samples=SAMPLES, shards=shards)
        with client_of(server.url) as client:
            push(push_of(self.dataset), client=client)
        self.tasks = {task["data"]["sample_id"]: number for number, task in server.tasks.items()}

    def submit(self, sample: str, *masks: np.ndarray, **values: Any) -> dict[str, Any]:
        """Submit masks as one who changed them does; without any nothing is said, unless a `verdict` is given."""
        verdict = values.pop("verdict", "fixed" if masks else None)
        result = drawn_result(*masks, verdict=verdict, label=values.pop("label", "person"))
        return self.server.annotate(self.tasks[sample], result=result, **values)

    def result(self, *masks: np.ndarray) -> list[dict[str, Any]]:
        return drawn_result(*masks, verdict="fixed")

    def pull(self, **values: Any) -> Pulled:
        with client_of(self.server.url, limit_s=2) as client:
            return pull(read_dataset(self.dataset.folder), client=client, title="drawn", **values)

    def row(self, sample: str) -> dict[str, Any]:
        return next(row for row in self.now().table.to_pylist() if row["id"] == sample)

    def mask(self, sample: str) -> np.ndarray:
        path = self.now().path(self.row(sample)["mask"])
        return decode_mask(path.read_bytes(), file=str(path))

    def now(self) -> Dataset:
        return read_dataset(self.dataset.folder)
